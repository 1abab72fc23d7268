//! For GitHub Actions: an annotation for each check that did not pass, and the job's summary.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use super::super::verdict::{Verdict, Word};
use super::Results;
use crate::os::{environment, reason};

/// GitHub shows ten of a kind for a step.
const ANNOTATIONS_MAX: usize = 10;

pub(super) fn annotations(results: &Results<'_>) -> String {
    let of = |words: &'static [Word], level: &'static str| {
        let found = results.verdicts.iter().filter(|verdict| words.contains(&verdict.word));
        found.take(ANNOTATIONS_MAX).map(move |verdict| annotation(level, verdict))
    };
    of(&[Word::Fail], "error").chain(of(&[Word::Warn, Word::Inconclusive], "warning")).collect()
}

fn annotation(level: &str, verdict: &Verdict) -> String {
    let text = verdict.lines().join("\n");
    format!(
        "::{level} title={}::{}\n",
        escaped(&format!("winddown check: {}", verdict.id)).replace(':', "%3A"),
        escaped(&text)
    )
}

/// As the runner reads it.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Adds to the summary of the job, where there is one.
pub(super) fn summarise(results: &Results<'_>) -> Result<(), String> {
    let Some(path) = environment::value("GITHUB_STEP_SUMMARY").map(PathBuf::from) else { return Ok(()) };
    let written = OpenOptions::new().append(true).create(true).open(&path);
    let written = written.and_then(|mut file| file.write_all(summary(results).as_bytes()));
    written.map_err(|error| format!("GITHUB_STEP_SUMMARY {}: {}", path.display(), reason(&error)))
}

fn summary(results: &Results<'_>) -> String {
    let mut text = String::from("### winddown check\n\n| check | verdict | |\n|---|---|---|\n");
    for verdict in results.verdicts {
        let summary = verdict.summary.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(text, "| {} | {} | {summary} |", verdict.id, verdict.word.name());
    }
    let _ = writeln!(text, "\n```\n{}```", results.page.replace("```", "'''"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line() {
        let verdict = Verdict::new("stops", Word::Fail, "100 %").because("a").because("b");
        assert_eq!(annotation("error", &verdict), "::error title=winddown check%3A stops::100 %25%0Aa%0Ab\n");
    }
}
