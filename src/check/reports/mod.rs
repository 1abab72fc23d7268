//! Reports for machines, each to a file or to stdout; several at once.

use std::path::PathBuf;

use super::observed::Seen;
use super::options::Options;
use super::verdict::Verdict;
use crate::os::{environment, reason, whole_file};

mod github;
mod json;
mod junit;
mod timeline;

/// A form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The page for people.
    Human,
    /// One object with everything.
    Json,
    /// What Jenkins, GitLab and others read.
    Junit,
    /// Annotations and a job summary.
    Github,
    /// The picture of all runs, for a browser.
    Timeline,
}

/// A report that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Report {
    kind: Kind,
    file: Option<PathBuf>,
}

/// What reports are made of.
pub(super) struct Results<'a> {
    pub(super) options: &'a Options,
    pub(super) seen: &'a Seen,
    pub(super) verdicts: &'a [Verdict],
    /// The page for people, without colours.
    pub(super) page: &'a str,
    pub(super) status: u8,
}

impl Report {
    /// `junit=FILE`, `json`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (kind, file) =
            text.split_once('=').map_or((text, None), |(kind, file)| (kind, Some(PathBuf::from(file))));
        let kind = match kind {
            "human" => Kind::Human,
            "json" => Kind::Json,
            "junit" => Kind::Junit,
            "github" => Kind::Github,
            "timeline" => Kind::Timeline,
            _ => {
                return Err("use human, json, junit, github or timeline, and a file if you like: junit=FILE"
                    .to_owned());
            }
        };
        if let Some(path) = &file {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            if path.file_name().is_none() || parent.is_some_and(|parent| !parent.is_dir()) {
                return Err("its directory does not exist; create it first".to_owned());
            }
        }
        Ok(Self { kind, file })
    }
}

/// Whether this is a step of GitHub Actions.
fn is_on_github() -> bool {
    environment::value("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Writes all reports with a file; what goes to stdout, in which the page for people is by default.
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
            Some(path) => {
                if let Err(error) = whole_file::write(path, text(report.kind).as_bytes(), |_| {}) {
                    problems.push(format!("--report {}: {}", path.display(), reason(&error)));
                }
            }
        }
    }
    if is_on_github() {
        if reports.iter().all(|report| report.kind != Kind::Github) {
            out.push_str(&github::annotations(results));
        }
        problems.extend(github::summarise(results).err());
    }
    (out, problems)
}
