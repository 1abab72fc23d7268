//! The timeline of `winddown report`, with the verdicts and what clients met.

use super::{Results, name};
use crate::check::checks;
use crate::check::checks::verdict::{Verdict, Word};
use crate::check::observed::{HeldConnection, HeldEnd, Observed, ProbeOutcome};
use crate::check::runs::scenario::{Holds, Scenario};
use crate::report;
use crate::report::clients::{Attempt, Clients, Connection, Met};
use crate::report::judgement::{Grade, Judgement, Test};
use crate::report::read::Named;

pub(super) fn report(who: &[&Results<'_>]) -> String {
    // Of several servers, each run and each check says whose it is.
    let prefix = |results: &Results<'_>| match who {
        [_] => String::new(),
        _ => format!("{}: ", name(results.options)),
    };
    let shown: Vec<Named> = who.iter().flat_map(|results| runs(results, &prefix(results))).collect();
    let names: Vec<String> = who.iter().map(|results| name(results.options)).collect();
    let all = who.iter().flat_map(|results| judgements(&results.verdicts, &prefix(results)));
    report::page(&shown, &Test { name: names.join(", "), judgements: all.collect() })
}

/// Every run of a server that left a record.
fn runs(results: &Results<'_>, prefix: &str) -> Vec<Named> {
    let all = results.seen;
    let runs: Vec<(Scenario, &Observed)> = all.runs().collect();
    let count = |scenario: Scenario, runs: &[(Scenario, &Observed)]| {
        runs.iter().filter(|(one, _)| *one == scenario).count()
    };
    let shown = runs.iter().enumerate().filter_map(|(at, (scenario, run))| {
        let record = run.record.clone()?;
        let number = count(*scenario, &runs[..=at]);
        let is_alone = count(*scenario, &runs) == 1;
        let name = format!("{prefix}{}", scenario.name());
        let name = if is_alone { name } else { format!("{name} {number}") };
        let verdicts = checks::judge_run(results.options, results.selection, all, (*scenario, run));
        let kind = if *scenario == Scenario::Plain { format!("{prefix}plain runs") } else { name.clone() };
        Some(Named {
            // Of the others each is asked at another moment, or has another standard input.
            kind: Some(kind),
            name,
            about: scenario.about().to_owned(),
            clients: clients(record.zero_ms(), *scenario, run),
            record,
            judgements: judgements(&verdicts, ""),
        })
    });
    shown.collect()
}

fn judgements(verdicts: &[Verdict], prefix: &str) -> Vec<Judgement> {
    let judgement = |verdict: &Verdict| Judgement {
        check: format!("{prefix}{}", verdict.id),
        grade: match verdict.word() {
            Word::Pass => Grade::Passed,
            Word::Skip => Grade::Skipped,
            Word::Warn => Grade::Warned,
            Word::Inconclusive => Grade::Inconclusive,
            Word::Fail => Grade::Failed,
        },
        summary: verdict.summary.clone(),
        evidence: verdict.details().map(ToString::to_string).collect(),
    };
    verdicts.iter().map(judgement).collect()
}

fn clients(zero_ms: f64, scenario: Scenario, run: &Observed) -> Clients {
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let at = |from_signal_ms: i64| zero_ms + from_signal_ms as f64;
    let probes = run
        .strip
        .iter()
        .map(|probe| {
            let (result, text) = met(probe.outcome);
            Attempt { at_ms: at(probe.at_ms), result, text: text.to_owned() }
        })
        .collect();
    let connections = run
        .held
        .iter()
        .map(|held| Connection {
            from_ms: at(held.opened_ms),
            to_ms: held.ended_ms.map(at),
            name: kind(scenario.holds()).to_owned(),
            result: if ended_well(held) { Met::Good } else { Met::Bad },
            text: ended(held),
        })
        .collect();
    Clients { probes, connections }
}

const fn met(outcome: ProbeOutcome) -> (Met, &'static str) {
    match outcome {
        ProbeOutcome::Ok => (Met::Good, "answered"),
        ProbeOutcome::Error => (Met::Away, "answered with an error"),
        ProbeOutcome::Refused => (Met::Away, "refused"),
        ProbeOutcome::Reset => (Met::Bad, "cut"),
        ProbeOutcome::TimedOut => (Met::Bad, "no answer"),
    }
}

const fn kind(holds: Holds) -> &'static str {
    match holds {
        Holds::Stream => "endless answer",
        Holds::Idle => "idle connection",
        Holds::Half => "half a request",
        Holds::Silent => "silent connection",
        Holds::Nothing | Holds::Requests | Holds::RequestsIfAny => "request",
    }
}

const fn ended_well(held: &HeldConnection) -> bool {
    match held.end {
        HeldEnd::Answered(status) => status < 500,
        HeldEnd::Closed => held.ended_ms.is_some(),
        HeldEnd::HungUp => true,
        HeldEnd::Cut => false,
    }
}

fn ended(held: &HeldConnection) -> String {
    match held.end {
        HeldEnd::Answered(status) => format!("answered: {status}"),
        HeldEnd::Closed => "closed".to_owned(),
        HeldEnd::Cut => "cut".to_owned(),
        HeldEnd::HungUp => "the client hung up".to_owned(),
    }
}
