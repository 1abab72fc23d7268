//! Other kinds of standard input.

use super::check::{Case, Check, Judge, Profile};
use super::signals::as_good;
use super::verdict::{Verdict, Word};
use crate::check::observed::{AllRuns, Observed, Readiness};
use crate::check::options::Options;
use crate::check::runs::scenario::Scenario;
use crate::check::runs::stdin::Input;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[STDIN];

const STDIN: Check = Check {
    id: "stdin",
    profile: Profile::Full,
    scenario: Scenario::Stdin,
    about: "any standard input will do",
    more: "Starts the server with a closed stdin, with a pipe that stays open (docker run -i), and with a \
         terminal (docker run -t); all other runs have an empty one (or that of --stdin). Fails when the \
         server does not become ready, ends by itself, or stops worse than usual.",
    judge: Judge::Runs(|run| stdin(run.options, run.all)),
};

fn stdin(options: &Options, all: &AllRuns) -> Verdict {
    let runs = options.stdin.others().zip(all.of(Scenario::Stdin));
    let verdicts = runs.map(|(input, seen)| with(input, options, seen, all));
    let worst = verdicts.max_by_key(Verdict::word);
    match worst {
        Some(verdict) if verdict.word() == Word::Pass => {
            let others: Vec<&str> = options.stdin.others().map(Input::name).collect();
            Verdict::pass(STDIN.id, format!("the same with {}", others.join(", ")))
        }
        Some(verdict) => verdict,
        None => Verdict::inconclusive(STDIN.id, "the run for this check was not made"),
    }
}

fn with(input: Input, options: &Options, seen: &Observed, all: &AllRuns) -> Verdict {
    let name = input.name();
    let fail = |text: &str| {
        Verdict::fail(STDIN.id, format!("with {name}: {text}"), "do not read stdin, or carry on when it ends")
            .said(&seen.output.last)
    };
    match (&seen.readiness, &seen.before, &seen.record) {
        (Readiness::Ready { .. }, Some(before), Some(record)) => {
            let verdict = as_good(STDIN.id, &Case { options, all, seen, before, record });
            let summary = format!("with {name}: {}", verdict.summary);
            verdict.of(STDIN.id, summary)
        }
        (Readiness::Ended { how }, ..) => fail(&format!("the server {how} before it was ready")),
        (Readiness::TimedOut { seen: what, .. }, ..) => fail(&format!("the server is not ready: {what}")),
        (Readiness::Ready { .. } | Readiness::NotRun { .. }, ..) => {
            Verdict::inconclusive(STDIN.id, format!("with {name}: the run left no record"))
        }
    }
}
