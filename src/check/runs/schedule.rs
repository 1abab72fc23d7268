//! What is played, and in which order: the plain stop first, then what the checks need beside it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::job::Jobs;
use super::lanes::{self, Lanes, PlannedRun};
use super::progress::ProgressLine;
use super::run::Variant;
use super::scenario::{Scenario, Variants};
use crate::check::checks;
use crate::check::checks::selection::Selection;
use crate::check::observed::{AllRuns, Observed};
use crate::check::options::Options;
use crate::os::clock::Clock;

/// A repeated stop is asked up to so much later.
const RANDOM_DELAY_MS: u64 = 1000;

/// Moments of a start at which it is asked to stop.
const STARTUP_DELAYS_MS: [u64; 6] = [0, 5, 20, 50, 100, 250];

/// Every run of the test. The plain stops, which are timed, are played alone.
pub(in crate::check) async fn play(
    options: &Options,
    lanes: &Lanes,
    selection: &Selection,
    jobs: &Arc<Jobs>,
    clock: Clock,
) -> io::Result<AllRuns> {
    let mut others: Vec<PlannedRun> = scenarios(selection)
        .into_iter()
        .flat_map(|scenario| {
            variants(options, scenario).into_iter().map(move |variant| PlannedRun { scenario, variant })
        })
        .collect();
    let mut progress = ProgressLine::new(options.runs.saturating_add(others.len()), options.trace.is_some());
    let mut alone = Alone { options, jobs, clock, progress: &mut progress };
    let plain = alone.plain(Variant::default()).await?;
    let mut seen = AllRuns { plain, ..AllRuns::default() };
    if !seen.plain.is_ready() {
        return Ok(seen);
    }
    while seen.again.len() + 1 < options.runs {
        let last = seen.again.last().unwrap_or(&seen.plain);
        if options.until_fail && checks::fails(options, selection, &seen, last) {
            break;
        }
        seen.again.push(alone.plain(at_random()).await?);
    }
    for (at, planned) in others.iter_mut().enumerate() {
        planned.variant.number = seen.again.len() + at + 2;
    }
    seen.in_turn = seen.plain.shared.first().filter(|_| !lanes.options.is_empty()).cloned();
    let beside = if lanes.options.is_empty() || seen.in_turn.is_some() {
        Vec::new()
    } else {
        let beside: Vec<PlannedRun> =
            others.iter().copied().filter(|one| one.may_have_neighbours()).collect();
        lanes::play(&beside, lanes, jobs, alone.progress, clock).await?
    };
    let mut beside = beside.into_iter();
    for planned in others {
        let played = if planned.may_have_neighbours() { beside.next() } else { None };
        let run = match played.filter(|run| !lanes::is_disturbed(planned.scenario, run)) {
            Some(run) => run,
            None => alone.play(planned).await?,
        };
        seen.others.push((planned.scenario, run));
    }
    Ok(seen)
}

/// Plays runs one after another.
struct Alone<'a> {
    options: &'a Options,
    jobs: &'a Jobs,
    clock: Clock,
    progress: &'a mut ProgressLine,
}

impl Alone<'_> {
    async fn plain(&mut self, variant: Variant) -> io::Result<Observed> {
        let variant = Variant { number: self.progress.number() + 1, ..variant };
        self.play(PlannedRun { scenario: Scenario::Plain, variant }).await
    }

    async fn play(&mut self, planned: PlannedRun) -> io::Result<Observed> {
        self.progress.begins(planned.scenario.name(), self.options.name.as_deref());
        let run = planned.play(self.options, self.jobs, self.clock).await?;
        self.progress.ends(&run);
        Ok(run)
    }
}

/// What the checks need beside the plain stop.
fn scenarios(selection: &Selection) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    let wanted = selection.checks.iter().map(|check| check.scenario);
    for scenario in wanted.flat_map(|scenario| scenario.compared_with().into_iter().chain([scenario])) {
        if scenario != Scenario::Plain && !scenarios.contains(&scenario) {
            scenarios.push(scenario);
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
