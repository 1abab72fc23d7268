//! One JSON object with everything. docs/check.md tells its fields.

use serde_json::{Value, json};

use super::super::judge::strip;
use super::super::observed::{Observed, Readiness};
use super::super::time::ms;
use super::super::verdict::Word;
use super::Results;

pub(super) fn report(results: &Results<'_>) -> String {
    let options = results.options;
    let words: Vec<String> = options.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let worst = results.verdicts.iter().map(|verdict| verdict.word).max().unwrap_or(Word::Pass);
    let checks: Vec<Value> = results
        .verdicts
        .iter()
        .map(|verdict| {
            json!({
                "id": verdict.id,
                "verdict": verdict.word.name(),
                "summary": verdict.summary,
                "evidence": verdict.evidence,
            })
        })
        .collect();
    let seen = results.seen;
    let plain = seen.plain_runs().map(|run| ("plain", run));
    let others = seen.others.iter().map(|(scenario, run)| (scenario.name(), run));
    let runs: Vec<Value> = plain.chain(others).map(|(scenario, seen)| run(scenario, seen)).collect();
    let report = json!({
        "schema": 1,
        "winddown": env!("CARGO_PKG_VERSION"),
        "command": words,
        "limit_ms": ms(options.limit),
        "verdict": worst.name(),
        "exit_status": results.status,
        "checks": checks,
        "runs": runs,
    });
    format!("{report}\n")
}

fn run(scenario: &str, seen: &Observed) -> Value {
    let ready_ms = match &seen.readiness {
        Readiness::Ready { after_ms, .. } => Some(*after_ms),
        _ => None,
    };
    let record = seen.record.as_ref();
    let listeners = seen.before.iter().flat_map(|before| &before.listeners);
    json!({
        "scenario": scenario,
        "ready_ms": ready_ms,
        "stop_ms": seen.stop_ms(),
        "exit": record.and_then(|record| record.exit.as_ref()).map(ToString::to_string),
        "outcome": record.map(|record| &record.outcome),
        "listeners": listeners.map(|listener| &listener.address).collect::<Vec<_>>(),
        "probes": (!seen.strip.is_empty()).then(|| strip(seen, "STOP")),
        "cpu_wait_ms": seen.noise.waited_ms,
        "cpu_pressure": seen.noise.pressure,
        "output": seen.output.last,
    })
}
