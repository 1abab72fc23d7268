//! What clients get.

use super::super::observed::{Observed, Outcome, Probe};
use super::super::verdict::{Verdict, Word};

/// So long it may go on accepting, as if nothing had happened.
const ACCEPTING_MS_MAX: i64 = 500;

/// Some are in the queue of the kernel when the listener is closed.
const RESETS_MAX: usize = 2;

/// `..........|TERM|..xxxx`.
#[must_use]
pub(in crate::check) fn strip(seen: &Observed, signal: &str) -> String {
    let (before, after): (Vec<&Probe>, Vec<&Probe>) = seen.strip.iter().partition(|probe| probe.at_ms < 0);
    let letters =
        |probes: Vec<&Probe>| -> String { probes.iter().map(|probe| probe.outcome.letter()).collect() };
    format!("{}|{signal}|{}", letters(before), letters(after))
}

pub(super) fn refuse_new(seen: &Observed) -> Verdict {
    let told = |word, text: String| Verdict::new("refuse-new", word, text);
    let (before, after): (Vec<&Probe>, Vec<&Probe>) = seen.strip.iter().partition(|probe| probe.at_ms < 0);
    if seen.strip.is_empty() {
        return told(Word::Skip, "it listens nowhere, so there was nothing to connect to".to_owned());
    }
    if !before.iter().any(|probe| probe.outcome == Outcome::Ok) {
        return told(Word::Inconclusive, "no connection worked before the signal".to_owned());
    }
    let number = |wanted: Outcome| after.iter().filter(|probe| probe.outcome == wanted).count();
    let [ok, errors, reset, refused, hung] =
        [Outcome::Ok, Outcome::Error, Outcome::Reset, Outcome::Refused, Outcome::TimedOut].map(number);
    let text = format!(
        "after the signal {ok} ok, {errors} errors, {reset} reset, {refused} refused, {hung} without an answer"
    );
    let end = seen.stop_ms().map_or(i64::MAX, u64::cast_signed);
    let first_refused = after.iter().find(|probe| probe.outcome == Outcome::Refused);
    let again = first_refused.and_then(|first| {
        after.iter().find(|probe| probe.outcome == Outcome::Ok && probe.at_ms > first.at_ms)
    });
    if again.is_some() {
        return told(Word::Fail, text)
            .because("it accepts again after it has refused: does something restart it?");
    }
    if hung > 0 || reset > RESETS_MAX {
        return told(Word::Fail, text).because(
            "connections are taken, and not answered: close the listener first, then finish what is open",
        );
    }
    let last_ok = after.iter().filter(|probe| probe.outcome == Outcome::Ok).map(|probe| probe.at_ms).max();
    let is_turned_away = errors > 0 || first_refused.is_some_and(|first| first.at_ms < end);
    if !is_turned_away && last_ok.is_some_and(|at| at >= ACCEPTING_MS_MAX) {
        return told(Word::Fail, text)
            .because("it takes new work until its end: close the listener, or answer with 503");
    }
    told(Word::Pass, text)
}
