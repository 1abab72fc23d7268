//! Judges what was seen. Pure: observations in, verdicts out.

use super::catalogue::Check;
use super::observed::{Observed, Readiness};
use super::options::Options;
use super::verdict::{Verdict, Word};

mod left;
mod start;
mod stop;
mod traffic;

pub(super) use traffic::strip;

/// All checks that were asked for.
#[must_use]
pub(super) fn judge(options: &Options, seen: &Observed) -> Vec<Verdict> {
    let verdicts = options.checks.iter().map(|check| verdict(check, options, seen).weighed(options));
    verdicts.collect()
}

fn verdict(check: &Check, options: &Options, seen: &Observed) -> Verdict {
    if check.id == "ready" {
        return start::ready(seen);
    }
    let Some(before) = seen.before.as_ref().filter(|_| seen.is_ready()) else {
        return Verdict::new(check.id, Word::Inconclusive, "it was not ready, so there was nothing to stop");
    };
    let Some(record) = &seen.record else {
        return Verdict::new(check.id, Word::Inconclusive, "the run left no record");
    };
    match check.id {
        "handler" => start::handler(before),
        "zombies" => start::zombies(before),
        "shell-wrap" => start::shell_wrap(before),
        "stops" => stop::stops(options, seen, record),
        "margin" => stop::margin(options, seen, record),
        "exit-status" => stop::exit_status(options, record),
        "survivors" => left::survivors(options, seen, record),
        "ports" => left::ports(options, seen, before),
        "files" => left::files(options, seen),
        "output" => left::output(seen),
        _ => traffic::refuse_new(seen),
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

/// `1 process`, `2 processes`.
fn count(number: usize, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {more}") }
}

/// `0.24 s`, `3 ms`.
pub(super) fn time(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{:02} s", ms / 1000, ms % 1000 / 10) }
}
