//! The stop times of runs that can be compared: of one command, stopped in one way.

use std::time::Duration;

use super::read::Named;
use super::words;
use crate::record::schema::Record;
use crate::statistics::{RECOMMENDING_RUNS_MIN, StopTimes};
use crate::text::{self, counted};

/// Runs of one command that were stopped in one way.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) runs: Vec<&'a Named>,
    pub(super) times: StopTimes,
}

impl Group<'_> {
    /// `./server, stopped by SIGTERM`.
    pub(super) fn title(&self) -> String {
        let title = |run: &&Named| match &run.kind {
            Some(kind) => kind.clone(),
            None => format!("{}, stopped by {}", words::command_in_short(&run.record), way(&run.record)),
        };
        self.runs.first().map(title).unwrap_or_default()
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
        group.times = times(group.runs.iter().map(|run| &run.record));
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

/// The stop times of those that ended in time: how long a run that had to be killed would have taken is not known.
fn times<'a>(records: impl Iterator<Item = &'a Record>) -> StopTimes {
    let mut times = StopTimes::default();
    for record in records {
        let Some(stop_time_ms) = record.stop_time_ms() else { continue };
        times.runs += 1;
        match words::outcome(record) {
            "killed" | "stuck" => times.failed += 1,
            _ => times.times_ms.push(stop_time_ms),
        }
    }
    times
}

/// What this number of runs shows, and what it does not.
pub(super) fn sentences(times: &StopTimes) -> Vec<String> {
    let runs = counted(times.runs, "run", "s");
    let Some(found) = times.summary() else {
        return vec![format!("All {runs} that were asked to stop had to be killed.")];
    };
    let [min, median, max] = [found.min, found.median, found.max].map(words::short);
    let figures = format!("n = {}, min {min}, median {median}, max {max}", found.count);
    let Some(bound) = times.failure_bound_percent() else {
        let killed = format!("{} of {runs} had to be killed", times.failed);
        let unknown = "how long they would have taken is not known, so no limit is recommended";
        return vec![figures + " (runs that ended in time)", format!("{killed}: {unknown}.")];
    };
    let covered = times.covered_percent();
    let longest = format!("{runs}: the longest covers p{covered} with 95 % confidence");
    let Some(limit_ms) = times.recommended_limit_ms() else {
        return vec![
            figures,
            format!("{longest}. No limit is recommended: that takes {RECOMMENDING_RUNS_MIN} runs."),
        ];
    };
    let limit = text::short(Duration::from_millis(limit_ms));
    vec![
        figures,
        format!("{longest}, and less than {} of such stops fail.", percent(bound)),
        format!("Recommended limit: {limit} (twice the longest, on a machine under the same load)."),
    ]
}

fn percent(value: f64) -> String {
    if value < 1.0 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}
