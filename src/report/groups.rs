//! The stop times of runs that can be compared: of one command, stopped in one way.

use super::read::Named;
use super::words;
use crate::record::schema::Record;
use crate::statistics::{Summary, covered_percent, failure_bound_percent, recommended_limit_s, summary};
use crate::text::counted;

/// Runs of one command that were stopped in one way.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) runs: Vec<&'a Named>,
    pub(super) times: StopTimes,
}

impl Group<'_> {
    /// `./server, stopped by SIGTERM`.
    pub(super) fn title(&self) -> String {
        let told = |run: &&Named| match &run.kind {
            Some(kind) => kind.clone(),
            None => format!("{}, stopped by {}", words::command_in_short(&run.record), way(&run.record)),
        };
        self.runs.first().map(told).unwrap_or_default()
    }

    /// Whether there is a distribution.
    pub(super) fn has_several(&self) -> bool {
        self.runs.len() > 1
    }
}

/// How a run was stopped, whoever has done it.
fn way(record: &Record) -> String {
    let Some(stop) = &record.stop else { return String::new() };
    match (stop.cause.as_str(), &stop.signal) {
        ("signal", Some(name)) => words::signal(name),
        _ => words::cause(stop),
    }
}

/// All groups of runs that were asked to stop, in the order of their first runs.
pub(super) fn groups(records: &[Named]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for named in records.iter().filter(|named| named.record.stop_time_ms().is_some()) {
        let is_alike = |group: &&mut Group<'_>| {
            let first = group.runs[0];
            let key = |run: &Named| (run.kind.clone(), way(&run.record));
            first.record.command == named.record.command && key(first) == key(named)
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.runs.push(named),
            None => groups.push(Group { runs: vec![named], times: StopTimes::default() }),
        }
    }
    for group in &mut groups {
        group.times = StopTimes::of(group.runs.iter().map(|run| &run.record));
    }
    groups
}

/// What is said where no runs can be summed up, and of those that are left out.
pub(super) fn alone(groups: &[Group<'_>]) -> Option<String> {
    let count = groups.iter().filter(|group| !group.has_several()).count();
    match groups {
        [] => Some("None of these runs was asked to stop.".to_owned()),
        [_] => None,
        _ if count == 0 => None,
        _ => Some(format!(
            "Not summed up: {} with no other of the same command, stopped in the same way.",
            counted(count, "run", "s")
        )),
    }
}

/// The stop times of the runs of a group.
#[derive(Debug, Default)]
pub(super) struct StopTimes {
    /// Stop times of the runs that ended in time.
    pub(super) ended_ms: Vec<f64>,
    /// How many runs had to be killed or outlived SIGKILL: how long they would have taken is not known.
    pub(super) killed: usize,
}

impl StopTimes {
    fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut times = Self::default();
        for record in records {
            let Some(stop_time_ms) = record.stop_time_ms() else { continue };
            match words::outcome(record) {
                "killed" | "stuck" => times.killed += 1,
                _ => times.ended_ms.push(stop_time_ms),
            }
        }
        times
    }

    pub(super) fn summary(&self) -> Option<Summary> {
        summary(&self.ended_ms)
    }

    /// The recommended limit; none as soon as one run had to be killed.
    pub(super) fn recommended_limit_ms(&self) -> Option<f64> {
        let found = self.summary().filter(|_| self.killed == 0)?;
        Some(seconds_ms(recommended_limit_s(found.max)))
    }

    /// What this number of runs shows, and what it does not.
    pub(super) fn sentences(&self) -> Vec<String> {
        let count = self.ended_ms.len() + self.killed;
        let Some(found) = self.summary() else {
            return vec![format!(
                "All {} that were asked to stop had to be killed.",
                counted(count, "run", "s")
            )];
        };
        let figures = format!(
            "n = {}, min {}, median {}, max {}",
            found.count,
            words::short(found.min),
            words::short(found.median),
            words::short(found.max)
        );
        let Some(limit_ms) = self.recommended_limit_ms() else {
            let killed = format!("{} of {count} runs had to be killed", self.killed);
            let unknown = "how long they would have taken is not known, so no limit is recommended";
            return vec![figures + " (runs that ended in time)", format!("{killed}: {unknown}.")];
        };
        vec![
            figures,
            format!(
                "{}: the longest covers p{} with 95 % confidence, and less than {} of such stops fail.",
                counted(count, "run", "s"),
                covered_percent(count),
                percent(failure_bound_percent(count))
            ),
            format!(
                "Recommended limit: {} (twice the longest, on a machine under the same load).",
                words::short(limit_ms)
            ),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is for people")]
fn seconds_ms(seconds: u64) -> f64 {
    seconds as f64 * 1000.0
}

fn percent(value: f64) -> String {
    if value < 1.0 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}
