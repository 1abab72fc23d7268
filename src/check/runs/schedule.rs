//! What is played, and in which order: the plain stop first, then what the checks need beside it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::job::Jobs;
use super::progress::ProgressLine;
use super::run::{self, Variant};
use super::scenario::{Scenario, Variants};
use crate::check::checks;
use crate::check::checks::selection::Selection;
use crate::check::observed::AllRuns;
use crate::check::options::Options;
use crate::os::clock::Clock;

/// A repeated stop is asked up to so much later.
const RANDOM_DELAY_MS: u64 = 1000;

/// Moments of a start at which it is asked to stop.
const STARTUP_DELAYS_MS: [u64; 6] = [0, 5, 20, 50, 100, 250];

/// Every run of the test.
pub(in crate::check) async fn play(
    options: &Options,
    selection: &Selection,
    jobs: &Jobs,
    clock: Clock,
) -> io::Result<AllRuns> {
    let others: Vec<(Scenario, Variant)> = scenarios(selection)
        .into_iter()
        .flat_map(|scenario| variants(options, scenario).into_iter().map(move |variant| (scenario, variant)))
        .collect();
    let mut progress = ProgressLine::new(options.runs.saturating_add(others.len()), options.trace.is_some());
    let play = async |scenario: Scenario, variant: Variant, progress: &mut ProgressLine| {
        let number = progress.begins(scenario.name(), options.name.as_deref());
        let span = info_span!("scenario", id = %scenario.name(), run = number, server = Empty);
        if let Some(name) = &options.name {
            span.record("server", name);
        }
        let variant = Variant { number, ..variant };
        let run = run::run(options, scenario, variant, jobs, clock).instrument(span).await?;
        progress.ends(&run);
        io::Result::Ok(run)
    };
    let plain = play(Scenario::Plain, Variant::default(), &mut progress).await?;
    let mut seen = AllRuns { plain, ..AllRuns::default() };
    if !seen.plain.is_ready() {
        return Ok(seen);
    }
    while seen.again.len() + 1 < options.runs {
        let last = seen.again.last().unwrap_or(&seen.plain);
        if options.until_fail && checks::fails(options, selection, &seen, last) {
            break;
        }
        seen.again.push(play(Scenario::Plain, at_random(), &mut progress).await?);
    }
    for (scenario, variant) in others {
        seen.others.push((scenario, play(scenario, variant, &mut progress).await?));
    }
    Ok(seen)
}

/// What the checks need beside the plain stop.
fn scenarios(selection: &Selection) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for check in selection.checks.iter().filter(|check| check.scenario != Scenario::Plain) {
        if !scenarios.contains(&check.scenario) {
            scenarios.push(check.scenario);
        }
    }
    scenarios
}

/// What differs between the runs of a scenario.
fn variants(options: &Options, scenario: Scenario) -> Vec<Variant> {
    match scenario.variants() {
        Variants::Delays => {
            let delays = STARTUP_DELAYS_MS.map(Duration::from_millis);
            delays.map(|delay| Variant { delay, ..Variant::default() }).to_vec()
        }
        Variants::Inputs => {
            options.stdin.others().map(|input| Variant { input: Some(input), ..Variant::default() }).collect()
        }
        Variants::One => vec![Variant::default()],
    }
}

/// Up to a second later: a server does other things at other moments.
fn at_random() -> Variant {
    let delay = Duration::from_millis(RandomState::new().hash_one(0) % RANDOM_DELAY_MS);
    Variant { delay, ..Variant::default() }
}
