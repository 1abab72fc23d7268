//! Stops of another kind: by other signals, twice, early, by SIGKILL; and the start that follows.

use super::super::catalogue::Scenario;
use super::super::observed::{Before, Observed, Readiness, Record, Takes};
use super::super::options::Options;
use super::super::time::{ms, told as time};
use super::super::verdict::{Verdict, Word};
use super::{Case, connections, left, stop};
use crate::lifecycle::signal::Signal;
use crate::report::record::Exit;

/// The first of its usual checks that does not pass.
fn worst(options: &Options, seen: &Observed, record: &Record) -> Option<Verdict> {
    let all = [
        stop::stops(options, seen, record),
        stop::exit_status(options, record),
        left::survivors(options, seen, record),
        left::output(seen),
    ];
    all.into_iter().find(|verdict| matches!(verdict.word, Word::Fail | Word::Inconclusive))
}

/// As good as a plain stop, or what was worse.
pub(super) fn as_good(id: &'static str, case: &Case<'_>) -> Verdict {
    let Case { options, all, seen, record, .. } = *case;
    if let Some(worse) = worst(options, seen, record) {
        let usual = all.plain.record.as_ref().and_then(|record| worst(options, &all.plain, record));
        if usual.is_some_and(|usual| usual.id == worse.id && usual.word == worse.word) {
            return Verdict::new(id, Word::Skip, format!("no worse than a plain stop, see {}", worse.id));
        }
        let verdict = Verdict::new(id, worse.word, format!("{}: {}", worse.id, worse.summary));
        return worse.evidence.into_iter().fold(verdict, Verdict::because);
    }
    let usually_lost = all.of(Scenario::Requests).next().map_or(0, connections::lost);
    match connections::lost(seen) {
        0 => Verdict::new(id, Word::Pass, format!("in {}", time(record.stop_ms().unwrap_or_default()))),
        lost if lost <= usually_lost => {
            Verdict::new(id, Word::Skip, "no worse than a plain stop, see in-flight")
        }
        lost => {
            Verdict::new(id, Word::Fail, format!("{lost} of {} requests under way lost", seen.held.len()))
        }
    }
}

pub(super) fn twice(case: &Case<'_>) -> Verdict {
    let once = case.all.plain.record.as_ref().and_then(|record| record.exit.clone());
    let twice = &case.record.exit;
    let mut verdict = as_good("double-term", case);
    if verdict.word == Word::Pass && *twice != once {
        let told = |exit: Option<&Exit>| exit.map_or_else(|| "no end".to_owned(), ToString::to_string);
        let text = format!("{} after two, {} after one", told(twice.as_ref()), told(once.as_ref()));
        verdict = Verdict::new("double-term", Word::Fail, text);
    }
    match verdict.word {
        Word::Fail => {
            verdict.because("take a second signal as the same request; keep the shortcut for SIGINT")
        }
        _ => verdict,
    }
}

/// For information only.
pub(super) fn other(id: &'static str, record: &Record) -> Verdict {
    let name = id.to_ascii_uppercase();
    let text = match &record.exit {
        Some(exit) if !record.was_killed() => format!("{name} ends it: {exit}"),
        _ => format!("{name} does not stop it"),
    };
    Verdict::new(id, Word::Pass, text)
}

pub(super) fn interrupt(case: &Case<'_>) -> Verdict {
    let has_handler = |before: &Before| before.takes != Some(Takes::Default);
    let verdict = as_good("sigint", &Case { options: &by_int(case.options), ..*case });
    let is_worse = !has_handler(case.before) && case.all.plain.before.as_ref().is_some_and(has_handler);
    if verdict.word == Word::Pass && is_worse {
        let text = "no handler: SIGINT ends it at once, the stop signal does not";
        return Verdict::new("sigint", Word::Fail, text).because("install the handler for SIGINT, too");
    }
    verdict
}

pub(super) fn ctrl_c(case: &Case<'_>) -> Verdict {
    as_good("ctrl-c", &Case { options: &by_int(case.options), ..*case })
}

/// Its death by SIGINT is as good as one by the stop signal.
fn by_int(options: &Options) -> Options {
    Options { signal: Some(Signal::INT), ..options.clone() }
}

pub(super) fn startup<'a>(options: &Options, runs: impl Iterator<Item = &'a Observed>) -> Verdict {
    let (mut all, mut unprotected, mut starved) = (0, 0, 0);
    for seen in runs {
        all += 1;
        let Some(record) = &seen.record else { continue };
        let was_killed = record.was_killed();
        starved += usize::from(was_killed && seen.is_starved());
        if was_killed && !seen.is_starved() {
            let text = "asked during its start it had to be killed";
            return Verdict::new("startup", Word::Fail, text).explained(record);
        }
        let (lingering, files) = (left::lingering(options, seen), left::files(options, seen));
        if !lingering.is_empty() {
            let text = format!("asked during its start it left processes: {}", lingering.join(", "));
            return Verdict::new("startup", Word::Fail, text);
        }
        if files.word == Word::Fail {
            return Verdict::new("startup", Word::Fail, format!("asked during its start: {}", files.summary));
        }
        let ended_by_signal = record.exit.as_ref().is_some_and(|exit| exit.signal.is_some());
        unprotected += usize::from(ended_by_signal);
    }
    if starved > 0 {
        return Verdict::new("startup", Word::Inconclusive, "the machine starved it");
    }
    let text = format!("ended {all} of {all} times, {unprotected} of them before it had a handler");
    Verdict::new("startup", Word::Pass, text)
}

pub(super) fn pid1(options: &Options, seen: &Observed, before: &Before) -> Verdict {
    let limit_ms = ms(options.limit);
    if seen.took_ms < limit_ms {
        return Verdict::new("pid1", Word::Pass, format!("in {}", time(seen.took_ms)));
    }
    if seen.is_starved() {
        return Verdict::new("pid1", Word::Inconclusive, "the machine starved it");
    }
    let verdict =
        Verdict::new("pid1", Word::Fail, format!("as PID 1 it is still there after {}", time(limit_ms)));
    match before.takes {
        Some(Takes::Dropped) => {
            verdict.because("it has no handler, and the kernel drops the signal of such a PID 1").because(
                "install a handler, or put an init in front of it: ENTRYPOINT [\"winddown\", \"--\", ...]",
            )
        }
        _ => verdict,
    }
}

pub(super) fn orphans(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    let found = left::survivors(options, seen, record);
    match found.word {
        Word::Pass => Verdict::new("kill-orphans", Word::Pass, "nobody was left"),
        Word::Warn => Verdict::new("kill-orphans", Word::Warn, found.summary),
        word => Verdict::new("kill-orphans", word, found.summary)
            .because("have children watch their parent: PR_SET_PDEATHSIG, or the end of a pipe"),
    }
}

pub(super) fn restart(id: &'static str, seen: &Observed) -> Verdict {
    let told = |word, text: String| {
        let last = &seen.output.last;
        let verdict = Verdict::new(id, word, text);
        if word == Word::Pass { verdict } else { verdict.said(&last[last.len().saturating_sub(5)..]) }
    };
    // A first start that fails meets what the run before has left.
    match seen.restart.as_ref().or(Some(&seen.readiness).filter(|_| !seen.is_ready())) {
        Some(Readiness::Ready { after_ms, .. }) => {
            told(Word::Pass, format!("ready again after {}", time(*after_ms)))
        }
        Some(Readiness::Ended { how }) => told(Word::Fail, format!("started again it {how}")),
        Some(Readiness::TimedOut { seen: what, .. }) => {
            told(Word::Fail, format!("started again it is not ready: {what}"))
        }
        Some(Readiness::NotRun { why, .. }) => told(Word::Inconclusive, why.clone()),
        None => told(Word::Inconclusive, "it was not started again".to_owned()),
    }
}
