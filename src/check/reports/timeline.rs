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

pub(super) fn report(results: &Results<'_>) -> String {
    let all = results.seen;
    let runs: Vec<(Scenario, &Observed)> = all.runs().collect();
    let mut played: Vec<Scenario> = Vec::new();
    let shown = runs.iter().filter_map(|(scenario, run)| {
        played.push(*scenario);
        let count = |list: &mut dyn Iterator<Item = Scenario>| list.filter(|one| one == scenario).count();
        let (number, several) =
            (count(&mut played.iter().copied()), count(&mut runs.iter().map(|(one, _)| *one)) > 1);
        let record = run.record.clone()?;
        let name = scenario.name();
        let name = if several { format!("{name} {number}") } else { name.to_owned() };
        Some(Named {
            // Of the others each is asked at another moment, or has another standard input.
            kind: Some(if *scenario == Scenario::Plain { "plain runs".to_owned() } else { name.clone() }),
            name,
            about: scenario.about().to_owned(),
            clients: clients(record.zero_ms(), *scenario, run),
            record,
            judgements: judgements(&checks::judge_run(
                results.options,
                results.selection,
                all,
                (*scenario, run),
            )),
        })
    });
    let shown: Vec<Named> = shown.collect();
    let test = Test { name: name(results.options), judgements: judgements(results.verdicts) };
    report::page(&shown, &test)
}

fn judgements(verdicts: &[Verdict]) -> Vec<Judgement> {
    let judgement = |verdict: &Verdict| Judgement {
        check: verdict.id.to_owned(),
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
        HeldEnd::Cut => false,
    }
}

fn ended(held: &HeldConnection) -> String {
    match held.end {
        HeldEnd::Answered(status) => format!("answered: {status}"),
        HeldEnd::Closed => "closed".to_owned(),
        HeldEnd::Cut => "cut".to_owned(),
    }
}
