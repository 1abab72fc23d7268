//! Reports, each to a file or to stdout; several at once.

use std::io::{self, Write};

use super::observed::AllRuns;
use super::options::Options;
use crate::check::checks;
use crate::check::checks::selection::Selection;
use crate::check::checks::verdict::{self, Verdict};
use crate::check::options::reports::Kind;
use crate::check::options::server_test::ServerTest;
use crate::os::io::destination::Destination;
use crate::os::{environment, reason};
use crate::text::printable;
use page::Surface;

mod github;
mod json;
mod junit;
mod page;
#[cfg(test)]
mod tests;
mod timeline;

/// What reports are made from: one server.
pub(super) struct Results<'a> {
    pub(super) options: &'a Options,
    pub(super) selection: &'a Selection,
    pub(super) seen: &'a AllRuns,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) status: u8,
    /// How many of the plain runs have failed a check.
    pub(super) failed_runs: usize,
}

impl<'a> Results<'a> {
    pub(super) fn of(test: &'a ServerTest, seen: &'a AllRuns) -> Self {
        let ServerTest { options, selection } = test;
        let verdicts = checks::judge(options, selection, seen);
        let status = verdict::status(&verdicts);
        let failed_runs = checks::failed_runs(options, selection, seen);
        Self { options, selection, seen, verdicts, status, failed_runs }
    }

    /// The page for people.
    fn page(&self, surface: Surface) -> String {
        page::page(self.options, self.seen, &self.verdicts, self.failed_runs, surface)
    }

    /// Each report that is wanted, and where. Without any on stdout, the page goes there.
    fn wanted(&self) -> Vec<(Kind, Option<&'a Destination>)> {
        let reports = &self.options.reports;
        let is_bare = reports.iter().all(|report| report.file.is_some());
        let bare = is_bare.then_some((Kind::Human, None));
        bare.into_iter().chain(reports.iter().map(|report| (report.kind, report.file.as_ref()))).collect()
    }
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

/// Writes the reports that go to files: one for all servers that want the same. Returns what goes to stdout, by
/// default the pages for people, and problems.
pub(super) fn write(all: &[Results<'_>]) -> (String, Vec<String>) {
    let (mut out, mut problems) = (String::new(), Vec::new());
    let mut wanted: Vec<(Kind, Option<&Destination>)> = Vec::new();
    for one in all.iter().flat_map(Results::wanted) {
        if !wanted.contains(&one) {
            wanted.push(one);
        }
    }
    for (kind, file) in &wanted {
        let who: Vec<&Results<'_>> =
            all.iter().filter(|results| results.wanted().contains(&(*kind, *file))).collect();
        let surface = if file.is_none() { Surface::of_stdout() } else { Surface::default() };
        let text = text(*kind, &who, surface);
        match file {
            None => out.push_str(&text),
            Some(file) => {
                if let Err(error) = file.write(kind.content(), text.as_bytes()) {
                    problems.push(format!("--report {file}: {}", reason(&error)));
                }
            }
        }
    }
    if is_on_github() {
        let is_shared = wanted.iter().any(|(kind, file)| file.is_none() && kind.is_for_programs());
        on_github(all, is_shared, &mut out, &mut problems);
    }
    (out, problems)
}

/// A report on these servers.
fn text(kind: Kind, who: &[&Results<'_>], surface: Surface) -> String {
    let each =
        |report: &dyn Fn(&Results<'_>) -> String| who.iter().map(|one| report(one)).collect::<Vec<_>>();
    match kind {
        Kind::Human => each(&|results| results.page(surface)).join("\n"),
        Kind::Json => each(&json::report).concat(),
        Kind::Junit => junit::report(who),
        Kind::Github => each(&github::annotations).concat(),
        Kind::Timeline => timeline::report(who),
    }
}

/// Adds annotations for those that do not ask for them, and the summary of the job.
fn on_github(
    all: &[Results<'_>],
    stdout_is_for_a_program: bool,
    out: &mut String,
    problems: &mut Vec<String>,
) {
    let asks = |results: &&Results<'_>| results.wanted().iter().any(|(kind, _)| *kind == Kind::Github);
    let annotations: String = all.iter().filter(|results| !asks(results)).map(github::annotations).collect();
    if stdout_is_for_a_program {
        // The runner reads stderr as well.
        let _ = io::stderr().write_all(annotations.as_bytes());
    } else {
        out.push_str(&annotations);
    }
    problems.extend(all.iter().filter_map(|results| github::summarise(results).err()));
}
