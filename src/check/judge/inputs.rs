//! Other kinds of a standard input.

use super::super::catalogue::Scenario;
use super::super::observed::{Observed, Readiness, Seen};
use super::super::options::Options;
use super::super::stdin::Input;
use super::super::verdict::{Verdict, Word};
use super::Case;
use super::signals::as_good;

pub(super) fn stdin(options: &Options, all: &Seen) -> Verdict {
    let runs = Input::OTHERS.into_iter().zip(all.of(Scenario::Stdin));
    let verdicts = runs.map(|(input, seen)| with(input, options, seen, all));
    let worst = verdicts.max_by_key(|verdict| verdict.word);
    match worst {
        Some(verdict) if verdict.word == Word::Pass => {
            Verdict::new("stdin", Word::Pass, "the same with a closed one, an open pipe and a terminal")
        }
        Some(verdict) => verdict,
        None => Verdict::new("stdin", Word::Inconclusive, "it was not tried"),
    }
}

fn with(input: Input, options: &Options, seen: &Observed, all: &Seen) -> Verdict {
    let name = input.name();
    let told = |word, text: &str| Verdict::new("stdin", word, format!("with {name}: {text}"));
    match (&seen.readiness, &seen.before, &seen.record) {
        (Readiness::Ready { .. }, Some(before), Some(record)) => {
            let verdict = as_good("stdin", &Case { options, all, seen, before, record });
            Verdict { summary: format!("with {name}: {}", verdict.summary), ..verdict }
        }
        (Readiness::Ended { how }, ..) => {
            told(Word::Fail, &format!("it {how} before it was ready")).said(&seen.output.last)
        }
        (Readiness::TimedOut { seen: what, .. }, ..) => {
            told(Word::Fail, &format!("it is not ready: {what}")).said(&seen.output.last)
        }
        (Readiness::Ready { .. } | Readiness::NotRun { .. }, ..) => {
            told(Word::Inconclusive, "there is no record of the run")
        }
    }
}
