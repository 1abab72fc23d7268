//! Checks of work whose clients have hung up.

use super::check::{Case, Check, Judge, Profile};
use super::has_ended_unasked;
use super::verdict::Verdict;
use crate::check::observed::{Aborted, Missing, Observed, REQUEST_MS_MIN};
use crate::check::runs::scenario::Scenario;
use crate::check::time::short;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[ABANDONED, ABORT];

/// How a server gets to know.
const GIVE_UP: &str = "end the work when its connection is closed (request.on('close'), http.disconnect, RequestAborted, \
                       proxy_ignore_client_abort off, option abortonclose); where it has to be finished, --skip this check";

const ABANDONED: Check = Check {
    id: "abandoned",
    profile: Profile::Standard,
    scenario: Scenario::Abandoned,
    about: "the stop does not wait for requests whose clients have gone",
    more: "Has the clients of requests to --slow URL hang up (FIN, RST), then stops the server. Warns when \
         that takes about as much longer as the requests would have gone on, compared with a stop without \
         any connection: the server waits for work that nobody wants. That can be right (a payment that is \
         to be finished), so it is a warning; --deny abandoned makes it fail. Inconclusive when a stop \
         without any connection takes as long as the request. Skipped where the request takes less than half a \
         second, and without --slow; refused then when it is named in --only.",
    judge: Judge::Stop(abandoned),
};

/// A stop that waits for a shorter request can't be told from one that does not, nor with less left of it.
const SHORTEST_MS: u64 = 500;
const LEFT_MS_MIN: u64 = 200;

fn abandoned(case: &Case<'_>) -> Verdict {
    let inconclusive = |why: String| Verdict::inconclusive(ABANDONED.id, why);
    let Some(quiet) = case.all.of(Scenario::Quiet).next() else {
        return inconclusive("nothing to compare with: the idle stop was not made".to_owned());
    };
    let (without, request_ms) = match idle(quiet) {
        Ok(idle) => idle,
        Err(why) => return inconclusive(format!("nothing to compare with: {why}")),
    };
    if request_ms < SHORTEST_MS {
        let text =
            format!("a request takes {}: give --slow one that takes a second or so", short(request_ms));
        return Verdict::skip(ABANDONED.id, text);
    }
    let went_on = |opened_ms: i64| request_ms.saturating_sub(opened_ms.min(0).unsigned_abs());
    let left = case.seen.held.iter().map(|held| went_on(held.opened_ms)).max().unwrap_or_default();
    if left < LEFT_MS_MIN {
        return inconclusive("the requests were almost over at the signal".to_owned());
    }
    if without >= left {
        let (without, request) = (short(without), short(request_ms));
        return inconclusive(format!(
            "a stop without any connection takes {without}, as long as a request ({request})"
        ));
    }
    let with = case.record.whole_ms().unwrap_or_default();
    let text = format!(
        "stopped in {} when clients had hung up, in {} without any connection; a request takes {}",
        short(with),
        short(without),
        short(request_ms)
    );
    let is_killed = case.record.was_killed();
    // A busy machine may have made either stop longer.
    let longer_at_least = unhindered(case.seen, with).saturating_sub(without);
    let longer_at_most = with.saturating_sub(unhindered(quiet, without));
    let waits = longer_at_least >= left / 2 || (is_killed && !case.seen.is_starved());
    if !waits && !is_killed && longer_at_most < left / 2 {
        return Verdict::pass(ABANDONED.id, text);
    }
    if !waits {
        return inconclusive(format!("{text}; the machine was too busy to tell"));
    }
    Verdict::warn(ABANDONED.id, format!("the stop waits for work that nobody wants: {text}"), GIVE_UP)
        .explained(case.record)
}

/// How long the stop might have taken on a machine that is not busy.
fn unhindered(seen: &Observed, stop_ms: u64) -> u64 {
    if seen.is_starved() { stop_ms.saturating_sub(seen.noise.waited_ms) } else { stop_ms }
}

/// How long a stop without any connection takes, and a request, or why that is not known.
fn idle(quiet: &Observed) -> Result<(u64, u64), String> {
    let missing = match &quiet.missing {
        Some(Missing::Skip(why)) => Some((*why).to_owned()),
        Some(Missing::Inconclusive(why)) => Some(why.clone()),
        None => None,
    };
    if let Some(why) = missing {
        return Err(why);
    }
    let record = quiet.record.as_ref().ok_or("the server was not ready")?;
    if record.was_killed() {
        return Err("the server does not stop without a request either".to_owned());
    }
    if has_ended_unasked(Scenario::Quiet, record) {
        return Err("the server ended before it was asked".to_owned());
    }
    record.whole_ms().zip(quiet.request_ms).ok_or_else(|| "the request was not measured".to_owned())
}

const ABORT: Check = Check {
    id: "abort",
    profile: Profile::Full,
    scenario: Scenario::Abort,
    about: "work is given up when its client has gone",
    more: "Has the clients of requests to --slow URL hang up in the middle (FIN, RST), and does not stop the \
         server. Warns when the work goes on a second later: the server still uses the CPU for it, or has a \
         connection that it opened for these requests, such as one to its own backend; --deny abort makes \
         it fail. The request is measured first and must take 2 s or more. Skipped where it is shorter, \
         where neither CPU nor connections show the work, and without --slow; refused then when it is named \
         in --only.",
    judge: Judge::Stop(|case| abort(case.seen)),
};

/// What counts as work, in percent of a CPU.
const CPU_MIN: u64 = 20;

fn abort(seen: &Observed) -> Verdict {
    if let Some(request_ms) = seen.request_ms.filter(|request_ms| *request_ms < REQUEST_MS_MIN) {
        let (took, least) = (short(request_ms), short(REQUEST_MS_MIN));
        return Verdict::skip(
            ABORT.id,
            format!("a request takes {took}: give --slow one that takes {least} or more"),
        );
    }
    let Some(aborted) = seen.aborted else {
        return Verdict::inconclusive(ABORT.id, "no client could hang up");
    };
    let Aborted { opened, left, cpu_idle, cpu_busy, cpu_after, remaining_ms } = aborted;
    let by_cpu = cpu_busy.saturating_sub(cpu_idle);
    let shows_cpu = by_cpu >= CPU_MIN;
    if opened == 0 && !shows_cpu {
        return Verdict::skip(ABORT.id, "neither the CPU nor a connection shows the work for a request");
    }
    if remaining_ms <= 0 {
        return Verdict::inconclusive(ABORT.id, "the requests were over by themselves before it was seen");
    }
    let mut facts = Vec::new();
    if opened > 0 {
        facts.push(format!("{left} of {opened} connections that the server opened for them are left"));
    }
    if shows_cpu {
        facts.push(format!("the server uses {cpu_after} % of a CPU, {cpu_busy} % before"));
    }
    let facts = facts.join(", ");
    if left == 0 && !(shows_cpu && cpu_after.saturating_sub(cpu_idle) > by_cpu / 4) {
        return Verdict::pass(ABORT.id, format!("a second after clients have hung up: {facts}"));
    }
    let text = format!("the work goes on a second after clients have hung up: {facts}");
    Verdict::warn(ABORT.id, text, GIVE_UP)
}
