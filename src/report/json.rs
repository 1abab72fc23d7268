//! The records as one JSON object, in the words of the record. `docs/report.schema.json` is the contract.

use serde::Serialize;

use super::groups::{Group, groups};
use super::read::Named;
use crate::record::schema::{
    ExitRecord, FindingRecord, LimitRecord, ProcessRecord, Record, StopRecord, SurvivorRecord, TryRecord,
};
use crate::text::printable_json;

/// Raised when a reader of the last version would misunderstand the next.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    winddown: &'static str,
    runs: Vec<Run<'a>>,
    groups: Vec<Sums<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    record: &'a str,
    command: &'a [String],
    started: &'a str,
    outcome: Option<&'a str>,
    exit: Option<&'a ExitRecord>,
    exit_status: Option<u8>,
    limit: &'a LimitRecord,
    stop: Option<&'a StopRecord>,
    stop_time_ms: Option<f64>,
    killed: &'a [ProcessRecord],
    survivors: &'a [SurvivorRecord],
    progress: Option<&'a str>,
    findings: &'a [FindingRecord],
    tries: &'a [TryRecord],
    tries_total: usize,
}

impl<'a> From<&'a Named> for Run<'a> {
    fn from(Named { name, record, .. }: &'a Named) -> Self {
        Self {
            record: name,
            command: &record.command,
            started: &record.started,
            outcome: record.outcome.as_deref(),
            exit: record.exit.as_ref(),
            exit_status: record.exit_status,
            limit: &record.limit,
            stop: record.stop.as_ref(),
            stop_time_ms: record.stop_time_ms().map(rounded),
            killed: &record.killed,
            survivors: &record.survivors,
            progress: record.progress.as_deref(),
            findings: &record.findings,
            tries: &record.tries,
            tries_total: record.tries_total,
        }
    }
}

/// To microseconds, as all times of a record.
fn rounded(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

/// What the stops of a group come to.
#[derive(Serialize)]
struct Sums<'a> {
    command: &'a [String],
    cause: &'a str,
    signal: Option<&'a str>,
    records: Vec<&'a str>,
    killed: usize,
    min_ms: Option<f64>,
    median_ms: Option<f64>,
    max_ms: Option<f64>,
    covered_percent: Option<u32>,
    failure_bound_percent: Option<f64>,
    recommended_limit_ms: Option<u64>,
}

impl<'a> Sums<'a> {
    /// Nothing of a group without a stop, which there is not.
    fn of(group: &Group<'a>) -> Option<Self> {
        let first: &'a Record = &group.runs.first()?.record;
        let stop = first.stop.as_ref()?;
        let times = &group.times;
        let found = times.summary();
        let bound = times.failure_bound_percent();
        Some(Self {
            command: &first.command,
            cause: &stop.cause,
            signal: stop.signal.as_deref(),
            records: group.runs.iter().map(|run| run.name.as_str()).collect(),
            killed: times.failed,
            min_ms: found.map(|found| rounded(found.min)),
            median_ms: found.map(|found| rounded(found.median)),
            max_ms: found.map(|found| rounded(found.max)),
            covered_percent: bound.map(|_| times.covered_percent()),
            failure_bound_percent: bound,
            recommended_limit_ms: times.recommended_limit_ms(),
        })
    }
}

/// One object, in one line.
pub(super) fn json(records: &[Named]) -> String {
    let report = Report {
        schema: SCHEMA,
        winddown: env!("CARGO_PKG_VERSION"),
        runs: records.iter().map(Run::from).collect(),
        groups: groups(records).iter().filter_map(Sums::of).collect(),
    };
    // Nothing in it has no form in JSON.
    printable_json(serde_json::to_string(&report).unwrap_or_default()) + "\n"
}
