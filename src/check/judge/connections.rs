//! Connections that were open at the signal.

use super::super::observed::{Held, HeldEnd, Missing, Observed, Outcome, Record};
use super::super::time::told as time;
use super::super::verdict::{Verdict, Word};

/// More than this is a delay that a connection has made.
const DELAY_MS_MAX: u64 = 1000;

/// What a run lacked, as a verdict.
pub(super) fn missing(id: &'static str, seen: &Observed) -> Option<Verdict> {
    seen.missing.as_ref().map(|missing| match missing {
        Missing::Skip(why) => Verdict::new(id, Word::Skip, *why),
        Missing::Inconclusive(why) => Verdict::new(id, Word::Inconclusive, *why),
    })
}

/// A connection must not keep the server.
pub(super) fn delays(id: &'static str, seen: &Observed, plain: &Observed) -> Verdict {
    let was_killed = |seen: &Observed| seen.record.as_ref().is_some_and(Record::was_killed);
    if was_killed(plain) {
        return Verdict::new(id, Word::Inconclusive, "it does not stop without one either");
    }
    let whole_ms = |seen: &Observed| seen.record.as_ref().and_then(Record::whole_ms).unwrap_or_default();
    let (with, without) = (whole_ms(seen), whole_ms(plain));
    let text = format!("{} with one, {} without", time(with), time(without));
    if !was_killed(seen) && with.saturating_sub(without) <= DELAY_MS_MAX {
        return Verdict::new(id, Word::Pass, text);
    }
    if seen.is_starved() {
        return Verdict::new(id, Word::Inconclusive, format!("{text}; but the machine starved it"));
    }
    let text = if was_killed(seen) { format!("one keeps it until it is killed: {text}") } else { text };
    let verdict = Verdict::new(id, Word::Fail, text);
    let verdict = seen.record.iter().fold(verdict, Verdict::explained);
    verdict.because("close connections that have no request under way, silent ones too, or all of them after a drain limit")
}

/// Requests that were under way, and were not answered well.
pub(super) fn lost(seen: &Observed) -> usize {
    let is_lost = |held: &&Held| !matches!(held.end, HeldEnd::Answered(status) if status < 500);
    seen.held.iter().filter(is_lost).count()
}

pub(super) fn in_flight(seen: &Observed) -> Verdict {
    let all = seen.held.len();
    let lost = lost(seen);
    let text = format!("{} of {all} answered", all - lost);
    if lost == 0 {
        return Verdict::new("in-flight", Word::Pass, text);
    }
    let errors = seen.held.iter().filter(|held| matches!(held.end, HeldEnd::Answered(500..))).count();
    Verdict::new("in-flight", Word::Fail, format!("{text}, {} cut, {errors} with an error", lost - errors))
        .because("stop accepting, wait for what is under way, and then exit; do not exit in the handler")
}

pub(super) fn stream(seen: &Observed, plain: &Observed) -> Verdict {
    let verdict = delays("stream", seen, plain);
    if verdict.word == Word::Pass && seen.held.iter().any(|held| held.end == HeldEnd::Cut) {
        return Verdict::new("stream", Word::Warn, format!("{}; it was cut in the middle", verdict.summary))
            .because("end the answer, so that clients see that it is over");
    }
    verdict
}

pub(super) fn backlog(seen: &Observed) -> Verdict {
    let after = seen.strip.iter().filter(|probe| probe.at_ms >= 0);
    let cut = after.filter(|probe| probe.outcome == Outcome::Reset).count();
    match (seen.strip.len(), cut) {
        (0, _) => Verdict::new("backlog", Word::Skip, "it listens nowhere"),
        (_, 0) => Verdict::new("backlog", Word::Pass, "no connection was cut"),
        (_, cut) => Verdict::new("backlog", Word::Warn, format!("{cut} cut, out of the kernel's queue"))
            .because("accept what has come before the listener is closed; clients have to try again"),
    }
}

pub(super) fn under_load(seen: &Observed) -> Verdict {
    let told = |word, text: &str| Verdict::new("under-load", word, text);
    match &seen.driven {
        None => told(Word::Inconclusive, "the load did not end by itself within 30 s of the stop"),
        Some((true, _)) => told(Word::Pass, "the load ended well"),
        Some((false, lines)) => told(Word::Fail, "the load failed").said(lines),
    }
}
