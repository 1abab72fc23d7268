//! The timeline of the report command, with what clients met.

use super::super::catalogue::Scenario;
use super::super::observed::{Held, HeldEnd, Observed, Outcome};
use super::Results;
use crate::report;
use crate::report::record::{Connection, Met, Probe, Record};

pub(super) fn report(results: &Results<'_>) -> String {
    let seen = results.seen;
    let plain = seen.plain_runs().map(|run| (Scenario::Plain, run));
    let others = seen.others.iter().map(|(scenario, run)| (*scenario, run));
    let runs = plain.chain(others).filter_map(|(scenario, run)| {
        let record = run.record.as_ref()?;
        Some((scenario.name().to_owned(), with_clients(record, scenario, run)))
    });
    report::page(runs)
}

fn with_clients(record: &Record, scenario: Scenario, run: &Observed) -> Record {
    let mut record = record.clone();
    let zero_ms = record.zero_ms();
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let at = |from_signal_ms: i64| zero_ms + from_signal_ms as f64;
    record.probes = run
        .strip
        .iter()
        .map(|probe| {
            let (result, text) = met(probe.outcome);
            Probe { at_ms: at(probe.at_ms), result, text: text.to_owned() }
        })
        .collect();
    record.connections = run
        .held
        .iter()
        .map(|held| Connection {
            from_ms: at(held.opened_ms),
            to_ms: held.ended_ms.map(at),
            name: kind(scenario).to_owned(),
            result: if ended_well(held) { Met::Good } else { Met::Bad },
            text: ended(held),
        })
        .collect();
    record
}

const fn met(outcome: Outcome) -> (Met, &'static str) {
    match outcome {
        Outcome::Ok => (Met::Good, "answered"),
        Outcome::Error => (Met::Away, "answered with an error"),
        Outcome::Refused => (Met::Away, "refused"),
        Outcome::Reset => (Met::Bad, "cut"),
        Outcome::TimedOut => (Met::Bad, "no answer"),
    }
}

const fn kind(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Stream => "endless answer",
        Scenario::Idle => "idle connection",
        Scenario::Half => "half a request",
        Scenario::Silent => "silent connection",
        _ => "request",
    }
}

const fn ended_well(held: &Held) -> bool {
    match held.end {
        HeldEnd::Answered(status) => status < 500,
        HeldEnd::Closed => held.ended_ms.is_some(),
        HeldEnd::Cut => false,
    }
}

fn ended(held: &Held) -> String {
    match held.end {
        HeldEnd::Answered(status) => format!("answered: {status}"),
        HeldEnd::Closed => "closed".to_owned(),
        HeldEnd::Cut => "cut".to_owned(),
    }
}
