//! Reports, each to a file or to stdout; several at once.

use std::io::{self, Write};

use super::observed::AllRuns;
use super::options::Options;
use crate::check::checks::selection::Selection;
use crate::check::checks::verdict::Verdict;
use crate::check::options::reports::{Kind, Report};
use crate::os::{environment, reason};
use crate::text::printable;

mod github;
mod json;
mod junit;
pub(super) mod page;
#[cfg(test)]
mod tests;
mod timeline;

/// What reports are made from.
pub(super) struct Results<'a> {
    pub(super) options: &'a Options,
    pub(super) selection: &'a Selection,
    pub(super) seen: &'a AllRuns,
    pub(super) verdicts: &'a [Verdict],
    /// The page for people, without colours.
    pub(super) page: &'a str,
    pub(super) status: u8,
    /// How many of the plain runs have failed a check.
    pub(super) failed_runs: usize,
}

/// What the server is called in every report: by default as its command.
fn name(options: &Options) -> String {
    if let Some(name) = &options.name {
        return name.clone();
    }
    let words = options.command.iter().map(|word| word.to_string_lossy());
    printable(&shell_words::join(words))
}

/// Whether this runs in GitHub Actions.
fn is_on_github() -> bool {
    environment::value("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Writes the reports that go to files. Returns what goes to stdout, by default the page for people, and problems.
pub(super) fn write(reports: &[Report], results: &Results<'_>, coloured: &str) -> (String, Vec<String>) {
    let (mut out, mut problems) = (String::new(), Vec::new());
    if reports.iter().all(|report| report.file.is_some()) {
        out.push_str(coloured);
    }
    let text = |kind| match kind {
        Kind::Human => results.page.to_owned(),
        Kind::Json => json::report(results),
        Kind::Junit => junit::report(results),
        Kind::Github => github::annotations(results),
        Kind::Timeline => timeline::report(results),
    };
    for report in reports {
        match &report.file {
            None if report.kind == Kind::Human => out.push_str(coloured),
            None => out.push_str(&text(report.kind)),
            Some(file) => {
                if let Err(error) = file.write(report.kind.content(), text(report.kind).as_bytes()) {
                    problems.push(format!("--report {file}: {}", reason(&error)));
                }
            }
        }
    }
    if is_on_github() {
        if reports.iter().any(|report| report.kind == Kind::Github) {
            // The annotations are asked for, and written above.
        } else if reports.iter().any(|report| report.file.is_none() && report.is_for_programs()) {
            // Stdout is for a program; the runner reads stderr as well.
            let _ = io::stderr().write_all(github::annotations(results).as_bytes());
        } else {
            out.push_str(&github::annotations(results));
        }
        problems.extend(github::summarise(results).err());
    }
    (out, problems)
}
