//! Outputs that would spoil each other.

use std::collections::HashSet;

use super::Options;
use super::reports::Kind;
use super::server_test::ServerTest;
use crate::os::io::destination::Destination;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Report(Kind),
    Log,
    Baseline,
}

/// A file that is written for a server.
struct Output {
    server: usize,
    what: What,
    file: Destination,
}

impl Output {
    /// Servers share reports of one kind, and a log.
    fn spoils(&self, other: &Self) -> bool {
        let is_shared = self.server != other.server && self.what == other.what && self.what != What::Baseline;
        self.file == other.file && !is_shared
    }
}

/// Finds two outputs in one place, or two servers of one name: neither could be read. Returns which server adds
/// the second, and what is wrong.
pub(super) fn spoilt(tests: &[ServerTest]) -> Option<(usize, String)> {
    let options = || tests.iter().map(|test| &test.options).enumerate();
    let mut names = HashSet::new();
    if let Some((at, one)) =
        options().find(|(_, one)| one.name.as_ref().is_some_and(|name| !names.insert(name)))
    {
        let name = one.name.as_deref().unwrap_or_default();
        return Some((at, format!("another server is called {name}; give each a name of its own")));
    }
    let mut kinds = Vec::new();
    for (at, one) in options() {
        let own = on_stdout(one);
        kinds.extend(
            own.iter().copied().filter(|kind| own.len() > 1 || !kinds.contains(kind)).collect::<Vec<_>>(),
        );
        if kinds.len() > 1 && kinds.iter().any(|kind| kind.is_for_programs()) {
            let why = "two reports would share stdout; give one a file, e.g. --report json=FILE";
            return Some((at, why.to_owned()));
        }
    }
    let outputs: Vec<Output> = options().flat_map(|(server, one)| files(server, one)).collect();
    let mut numbered = outputs.iter().enumerate();
    let (_, second) = numbered.find(|(at, output)| outputs[..*at].iter().any(|one| one.spoils(output)))?;
    Some((second.server, format!("two outputs go to {}; give each a file of its own", second.file)))
}

/// Without any report there, the page goes to stdout.
fn on_stdout(options: &Options) -> Vec<Kind> {
    let there = options.reports.iter().filter(|report| report.file.is_none()).map(|report| report.kind);
    let there: Vec<Kind> = there.collect();
    if there.is_empty() { vec![Kind::Human] } else { there }
}

fn files(server: usize, options: &Options) -> Vec<Output> {
    let output = |what, file: &Destination| Output { server, what, file: file.clone() };
    let reports = options.reports.iter();
    let reports = reports.filter_map(|report| Some(output(What::Report(report.kind), report.file.as_ref()?)));
    let others = [(What::Log, &options.log), (What::Baseline, &options.save_baseline)];
    let others =
        others.into_iter().filter_map(|(what, path)| Some(output(what, &Destination::File(path.clone()?))));
    reports.chain(others).collect()
}
