//! Judges the observed runs. Pure: observations in, verdicts out.

use super::observed::{AllRuns, Observed, Readiness, Record};
use super::options::Options;
use super::runs::scenario::{Ask, Scenario};
use check::{Case, Check, Judge, Run};
use selection::Selection;
use verdict::{Runs, Verdict, Word};

mod aborted;
mod baseline;
pub mod catalogue;
pub(super) mod check;
mod children;
mod connections;
mod inputs;
mod left;
mod notify;
mod record;
pub(super) mod selection;
pub(super) mod several;
mod signals;
mod start;
mod stop;
mod traffic;
pub(super) mod verdict;

pub(in crate::check) use traffic::strip;

/// Checks that fail together where the signal is not heard.
pub(in crate::check) const HANDLER: &str = start::HANDLER.id;
pub(in crate::check) const STOPS: &str = stop::STOPS.id;
pub(in crate::check) const REFUSE_NEW: &str = traffic::REFUSE_NEW.id;

/// What was selected, and everything that was observed.
#[derive(Clone, Copy)]
struct Test<'a> {
    options: &'a Options,
    selection: &'a Selection,
    all: &'a AllRuns,
}

/// One verdict for each selected check.
pub(in crate::check) fn judge(options: &Options, selection: &Selection, all: &AllRuns) -> Vec<Verdict> {
    let test = Test { options, selection, all };
    selection.checks.iter().map(|check| verdict(check, &test)).collect()
}

fn verdict(check: &Check, test: &Test<'_>) -> Verdict {
    let all = test.all;
    let runs = if check.is_of_each_plain_run() { 1 + all.again.len() } else { 1 };
    let verdicts: Vec<Verdict> = all.plain_runs().take(runs).map(|run| once(check, test, run)).collect();
    let count = |word| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    let Some(mut worst) = verdicts.iter().max_by_key(|verdict| verdict.word()).cloned() else {
        return untried(check);
    };
    worst.runs = Runs { failed: count(Word::Fail), of: runs };
    if runs > 1 && matches!(worst.word(), Word::Fail | Word::Warn | Word::Inconclusive) {
        worst.summary = format!("in {} of {runs} runs: {}", count(worst.word()), worst.summary);
    }
    worst
}

/// The verdicts that are about this run.
pub(in crate::check) fn judge_run(
    options: &Options,
    selection: &Selection,
    all: &AllRuns,
    (scenario, run): (Scenario, &Observed),
) -> Vec<Verdict> {
    let test = Test { options, selection, all };
    let is_about_it = |check: &&&'static Check| match scenario {
        Scenario::Plain => check.is_of_each_plain_run(),
        _ => check.scenario == scenario,
    };
    let plain = if scenario == Scenario::Plain { run } else { &all.plain };
    let checks = selection.checks.iter().filter(is_about_it);
    checks.map(|check| once(check, &test, plain)).collect()
}

/// How many plain runs fail a check.
pub(in crate::check) fn failed_runs(options: &Options, selection: &Selection, all: &AllRuns) -> usize {
    all.plain_runs().filter(|run| fails(options, selection, all, run)).count()
}

/// Whether any check fails for this plain run.
pub(in crate::check) fn fails(
    options: &Options,
    selection: &Selection,
    all: &AllRuns,
    plain: &Observed,
) -> bool {
    let test = Test { options, selection, all };
    let mut checks = selection.checks.iter().filter(|check| check.is_of_each_plain_run());
    checks.any(|check| once(check, &test, plain).word() == Word::Fail)
}

/// The verdict with this plain run as the one to judge, or to compare with, as severe as the user wants it.
fn once(check: &Check, test: &Test<'_>, plain: &Observed) -> Verdict {
    test.selection.weighed(check, judged(check, test, plain))
}

fn judged(check: &Check, test: &Test<'_>, plain: &Observed) -> Verdict {
    let Test { options, all, .. } = *test;
    let run = |seen| Run { options, all, seen };
    match check.judge {
        Judge::Start(judge) | Judge::Times(judge) => judge(&run(plain)),
        _ if !plain.is_ready() => unready(check, test, plain),
        Judge::Runs(judge) => judge(&run(plain)),
        Judge::Restart(judge) => match played(check, all, plain) {
            Some(seen) => proved(judge(&run(seen)), check, test, seen),
            None => untried(check),
        },
        Judge::Stop(judge) => match played(check, all, plain) {
            Some(seen) => stopped(judge, check, test, seen),
            None => untried(check),
        },
    }
}

/// The run that the check is about.
fn played<'a>(check: &Check, all: &'a AllRuns, plain: &'a Observed) -> Option<&'a Observed> {
    match check.scenario {
        Scenario::Plain => Some(plain),
        scenario => all.of(scenario).next(),
    }
}

fn untried(check: &Check) -> Verdict {
    Verdict::inconclusive(check.id, "the run for this check was not made")
}

/// `ready` gives the reason, if it is selected.
fn unready(check: &Check, test: &Test<'_>, plain: &Observed) -> Verdict {
    if test.selection.has(&start::READY) {
        return Verdict::inconclusive(check.id, "the server was not ready, so there was nothing to stop");
    }
    start::unready(check.id, test.options, plain).proves_nothing(false)
}

/// Judges a run that must have left a record.
fn stopped(judge: fn(&Case<'_>) -> Verdict, check: &Check, test: &Test<'_>, seen: &Observed) -> Verdict {
    let Test { options, all, .. } = *test;
    if let Some(missing) = connections::missing(check.id, seen) {
        return missing;
    }
    let (Some(before), Some(record)) = (&seen.before, &seen.record) else {
        let verdict = start::unready(check.id, options, seen).proves_nothing(false);
        let summary = format!("in the run for this check: {}", verdict.summary);
        return verdict.of(check.id, summary);
    };
    proved(judge(&Case { options, all, seen, before, record }), check, test, seen)
}

/// Whether a server ended before the scenario asked it to.
pub(super) fn has_ended_unasked(scenario: Scenario, record: &Record) -> bool {
    match scenario.ask() {
        // The record knows of no stop request, whether there was one or not.
        Ask::Main => false,
        Ask::Kill => record.exit.as_ref().is_none_or(|exit| exit.signal.as_deref() != Some("KILL")),
        _ => record.ended_unasked(),
    }
}

/// A server that ended before it was asked to stop proves nothing by passing.
fn proved(verdict: Verdict, check: &Check, test: &Test<'_>, seen: &Observed) -> Verdict {
    let ended = seen.record.as_ref().filter(|record| has_ended_unasked(check.scenario, record));
    let Some(record) = ended.filter(|_| verdict.word() == Word::Pass) else { return verdict };
    let early = start::ended_early(check.id, test.options, seen, record);
    // `ready` or `stops` shows the evidence, if selected.
    let shown_elsewhere = [start::READY, stop::STOPS].iter().any(|check| test.selection.has(check));
    early.proves_nothing(shown_elsewhere)
}

/// The exit status and the reason, if the server never ran and nothing was tested.
pub(in crate::check) fn not_run(seen: &Observed) -> Option<(u8, &str)> {
    match &seen.readiness {
        Readiness::NotRun { status, why } => Some((*status, why)),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod made_up;
#[cfg(test)]
mod tests;
