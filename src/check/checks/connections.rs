//! Checks of connections that were open at the signal.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::check::{Check, Judge, Profile};
use super::verdict::{Verdict, Word};
use crate::check::observed::{HeldConnection, HeldEnd, Missing, Observed, ProbeOutcome, Record};
use crate::check::runs::scenario::Scenario;
use crate::check::time::short;
use crate::lifecycle::signal::Signal;
use crate::record::schema::ExitRecord;
use crate::text::counted;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] =
    &[BACKLOG, IN_FLIGHT, STREAM, IDLE_CONN, HALF_REQUEST, SILENT_CONN, UNDER_LOAD];

/// A stop that takes this much longer than a plain one was delayed by the connection.
const DELAY_MS_MAX: u64 = 1000;

/// The verdict of a run that lacked what it needs.
pub(super) fn missing(id: &'static str, seen: &Observed) -> Option<Verdict> {
    seen.missing.as_ref().map(|missing| match missing {
        Missing::Skip(why) => Verdict::skip(id, *why),
        Missing::Inconclusive(why) => Verdict::inconclusive(id, why),
    })
}

const IDLE_CONN: Check = Check {
    id: "idle-conn",
    profile: Profile::Standard,
    scenario: Scenario::Idle,
    about: "an idle connection does not delay the stop",
    more: "Holds a keep-alive connection that has had its answer. Fails when it delays the stop by more \
         than a second.",
    judge: Judge::Stop(|case| delays(IDLE_CONN.id, case.seen, &case.all.plain)),
};

const HALF_REQUEST: Check = Check {
    id: "half-request",
    profile: Profile::Standard,
    scenario: Scenario::Half,
    about: "half a request does not delay the stop",
    more: "Sends 'GET / HT' and waits. Fails when the connection delays the stop by more than a second.",
    judge: Judge::Stop(|case| delays(HALF_REQUEST.id, case.seen, &case.all.plain)),
};

const SILENT_CONN: Check = Check {
    id: "silent-conn",
    profile: Profile::Standard,
    scenario: Scenario::Silent,
    about: "a silent connection does not delay the stop",
    more: "Connects and sends nothing, as load balancers and browsers do. Fails when the connection delays \
         the stop by more than a second. Many servers do not count such a connection as idle: close all \
         connections after a drain limit.",
    judge: Judge::Stop(|case| delays(SILENT_CONN.id, case.seen, &case.all.plain)),
};

/// Fails when the held connection delays the stop.
pub(super) fn delays(id: &'static str, seen: &Observed, plain: &Observed) -> Verdict {
    let was_killed = |seen: &Observed| seen.record.as_ref().is_some_and(Record::was_killed);
    if was_killed(plain) {
        return Verdict::inconclusive(id, "the server does not stop without such a connection either");
    }
    let whole_ms = |seen: &Observed| seen.record.as_ref().and_then(Record::whole_ms).unwrap_or_default();
    let (with, without) = (whole_ms(seen), whole_ms(plain));
    let text = format!("stopped in {} with such a connection, in {} without", short(with), short(without));
    if !was_killed(seen) && with.saturating_sub(without) <= DELAY_MS_MAX {
        return Verdict::pass(id, text);
    }
    if seen.is_starved() {
        return Verdict::inconclusive(id, format!("{text}; the machine was too busy to tell"));
    }
    let text = if was_killed(seen) {
        format!("the connection holds up the stop until SIGKILL: {text}")
    } else {
        text
    };
    let remedy =
        "close connections without a request under way, silent ones too, or close all after a drain limit";
    seen.record.iter().fold(Verdict::fail(id, text, remedy), Verdict::explained)
}

/// The remedy for requests that are lost.
pub(super) const FINISH: &str =
    "stop accepting, wait for the requests under way, then exit; do not exit in the signal handler";

/// How many requests under way got no answer, or one of 5xx.
pub(super) fn lost(seen: &Observed) -> usize {
    let is_lost = |held: &&HeldConnection| !matches!(held.end, HeldEnd::Answered(status) if status < 500);
    seen.held.iter().filter(is_lost).count()
}

const IN_FLIGHT: Check = Check {
    id: "in-flight",
    profile: Profile::Standard,
    scenario: Scenario::Requests,
    about: "requests under way are answered",
    more: "Holds requests to --slow URL that are proven to be under way at the signal. Fails when one is \
         cut, or answered with an error (5xx). Without --slow it is skipped, or refused when it is named \
         in --only.",
    judge: Judge::Stop(|case| in_flight(case.seen)),
};

pub(super) fn in_flight(seen: &Observed) -> Verdict {
    let all = seen.held.len();
    let lost = lost(seen);
    let text = format!("{} of {all} answered", all - lost);
    if lost == 0 {
        return Verdict::pass(IN_FLIGHT.id, text);
    }
    let errors = seen.held.iter().filter(|held| matches!(held.end, HeldEnd::Answered(500..))).count();
    let text = format!("{text}, {} cut, {errors} answered with 5xx", lost - errors);
    Verdict::fail(IN_FLIGHT.id, text, FINISH)
}

const STREAM: Check = Check {
    id: "stream",
    profile: Profile::Standard,
    scenario: Scenario::Stream,
    about: "an endless answer does not delay the stop",
    more: "Holds an answer that does not end (--stream URL). Fails when it delays the stop by more than a \
         second; warns when it is cut in the middle, without an end that clients can see. Without \
         --stream it is skipped.",
    judge: Judge::Stop(|case| stream(case.seen, &case.all.plain)),
};

fn stream(seen: &Observed, plain: &Observed) -> Verdict {
    let verdict = delays(STREAM.id, seen, plain);
    if verdict.word() == Word::Pass && seen.held.iter().any(|held| held.end == HeldEnd::Cut) {
        return Verdict::warn(
            STREAM.id,
            format!("{}; the answer was cut in the middle", verdict.summary),
            "end the answer, so that clients see that it is over",
        );
    }
    verdict
}

pub(super) const BACKLOG: Check = Check {
    id: "backlog",
    profile: Profile::Standard,
    scenario: Scenario::Plain,
    about: "no connection is cut in the kernel's queue",
    more: "Warns when probes after the signal are cut: when a listener is closed, the kernel resets the \
         connections that wait in its queue, and those clients have to try again. Accept what waits \
         before closing the listener.",
    judge: Judge::Stop(|case| backlog(case.seen)),
};

fn backlog(seen: &Observed) -> Verdict {
    if let Some(why) = &seen.unproved {
        return Verdict::inconclusive(BACKLOG.id, why);
    }
    let after = seen.strip.iter().filter(|probe| probe.at_ms >= 0);
    let cut = after.filter(|probe| probe.outcome == ProbeOutcome::Reset).count();
    match (seen.strip.len(), cut) {
        (0, _) => Verdict::skip(BACKLOG.id, "the server listens nowhere"),
        (_, 0) => Verdict::pass(BACKLOG.id, "no connection was cut"),
        (_, cut) => {
            let cut = counted(cut, "connection", "s");
            Verdict::warn(
                BACKLOG.id,
                format!("{cut} cut in the kernel's queue"),
                "accept what waits before closing the listener; those clients have to try again",
            )
        }
    }
}

pub(super) const UNDER_LOAD: Check = Check {
    id: "under-load",
    profile: Profile::Standard,
    scenario: Scenario::Drive,
    about: "your own load test survives the stop",
    more: "Runs --drive COMMAND (with $URL and $PORT) across the stop. Fails when the command fails. \
         Without --drive it is skipped.",
    judge: Judge::Stop(|case| under_load(case.seen)),
};

fn under_load(seen: &Observed) -> Verdict {
    match &seen.driven {
        None => {
            Verdict::inconclusive(UNDER_LOAD.id, "the command of --drive did not end within 30 s of the stop")
        }
        Some((status, _)) if status.success() => {
            Verdict::pass(UNDER_LOAD.id, "the command of --drive succeeded")
        }
        Some((status, lines)) => Verdict::fail(
            UNDER_LOAD.id,
            format!("the command of --drive failed: {}", how(*status)),
            "look in its output for the requests that failed: finish those under way, and refuse new ones",
        )
        .said(lines),
    }
}

/// `exit status 3`, `death by SIGKILL`.
fn how(status: ExitStatus) -> String {
    let signal = status.signal().and_then(Signal::new);
    ExitRecord { code: status.code(), signal: signal.map(Signal::name) }.to_string()
}
