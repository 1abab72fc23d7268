//! One JSON object with everything that the page shows; `docs/check.schema.json` is the contract.

use serde::Serialize;

use super::{Results, name};
use crate::check::checks::several::{Figures, Times};
use crate::check::checks::strip;
use crate::check::checks::verdict::{Detail, Runs, Verdict, overall};
use crate::check::observed::{
    Aborted, HeldConnection, HeldEnd, LeftFile, Observed, ProbeOutcome, ProcessRecord, Readiness,
};
use crate::check::runs::scenario::Scenario;
use crate::check::time::ms;
use crate::os::machine;
use crate::record::schema::ExitRecord;
use crate::text::printable_json;

/// Raised when a reader of the last version would misunderstand the next.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    winddown: &'static str,
    name: String,
    command: Vec<String>,
    limit_ms: u64,
    verdict: &'static str,
    exit_status: u8,
    machine: Machine,
    checks: Vec<Check<'a>>,
    /// Of the plain runs, when there are several.
    times: Option<Figures>,
    runs: Vec<Run<'a>>,
}

/// What the server ran on.
#[derive(Serialize)]
struct Machine {
    cores: usize,
    /// The release of the kernel, where it can be read.
    kernel: Option<String>,
}

#[derive(Serialize)]
struct Check<'a> {
    id: &'static str,
    verdict: &'static str,
    summary: &'a str,
    evidence: Vec<&'a str>,
    remedies: Vec<&'a str>,
    runs: Runs,
}

#[derive(Serialize)]
struct Run<'a> {
    scenario: &'static str,
    ready_ms: Option<u64>,
    /// How readiness was seen.
    ready_by: Option<&'a str>,
    stop_ms: Option<u64>,
    exit: Option<&'a ExitRecord>,
    outcome: Option<&'a str>,
    listeners: Vec<&'a str>,
    /// One letter for each probe; nothing if none went.
    probes: Option<String>,
    probe_counts: Option<Counts>,
    held: Vec<Connection>,
    /// How long a slow request takes.
    request_ms: Option<u64>,
    aborted: Option<Aborted>,
    left: Left<'a>,
    /// Files that check has removed.
    put_away: Vec<File<'a>>,
    cpu_wait_ms: u64,
    cpu_pressure: Option<f64>,
    output: &'a [String],
}

/// Probes from the signal on.
#[derive(Serialize, Default)]
struct Counts {
    before: usize,
    answered: usize,
    errors: usize,
    cut: usize,
    refused: usize,
    unanswered: usize,
}

/// One that was held through the stop. Times are from the signal on.
#[derive(Serialize)]
struct Connection {
    opened_ms: i64,
    ended_ms: Option<i64>,
    end: &'static str,
    status: Option<u16>,
}

/// What was there when nothing should be left.
#[derive(Serialize)]
struct Left<'a> {
    processes: &'a [ProcessRecord],
    listeners: Vec<&'a str>,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    kind: &'static str,
}

pub(super) fn report(results: &Results<'_>) -> String {
    let Results { options, seen, verdicts, .. } = results;
    let signal = options.stop_signal().name();
    let report = Report {
        schema: SCHEMA,
        winddown: env!("CARGO_PKG_VERSION"),
        name: name(options),
        command: options.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        limit_ms: ms(options.limit),
        verdict: overall(verdicts).name(),
        exit_status: results.status,
        machine: Machine { cores: machine::cores(), kernel: machine::kernel() },
        checks: verdicts.iter().map(Check::from).collect(),
        times: (!seen.again.is_empty()).then(|| Times::of(seen).with_failed(results.failed_runs).figures()),
        runs: seen.runs().map(|(scenario, run)| Run::of(scenario, run, &signal)).collect(),
    };
    let text = printable_json(serde_json::to_string(&report).unwrap_or_default());
    format!("{text}\n")
}

impl<'a> From<&'a Verdict> for Check<'a> {
    fn from(verdict: &'a Verdict) -> Self {
        let (mut evidence, mut remedies) = (Vec::new(), Vec::new());
        for detail in verdict.details() {
            match detail {
                Detail::Evidence(text) => evidence.push(text.as_str()),
                Detail::Remedy(text) => remedies.push(text.as_str()),
            }
        }
        Self {
            id: verdict.id,
            verdict: verdict.word().name(),
            summary: &verdict.summary,
            evidence,
            remedies,
            runs: verdict.runs,
        }
    }
}

impl<'a> Run<'a> {
    fn of(scenario: Scenario, seen: &'a Observed, signal: &str) -> Self {
        let (ready_ms, ready_by) = match &seen.readiness {
            Readiness::Ready { after_ms, how } => (Some(*after_ms), Some(how.as_str())),
            Readiness::Ended { .. } | Readiness::NotRun { .. } | Readiness::TimedOut { .. } => (None, None),
        };
        let record = seen.record.as_ref();
        let has_probes = !seen.strip.is_empty();
        let listeners = seen.before.iter().flat_map(|before| &before.listeners);
        Self {
            scenario: scenario.name(),
            ready_ms,
            ready_by,
            stop_ms: seen.stop_ms(),
            exit: record.and_then(|record| record.exit.as_ref()),
            outcome: record.and_then(|record| record.outcome.as_deref()),
            listeners: listeners.map(|listener| listener.address.as_str()).collect(),
            probes: has_probes.then(|| strip(seen, signal)),
            probe_counts: has_probes.then(|| Counts::of(seen)),
            held: seen.held.iter().map(Connection::from).collect(),
            request_ms: seen.request_ms,
            aborted: seen.aborted,
            left: Left {
                processes: &seen.left.processes,
                listeners: seen.left.listeners.iter().map(|listener| listener.address.as_str()).collect(),
                files: seen.left.files.iter().map(File::from).collect(),
            },
            put_away: seen.put_away.iter().map(File::from).collect(),
            cpu_wait_ms: seen.noise.waited_ms,
            cpu_pressure: seen.noise.pressure,
            output: &seen.output.last,
        }
    }
}

impl Counts {
    fn of(seen: &Observed) -> Self {
        let mut counts = Self::default();
        for probe in &seen.strip {
            let count = match probe.outcome {
                _ if probe.at_ms < 0 => &mut counts.before,
                ProbeOutcome::Ok => &mut counts.answered,
                ProbeOutcome::Error => &mut counts.errors,
                ProbeOutcome::Reset => &mut counts.cut,
                ProbeOutcome::Refused => &mut counts.refused,
                ProbeOutcome::TimedOut => &mut counts.unanswered,
            };
            *count += 1;
        }
        counts
    }
}

impl From<&HeldConnection> for Connection {
    fn from(held: &HeldConnection) -> Self {
        let (end, status) = match held.end {
            HeldEnd::Answered(status) => ("answered", Some(status)),
            HeldEnd::Closed if held.ended_ms.is_none() => ("open", None),
            HeldEnd::Closed => ("closed", None),
            HeldEnd::Cut => ("cut", None),
            HeldEnd::HungUp => ("hung-up", None),
        };
        Self { opened_ms: held.opened_ms, ended_ms: held.ended_ms, end, status }
    }
}

impl<'a> From<&'a LeftFile> for File<'a> {
    fn from(file: &'a LeftFile) -> Self {
        Self { path: &file.path, kind: file.kind }
    }
}
