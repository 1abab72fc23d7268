//! From looks to findings.

use std::collections::HashSet;

use serde::Serialize;

use super::look::{Look, Seen};
use super::progress;
pub use super::progress::Progress;
use super::rules::{self, Hit};
use super::series::Series;
use super::{causes, words};
use crate::observe::message::counted;

/// At most so many lines are told: somebody has to read them.
pub const LINES_MAX: usize = 20;
/// Processes with a finding of their own; of others with the same cause only the number is told.
const FINDINGS_MAX: usize = 4;
/// Lines of one process about its sockets.
const SOCKETS_MAX: usize = 3;

/// What is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What was seen, in order.
    pub looks: &'a [Look],
    /// Who had to be killed.
    pub killed: &'a [i32],
    /// What the workload was asked with, and its name without SIG.
    pub signal: (i32, &'a str),
    /// What winddown itself was started with ignored: bit 0 is signal 1.
    pub ignored_by_winddown: u64,
}

/// What is the matter with one process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// `W09`.
    pub code: &'static str,
    /// `draining`.
    pub name: &'static str,
    /// The process.
    pub pid: i32,
    /// Its name.
    pub process: String,
    /// In one line.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// How many others are in the same case.
    pub others: usize,
}

/// Why the workload did not stop.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PostMortem {
    /// The whole in one word; nothing with less than two looks.
    pub progress: Option<Progress>,
    /// What was found, the main process first.
    pub findings: Vec<Finding>,
    /// What it was found from, for people.
    pub facts: Vec<String>,
}

impl PostMortem {
    /// All of it for people, at most [`LINES_MAX`] lines: the causes with their remedies, then the facts.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let word = self.progress.map(|progress| format!(" ({})", progress.word())).unwrap_or_default();
        let told = self.findings.iter().enumerate().flat_map(|(index, finding)| {
            let why = if index == 0 { format!("why{word}") } else { "also".to_owned() };
            let others = match finding.others {
                0 => String::new(),
                1 => " (and 1 other process)".to_owned(),
                others => format!(" (and {others} other processes)"),
            };
            [
                format!("{why}: {} {}: {}{others}", finding.code, finding.name, finding.text),
                format!("  try: {}", finding.remedy),
            ]
        });
        told.chain(self.facts.iter().cloned()).take(LINES_MAX).collect()
    }
}

/// Judges what was seen. Nothing was seen, nothing is found.
#[must_use]
pub fn judge(case: &Case<'_>) -> PostMortem {
    let Some(last) = case.looks.last() else { return PostMortem::default() };
    let (number, name) = case.signal;
    let bit = u32::try_from(number - 1).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or_default();
    let killed: HashSet<i32> = case.killed.iter().copied().collect();
    let of = |seen| Series::of(seen, case.looks, name, bit, case.ignored_by_winddown);
    let was_killed = |seen: &&Seen| killed.contains(&seen.pid);
    let all: Vec<Series<'_>> = last.processes.iter().filter(was_killed).map(of).collect();
    let progress = progress::of(&all, case.looks);
    PostMortem { progress, findings: findings(&all), facts: facts(&all, last) }
}

/// One for each process, those that tell little last; children of one parent in the same case share one. Of a
/// child without a cause of its own it is enough to tell that its parent waits for it.
fn findings(all: &[Series<'_>]) -> Vec<Finding> {
    let mut found: Vec<Found> = Vec::new();
    for series in all {
        let hit = rules::apply(series);
        let parent = series.last.parent;
        let is_untold = hit.cause == &causes::NOT_SIGNALLED || hit.cause == &causes::UNKNOWN;
        if is_untold && found.iter().any(|one| one.finding.pid == parent && one.names_child()) {
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

/// A finding, and what it came from.
struct Found {
    finding: Finding,
    parent: i32,
    hit: Hit,
}

impl Found {
    fn names_child(&self) -> bool {
        let waits = [&causes::WAIT_CHILD, &causes::UNINTERRUPTIBLE].contains(&self.hit.cause);
        waits && !self.hit.is_minor
    }
}

impl Finding {
    fn new(seen: &Seen, hit: &Hit) -> Self {
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

fn facts(all: &[Series<'_>], last: &Look) -> Vec<String> {
    let mut facts = Vec::new();
    for series in all.iter().take(FINDINGS_MAX) {
        facts.push(words::process(series));
        facts.extend(words::sockets(series.last).take(SOCKETS_MAX));
    }
    facts.extend(words::unreadable(last));
    if last.left_out > 0 {
        facts.push(format!("  {} more were not looked at", counted(last.left_out, "process", "es")));
    }
    facts
}
