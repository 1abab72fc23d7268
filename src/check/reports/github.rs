//! For GitHub Actions: an annotation for each check that did not pass, and a summary of the job.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use super::page::Surface;
use super::{Results, name};
use crate::check::checks::verdict::{Verdict, Word, alike};
use crate::check::options::reports::ANNOTATION;
use crate::os::{environment, reason};

/// GitHub shows at most ten annotations of a kind for a step.
const ANNOTATIONS_MAX: usize = 10;

pub(super) fn annotations(results: &Results<'_>) -> String {
    let name = name(results.options);
    let of = |words: &[Word], level| {
        let found = alike(&results.verdicts).filter(|(_, verdict)| words.contains(&verdict.word()));
        let annotations = found.take(ANNOTATIONS_MAX);
        annotations.map(|(ids, verdict)| annotation(level, &name, &ids, verdict)).collect::<String>()
    };
    of(&[Word::Fail], "error") + &of(&[Word::Warn, Word::Inconclusive], "warning")
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
    fn an_annotation_is_one_line() {
        let verdict = Verdict::fail("stops", "100 %", "b").because("a");
        assert_eq!(
            annotation("error", "./a:b", &["stops", "sigint"], &verdict),
            "::error title=winddown check%3A ./a%3Ab%3A stops%2C sigint::100 %25%0Aa%0Atry: b\n"
        );
    }
}
