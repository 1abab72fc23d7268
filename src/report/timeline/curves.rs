//! What the looks have counted: connections, listeners, files, threads, CPU.

use super::super::record::Record;
use crate::postmortem::look::{Look, Seen};

/// One figure over the looks.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// When, and how many.
    pub(super) points: Vec<(f64, u64)>,
}

type Figure = fn(&Seen) -> u64;

const FIGURES: [(&str, Figure); 5] = [
    ("connections", |seen| count(seen.sockets.connected)),
    ("listeners", |seen| count(seen.sockets.listening)),
    ("open files", |seen| count(seen.file_count.unwrap_or_default())),
    ("threads", |seen| count(seen.thread_count)),
    ("CPU used, ms", |seen| seen.cpu_ms),
];

fn count(number: usize) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

/// Those that were ever more than nothing.
pub(super) fn curves(record: &Record) -> Vec<Curve> {
    let looks = comparable(&record.looks);
    let curve = |(name, figure): (&'static str, Figure)| {
        let sum = |look: &Look| look.processes.iter().map(figure).fold(0, u64::saturating_add);
        Curve { name, points: looks.iter().map(|look| (look.at_ms, sum(look))).collect() }
    };
    let curves = FIGURES.into_iter().map(curve);
    curves.filter(|curve| curve.points.iter().any(|(_, value)| *value > 0)).collect()
}

/// The first look is at the main process alone: beside others its sums would tell of a growth that was none.
fn comparable(looks: &[Look]) -> &[Look] {
    match looks {
        [before, after, ..] if before.processes.len() != after.processes.len() => &looks[1..],
        _ => looks,
    }
}
