//! From looks to findings.

use std::collections::HashSet;

use serde::Serialize;

use super::evidence::Evidence;
use super::look::{Look, SeenProcess};
use super::progress;
pub use super::progress::Progress;
use super::rules::{self, Hit};
use super::series::Series;
use super::{causes, words};
use crate::text::{and_others, counted};

/// At most this many lines are printed: somebody has to read them.
pub const LINES_MAX: usize = 20;
/// At most this many processes get a finding of their own; others with the same cause are only counted.
const FINDINGS_MAX: usize = 4;
/// At most this many lines about the sockets of one process.
const SOCKETS_MAX: usize = 3;

/// Why one process did not stop.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// `W09`.
    pub code: &'static str,
    /// `draining`.
    pub(crate) name: &'static str,
    pub(crate) pid: i32,
    pub(crate) process: String,
    /// In one line.
    pub text: String,
    /// What to do about it.
    pub(crate) remedy: String,
    /// How many other processes are in the same case.
    pub(crate) others: usize,
}

/// Why the workload did not stop.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct PostMortem {
    /// The whole workload in one word; `None` with fewer than two looks.
    pub progress: Option<Progress>,
    /// The findings, the main process first.
    pub findings: Vec<Finding>,
    /// The facts behind the findings, for people.
    #[serde(skip)]
    pub facts: Vec<String>,
}

impl PostMortem {
    /// The post-mortem for people, at most [`LINES_MAX`] lines: the causes with their remedies, then the facts.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let word = self.progress.map(|progress| format!(" ({})", progress.word())).unwrap_or_default();
        let found = self.findings.iter().enumerate().flat_map(|(index, finding)| {
            let why = if index == 0 { format!("why{word}") } else { "also".to_owned() };
            let others = and_others(finding.others);
            [
                format!("{why}: {} {}: {}{others}", finding.code, finding.name, finding.text),
                format!("  try: {}", finding.remedy),
            ]
        });
        found.chain(self.facts.iter().cloned()).take(LINES_MAX).collect()
    }
}

/// Judges the looks. Without looks there are no findings.
#[must_use]
pub fn judge(case: &Evidence<'_>) -> PostMortem {
    let Some(last) = case.looks.last() else { return PostMortem::default() };
    let killed: HashSet<i32> = case.killed.iter().copied().collect();
    let of = |seen| Series::of(seen, *case);
    let was_killed = |seen: &&SeenProcess| killed.contains(&seen.pid);
    let all: Vec<Series<'_>> = last.processes.iter().filter(was_killed).map(of).collect();
    let progress = progress::of(&all, case.looks, case.killed.len());
    // A look that ran out of time may not even have counted every process.
    let left_out = last.left_out.max(case.killed.len().saturating_sub(all.len()));
    PostMortem { progress, findings: findings(&all), facts: facts(&all, last, left_out) }
}

/// One finding for each process, the least informative last; children of one parent in the same case share one. A
/// child without a cause of its own gets none if a finding already says that its parent waits for it.
fn findings(all: &[Series<'_>]) -> Vec<Finding> {
    let mut found: Vec<Found> = Vec::new();
    for series in all {
        let hit = rules::apply(series);
        let parent = series.last.parent;
        let says_little = hit.cause == &causes::NOT_SIGNALLED || hit.cause == &causes::UNKNOWN;
        if says_little && found.iter().any(|one| one.hit.child == Some(series.last.pid)) {
            continue;
        }
        let same = |one: &&mut Found| one.hit.cause == hit.cause && one.parent == parent;
        if let Some(one) = found.iter_mut().find(same) {
            one.finding.others += 1;
            continue;
        }
        let finding = Finding::new(series.last, &hit);
        found.push(Found { finding, parent, hit });
    }
    found.sort_by_key(|one| one.hit.is_minor);
    found.into_iter().map(|one| one.finding).take(FINDINGS_MAX).collect()
}

/// A finding, and what it comes from.
struct Found {
    finding: Finding,
    parent: i32,
    hit: Hit,
}

impl Finding {
    fn new(seen: &SeenProcess, hit: &Hit) -> Self {
        Self {
            code: hit.cause.code,
            name: hit.cause.name,
            pid: seen.pid,
            process: seen.name.clone(),
            text: hit.text.clone(),
            remedy: hit.remedy.clone().unwrap_or_else(|| hit.cause.remedy.to_owned()),
            others: 0,
        }
    }
}

fn facts(all: &[Series<'_>], last: &Look, left_out: usize) -> Vec<String> {
    let mut facts = Vec::new();
    for series in all.iter().take(FINDINGS_MAX) {
        facts.push(words::process(series));
        facts.extend(words::sockets(series.last).take(SOCKETS_MAX));
    }
    facts.extend(words::unreadable(last));
    if left_out > 0 {
        facts.push(format!("  not looked at: {}", counted(left_out, "more process", "es")));
    }
    facts
}
