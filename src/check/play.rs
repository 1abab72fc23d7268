//! What is played, and in which order: the plain stop first, then what the checks need beside it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use super::catalogue::Scenario;
use super::job::Jobs;
use super::observed::Seen;
use super::options::Options;
use super::run::{self, Variant};
use super::stdin::Input;
use super::{judge, page};
use crate::os::clock::Clock;

/// A repeated stop is asked up to so much later.
const RANDOM_DELAY_MS: u64 = 1000;

/// Moments of a start at which it is asked to stop.
const STARTUP_DELAYS_MS: [u64; 6] = [0, 5, 20, 50, 100, 250];

/// Every run of the test.
pub(super) async fn play(options: &Options, jobs: &Jobs, clock: Clock) -> io::Result<Seen> {
    let plain = run::run(options, Scenario::Plain, Variant::default(), jobs, clock).await?;
    let mut seen = Seen { plain, ..Seen::default() };
    page::progress("plain", &seen.plain);
    if !seen.plain.is_ready() {
        return Ok(seen);
    }
    while seen.again.len() + 1 < options.runs {
        let last = seen.again.last().unwrap_or(&seen.plain);
        if options.until_fail && judge::fails(options, &seen, last) {
            break;
        }
        let run = run::run(options, Scenario::Plain, at_random(), jobs, clock).await?;
        page::progress("plain", &run);
        seen.again.push(run);
    }
    let mut scenarios: Vec<Scenario> = Vec::new();
    for check in options.checks.iter().filter(|check| check.scenario != Scenario::Plain) {
        if !scenarios.contains(&check.scenario) {
            scenarios.push(check.scenario);
        }
    }
    for scenario in scenarios {
        for variant in variants(scenario) {
            let run = run::run(options, scenario, variant, jobs, clock).await?;
            page::progress(scenario.name(), &run);
            seen.others.push((scenario, run));
        }
    }
    Ok(seen)
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
