//! For GitHub Actions: an annotation for each check that did not pass, and a summary of the job.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use super::page::Surface;
use super::{Results, name};
use crate::check::checks::verdict::{Verdict, Word, alike};
use crate::check::checks::{HANDLER, REFUSE_NEW, STOPS};
use crate::check::options::reports::ANNOTATION;
use crate::os::{environment, reason};

/// GitHub shows at most ten annotations of a kind for a step.
const ANNOTATIONS_MAX: usize = 10;

/// Checks that say the same, and what they say.
type Annotated<'a> = (Vec<&'a str>, &'a Verdict);

pub(super) fn annotations(results: &Results<'_>) -> String {
    let name = name(results.options);
    let of = |words: &[Word], level| {
        let found = alike(&results.verdicts).filter(|(_, verdict)| words.contains(&verdict.word()));
        let annotations = unheard(found.collect()).into_iter().take(ANNOTATIONS_MAX);
        annotations.map(|(ids, verdict)| annotation(level, &name, &ids, verdict)).collect::<String>()
    };
    of(&[Word::Fail], "error") + &of(&[Word::Warn, Word::Inconclusive], "warning")
}

/// The failures of a server that can't hear the signal have one cause: it neither stops nor closes its listener. The
/// post-mortem of the stop knows most about it.
fn unheard<'a>(found: Vec<Annotated<'a>>) -> Vec<Annotated<'a>> {
    let is_of = |one: &Annotated<'a>, id: &str| one.0 == [id] && one.1.word() == Word::Fail;
    let is_unheard = |one: &Annotated<'a>| [HANDLER, STOPS, REFUSE_NEW].iter().any(|id| is_of(one, id));
    if ![HANDLER, STOPS].iter().all(|id| found.iter().any(|one| is_of(one, id))) {
        return found;
    }
    let (unheard, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_unheard);
    let ids = unheard.iter().flat_map(|(ids, _)| ids.iter().copied()).collect();
    let stops = unheard.iter().find(|one| is_of(one, STOPS)).map(|(_, verdict)| (ids, *verdict));
    stops.into_iter().chain(others).collect()
}

fn annotation(level: &str, name: &str, ids: &[&str], verdict: &Verdict) -> String {
    let title = escaped(&format!("{name}: {}", ids.join(", "))).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} {ANNOTATION}{title}::{}\n", escaped(&verdict.lines().join("\n")))
}

/// Escapes text for the runner.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Appends to the job's summary, if there is one.
pub(super) fn summarise(results: &Results<'_>) -> Result<(), String> {
    let Some(path) = environment::value("GITHUB_STEP_SUMMARY").map(PathBuf::from) else { return Ok(()) };
    let written = OpenOptions::new().append(true).create(true).open(&path);
    let written = written.and_then(|mut file| file.write_all(summary(results).as_bytes()));
    written.map_err(|error| format!("GITHUB_STEP_SUMMARY {}: {}", path.display(), reason(&error)))
}

pub(super) fn summary(results: &Results<'_>) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut text = format!("### winddown check: `{}`\n\n", name(results.options).replace('`', "'"));
    text.push_str("| check | verdict | |\n|---|---|---|\n");
    for (ids, verdict) in alike(&results.verdicts) {
        let word = verdict.word().name();
        let _ = writeln!(text, "| {} | {word} | {} |", ids.join(", "), cell(&verdict.summary));
    }
    let _ = writeln!(text, "\n```\n{}```", results.page(Surface::default()).replace("```", "'''"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_not_heard_is_one_cause() {
        let failed = [HANDLER, STOPS, "files", REFUSE_NEW].map(|id| Verdict::fail(id, id, ""));
        let found = |verdicts: &[Verdict]| {
            let found = unheard(alike(verdicts).collect());
            found
                .iter()
                .map(|(ids, verdict)| format!("{}: {}", ids.join(" "), verdict.summary))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&failed), ["handler stops refuse-new: stops", "files: files"]);
        assert_eq!(found(&failed[1..]), ["stops: stops", "files: files", "refuse-new: refuse-new"]);
    }

    #[test]
    fn an_annotation_is_one_line() {
        let verdict = Verdict::fail("stops", "100 %", "b").because("a");
        assert_eq!(
            annotation("error", "./a:b", &["stops", "sigint"], &verdict),
            "::error title=winddown check%3A ./a%3Ab%3A stops%2C sigint::100 %25%0Aa%0Atry: b\n"
        );
    }
}
