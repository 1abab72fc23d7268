//! What new clients meet during the stop.

use super::check::{Check, Judge, Profile};
use super::stop;
use super::verdict::Verdict;
use crate::check::observed::{Observed, Probe, ProbeOutcome};
use crate::check::runs::scenario::Scenario;
use crate::text::counted;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[REFUSE_NEW];

/// From here on, accepting as if nothing had happened is a defect.
const ACCEPTING_MS_MAX: i64 = 500;

/// The kernel resets what is in a listener's queue when it is closed: this many are no defect.
const RESETS_MAX: usize = 2;

/// `..........|TERM|..xxxx`.
pub(in crate::check) fn strip(seen: &Observed, signal: &str) -> String {
    let (before, after): (Vec<&Probe>, Vec<&Probe>) = seen.strip.iter().partition(|probe| probe.at_ms < 0);
    let letters =
        |probes: Vec<&Probe>| -> String { probes.iter().map(|probe| probe.outcome.letter()).collect() };
    format!("{}|{signal}|{}", letters(before), letters(after))
}

pub(super) const REFUSE_NEW: Check = Check {
    id: "refuse-new",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "new connections are refused cleanly",
    more: "Connects twenty times a second through the stop. Fails when the server takes new work for 500 ms \
         or more and turns no client away before it ends (by a refusal, or an answer of 5xx); when it \
         accepts again after it has refused; when a connection gets no answer within 2 s; or when more \
         than two are cut. Up to two cut connections are only mentioned: they were in the kernel's queue, \
         see backlog. Inconclusive when no connection worked before the signal, when another process \
         answers, or may answer, at the same address, or when the machine was too busy to judge.",
    judge: Judge::Stop(|case| refuse_new(case.seen)),
};

pub(super) fn refuse_new(seen: &Observed) -> Verdict {
    if let Some(why) = &seen.unproved {
        return Verdict::inconclusive(REFUSE_NEW.id, why);
    }
    let (before, after): (Vec<&Probe>, Vec<&Probe>) = seen.strip.iter().partition(|probe| probe.at_ms < 0);
    if seen.strip.is_empty() {
        return Verdict::skip(
            REFUSE_NEW.id,
            "the server listens nowhere, so there was nothing to connect to",
        );
    }
    if !before.iter().any(|probe| probe.outcome == ProbeOutcome::Ok) {
        return Verdict::inconclusive(REFUSE_NEW.id, "no connection worked before the signal");
    }
    let counts = counts(&after);
    if let Some((defect, remedy)) = defect(&after, seen.stop_ms().map_or(i64::MAX, u64::cast_signed)) {
        if seen.is_starved() {
            return stop::starved(REFUSE_NEW.id, seen, seen.stop_ms().unwrap_or_default());
        }
        return Verdict::fail(REFUSE_NEW.id, defect, remedy).because(counts);
    }
    match number(&after, ProbeOutcome::Reset) {
        0 => Verdict::pass(REFUSE_NEW.id, &counts),
        cut => Verdict::pass(
            REFUSE_NEW.id,
            format!("{} cut in the kernel's queue", counted(cut, "connection", "s")),
        )
        .because(format!("{counts}; see backlog")),
    }
}

fn number(probes: &[&Probe], wanted: ProbeOutcome) -> usize {
    probes.iter().filter(|probe| probe.outcome == wanted).count()
}

/// `after the signal: 2 answered, 14 refused`.
fn counts(after: &[&Probe]) -> String {
    let counts = ProbeOutcome::ALL.map(|outcome| (number(after, outcome), outcome.word()));
    let shown: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("after the signal: {}", if shown.is_empty() { "no probe".to_owned() } else { shown.join(", ") })
}

/// What clients suffer from, with the remedy.
fn defect(after: &[&Probe], end_ms: i64) -> Option<(&'static str, &'static str)> {
    const TAKEN: &str = "close the listener first, then finish what is open";
    let first_refused = after.iter().find(|probe| probe.outcome == ProbeOutcome::Refused);
    let accepted = || after.iter().filter(|probe| probe.outcome == ProbeOutcome::Ok).map(|probe| probe.at_ms);
    if first_refused.is_some_and(|first| accepted().any(|at_ms| at_ms > first.at_ms)) {
        return Some((
            "the server accepts again after it has refused",
            "find out what opens the listener again",
        ));
    }
    if number(after, ProbeOutcome::TimedOut) > 0 {
        return Some(("the server accepts new connections, and does not answer them", TAKEN));
    }
    if number(after, ProbeOutcome::Reset) > RESETS_MAX {
        return Some(("the server accepts new connections, and cuts them", TAKEN));
    }
    let turns_away =
        number(after, ProbeOutcome::Error) > 0 || first_refused.is_some_and(|first| first.at_ms < end_ms);
    let takes_on = !turns_away && accepted().any(|at_ms| at_ms >= ACCEPTING_MS_MAX);
    takes_on.then_some((
        "the server takes new work until it ends",
        "close the listener at the signal, or answer with 503",
    ))
}
