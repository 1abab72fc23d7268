//! What is played, and in which order: the plain stop first, then what the checks need beside it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use super::catalogue::Scenario;
use super::job::Jobs;
use super::judge;
use super::observed::Seen;
use super::options::Options;
use super::progress::Progress;
use super::run::{self, Variant};
use super::stdin::Input;
use crate::os::clock::Clock;

/// A repeated stop is asked up to so much later.
const RANDOM_DELAY_MS: u64 = 1000;

/// Moments of a start at which it is asked to stop.
const STARTUP_DELAYS_MS: [u64; 6] = [0, 5, 20, 50, 100, 250];

/// Every run of the test.
pub(super) async fn play(options: &Options, jobs: &Jobs, clock: Clock) -> io::Result<Seen> {
    let others: Vec<(Scenario, Variant)> = scenarios(options)
        .into_iter()
        .flat_map(|scenario| variants(scenario).into_iter().map(move |variant| (scenario, variant)))
        .collect();
    let mut progress = Progress::new(options.runs.saturating_add(others.len()));
    let play = async |scenario: Scenario, variant: Variant, progress: &mut Progress| {
        progress.begins(scenario.name());
        let run = run::run(options, scenario, variant, jobs, clock).await?;
        progress.ends(&run);
        io::Result::Ok(run)
    };
    let plain = play(Scenario::Plain, Variant::default(), &mut progress).await?;
    let mut seen = Seen { plain, ..Seen::default() };
    if !seen.plain.is_ready() {
        return Ok(seen);
    }
    while seen.again.len() + 1 < options.runs {
        let last = seen.again.last().unwrap_or(&seen.plain);
        if options.until_fail && judge::fails(options, &seen, last) {
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
fn scenarios(options: &Options) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for check in options.checks.iter().filter(|check| check.scenario != Scenario::Plain) {
        if !scenarios.contains(&check.scenario) {
            scenarios.push(check.scenario);
        }
    }
    scenarios
}

/// What differs between the runs of a scenario.
fn variants(scenario: Scenario) -> Vec<Variant> {
    match scenario {
        Scenario::Startup => {
            let delays = STARTUP_DELAYS_MS.map(Duration::from_millis);
            delays.map(|delay| Variant { delay, ..Variant::default() }).to_vec()
        }
        Scenario::Stdin => Input::OTHERS.map(|input| Variant { input, ..Variant::default() }).to_vec(),
        _ => vec![Variant::default()],
    }
}

/// Up to a second later: a server does other things at other moments.
fn at_random() -> Variant {
    let delay = Duration::from_millis(RandomState::new().hash_one(0) % RANDOM_DELAY_MS);
    Variant { delay, ..Variant::default() }
}
