//! Judges what was seen. Pure: observations in, verdicts out.

use super::baseline::Baseline;
use super::catalogue::{Check, Scenario};
use super::observed::{Before, Observed, Readiness, Record, Seen};
use super::options::Options;
use super::statistics::Times;
use super::verdict::{Verdict, Word};

mod connections;
mod inputs;
mod left;
mod signals;
mod start;
mod stop;
mod traffic;

pub(super) use traffic::strip;

/// All checks that were asked for.
#[must_use]
pub(super) fn judge(options: &Options, seen: &Seen) -> Vec<Verdict> {
    let verdicts = options.checks.iter().map(|check| verdict(check, options, seen).weighed(options));
    verdicts.collect()
}

fn verdict(check: &Check, options: &Options, all: &Seen) -> Verdict {
    if let Some(baseline) = options.baseline.as_ref().filter(|_| check.id == "baseline") {
        let is_starved = all.plain_runs().any(Observed::is_starved);
        return baseline.judge(&Baseline::of(&Times::of(all)), is_starved);
    }
    if check.scenario != Scenario::Plain || all.again.is_empty() {
        return once(check, options, all, &all.plain);
    }
    let verdicts: Vec<Verdict> = all.plain_runs().map(|run| once(check, options, all, run)).collect();
    let Some(mut worst) = verdicts.iter().max_by_key(|verdict| verdict.word).cloned() else {
        return Verdict::new(check.id, Word::Inconclusive, "it was not tried");
    };
    if matches!(worst.word, Word::Fail | Word::Warn | Word::Inconclusive) {
        let alike = verdicts.iter().filter(|verdict| verdict.word == worst.word).count();
        worst.summary = format!("in {alike} of {} runs: {}", verdicts.len(), worst.summary);
    }
    worst
}

/// Whether any check of a plain run fails.
pub(super) fn fails(options: &Options, all: &Seen, plain: &Observed) -> bool {
    let checks =
        options.checks.iter().filter(|check| check.scenario == Scenario::Plain && check.id != "baseline");
    checks
        .map(|check| once(check, options, all, plain).weighed(options))
        .any(|verdict| verdict.word == Word::Fail)
}

/// With one plain run.
fn once(check: &Check, options: &Options, all: &Seen, plain: &Observed) -> Verdict {
    let id = check.id;
    if id == "ready" {
        return start::ready(plain);
    }
    if !plain.is_ready() {
        return Verdict::new(id, Word::Inconclusive, "it was not ready, so there was nothing to stop");
    }
    if check.scenario == Scenario::Startup {
        return signals::startup(options, all.of(Scenario::Startup));
    }
    if check.scenario == Scenario::Stdin {
        return inputs::stdin(options, all);
    }
    let played = match check.scenario {
        Scenario::Plain => Some(plain),
        scenario => all.of(scenario).next(),
    };
    let Some(seen) = played else {
        return Verdict::new(id, Word::Inconclusive, "it was not tried");
    };
    if matches!(check.scenario, Scenario::KillRestart | Scenario::TermRestart) {
        return signals::restart(id, seen);
    }
    if let Some(missing) = connections::missing(id, seen) {
        return missing;
    }
    let (Some(before), Some(record)) = (&seen.before, &seen.record) else {
        return Verdict::new(id, Word::Inconclusive, "it was not ready in the run for this");
    };
    judged(id, &Case { options, all, seen, before, record })
}

/// One run, and what it is compared with.
#[derive(Clone, Copy)]
struct Case<'a> {
    options: &'a Options,
    all: &'a Seen,
    seen: &'a Observed,
    before: &'a Before,
    record: &'a Record,
}

fn judged(id: &'static str, case: &Case<'_>) -> Verdict {
    let Case { options, all, seen, before, record } = *case;
    match id {
        "handler" => start::handler(before),
        "zombies" => start::zombies(before),
        "shell-wrap" => start::shell_wrap(before),
        "notify" => start::notify(seen),
        "stops" => stop::stops(options, seen, record),
        "margin" => stop::margin(options, seen, record),
        "exit-status" => stop::exit_status(options, record),
        "survivors" => left::survivors(options, seen, record),
        "ports" => left::ports(options, seen, before),
        "files" => left::files(options, seen),
        "output" => left::output(seen),
        "refuse-new" => traffic::refuse_new(seen),
        "backlog" => connections::backlog(seen),
        "in-flight" => connections::in_flight(seen),
        "stream" => connections::stream(seen, &all.plain),
        "under-load" => connections::under_load(seen),
        "double-term" => signals::twice(case),
        "sigint" => signals::interrupt(case),
        "ctrl-c" => signals::ctrl_c(case),
        "sighup" | "sigquit" => signals::other(id, record),
        "group-vs-leader" | "stopped" | "worker-killed" | "dependency-gone" | "stdout-full" => {
            signals::as_good(id, case)
        }
        "pid1" => signals::pid1(options, seen, before),
        "kill-orphans" => signals::orphans(options, seen, record),
        _ => connections::delays(id, seen, &all.plain),
    }
}

/// A server that never ran: nothing was tested.
#[must_use]
pub(super) fn not_run(seen: &Observed) -> Option<(u8, &str)> {
    match &seen.readiness {
        Readiness::NotRun { status, why } => Some((*status, why)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
