//! From looks to findings.

use std::collections::HashSet;

use serde::Serialize;

use super::evidence::{Evidence, Room};
use super::look::{Look, SeenProcess};
use super::progress;
pub use super::progress::Progress;
use super::rules::{self, Hit};
use super::series::Series;
use super::{causes, words};
use crate::text::{and_others, counted};

/// At most this many lines about the sockets of one process.
const SOCKETS_MAX: usize = 3;
/// The lines kept free for what was not seen.
const NOTES: usize = 4;

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
    /// How many processes that were looked at have no facts here.
    #[serde(skip)]
    pub(crate) not_shown: usize,
}

impl PostMortem {
    /// The post-mortem for people: the causes with their remedies, then the facts.
    #[must_use]
    pub fn lines(&self, room: Room) -> Vec<String> {
        let word = self.progress.map(|progress| format!(" ({})", progress.word())).unwrap_or_default();
        let found = self.findings.iter().enumerate().flat_map(|(index, finding)| {
            let why = if index == 0 { format!("why{word}") } else { "also".to_owned() };
            let others = and_others(finding.others);
            [
                format!("{why}: {} {}: {}{others}", finding.code, finding.name, finding.text),
                format!("  try: {}", finding.remedy),
            ]
        });
        found.chain(self.facts.iter().cloned()).take(room.lines).collect()
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
    let findings = findings(&all, case.room.findings);
    let few = &all[..all.len().min(case.room.processes)];
    let lines = case.room.lines.saturating_sub(2 * findings.len() + NOTES);
    let (facts, not_shown) = facts(few, last, left_out, lines);
    let not_shown = not_shown + all.len() - few.len();
    PostMortem { progress, findings, facts, not_shown }
}

/// One finding for each process, the least informative last; children of one parent in the same case share one. A
/// child without a cause of its own gets none if a finding already says that its parent waits for it.
fn findings(all: &[Series<'_>], most: usize) -> Vec<Finding> {
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
    found.into_iter().map(|one| one.finding).take(most).collect()
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

/// What the processes of a look do, for people.
pub(crate) fn doing(look: &Look, room: Room) -> Vec<String> {
    let shown = look.processes.iter().take(room.processes);
    let lines = shown.flat_map(|seen| {
        std::iter::once(words::process_alone(seen)).chain(words::sockets(seen).take(SOCKETS_MAX))
    });
    let left_out = look.left_out + look.processes.len().saturating_sub(room.processes);
    lines.chain(words::unreadable(look)).chain(not_looked_at(left_out)).take(room.lines).collect()
}

fn not_looked_at(count: usize) -> Option<String> {
    (count > 0).then(|| format!("  not looked at: {}", counted(count, "more process", "es")))
}

/// The lines, and how many processes have none.
fn facts(all: &[Series<'_>], last: &Look, left_out: usize, lines: usize) -> (Vec<String>, usize) {
    let (mut facts, mut shown) = (Vec::new(), 0);
    for series in all {
        let mut own = vec![words::process(series)];
        own.extend(words::sockets(series.last).take(SOCKETS_MAX));
        if facts.len() + own.len() > lines {
            break;
        }
        facts.append(&mut own);
        shown += 1;
    }
    facts.extend(words::unreadable(last));
    facts.extend(not_looked_at(left_out));
    (facts, all.len() - shown)
}
