//! Runs side by side (`--jobs`): each lane is a thread that plays one run after another, in a network namespace of its
//! own, or with a port of its own.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::job::Jobs;
use super::progress::ProgressLine;
use super::run::{self, Variant};
use super::scenario::Scenario;
use crate::check::checks::has_ended_unasked;
use crate::check::observed::{Missing, Observed, Readiness};
use crate::check::options::Options;
use crate::os::clock::Clock;
use crate::os::network;

/// The options of each lane.
#[derive(Debug, Default)]
pub(in crate::check) struct Lanes {
    /// They differ in the port only. None if the runs are played one after another.
    pub(in crate::check) options: Vec<Options>,
    /// Whether each has a network namespace of its own.
    pub(in crate::check) are_isolated: bool,
}

impl Lanes {
    /// The server's, if it has one.
    fn name(&self) -> Option<&str> {
        self.options.first()?.name.as_deref()
    }
}

/// A run to be played.
#[derive(Clone, Copy)]
pub(super) struct PlannedRun {
    pub(super) scenario: Scenario,
    pub(super) variant: Variant,
}

impl PlannedRun {
    /// Plays it here.
    pub(super) async fn play(self, options: &Options, jobs: &Jobs, clock: Clock) -> io::Result<Observed> {
        let span =
            info_span!("scenario", id = %self.scenario.name(), run = self.variant.number, server = Empty);
        if let Some(name) = &options.name {
            span.record("server", name);
        }
        run::run(options, self.scenario, self.variant, jobs, clock).instrument(span).await
    }

    /// Whether it may be played beside others: a command of the user's may concern them, too.
    pub(super) const fn may_have_neighbours(self) -> bool {
        !matches!(self.scenario, Scenario::Drive | Scenario::Broken)
    }
}

type Numbered = (usize, PlannedRun);
type Done = UnboundedSender<(usize, io::Result<Observed>)>;

/// Plays these runs; returns what each has shown, in their order.
pub(super) async fn play(
    planned: &[PlannedRun],
    lanes: &Lanes,
    jobs: &Arc<Jobs>,
    progress: &mut ProgressLine,
    clock: Clock,
) -> io::Result<Vec<Observed>> {
    let queue = Arc::new(Mutex::new(longest_first(planned)));
    let (done, mut ended) = unbounded_channel();
    for options in &lanes.options {
        let options = options.clone();
        let (queue, jobs, done, is_isolated) =
            (queue.clone(), jobs.clone(), done.clone(), lanes.are_isolated);
        // Not waited for: after an interrupt it ends with the process.
        std::thread::Builder::new().spawn(move || {
            if let Err(error) = work(&options, is_isolated, &queue, &jobs, &done, clock) {
                let _ = done.send((0, Err(error)));
            }
        })?;
    }
    drop(done);
    let mut seen: Vec<Option<Observed>> = planned.iter().map(|_| None).collect();
    while let Some((at, run)) = ended.recv().await {
        let run = run?;
        progress.begins(planned[at].scenario.name(), lanes.name());
        progress.ends(&run);
        seen[at] = Some(run);
    }
    seen.into_iter().map(|run| run.ok_or_else(|| io::Error::other("a run did not end"))).collect()
}

/// A long run that comes last would keep the others waiting.
fn longest_first(planned: &[PlannedRun]) -> VecDeque<Numbered> {
    let mut queue: Vec<Numbered> = planned.iter().copied().enumerate().collect();
    queue.sort_by_key(|(_, run)| Reverse(run.scenario.length()));
    queue.into()
}

/// One lane.
fn work(
    options: &Options,
    is_isolated: bool,
    queue: &Mutex<VecDeque<Numbered>>,
    jobs: &Jobs,
    done: &Done,
    clock: Clock,
) -> io::Result<()> {
    if is_isolated {
        network::enter()?;
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    while let Some((at, planned)) = next() {
        let run = runtime.block_on(planned.play(options, jobs, clock));
        let _ = done.send((at, run));
    }
    runtime.shutdown_background();
    Ok(())
}

/// Whether a run may have been disturbed by those beside it, or lacks what is out of its namespace, so that it must be
/// played once more, alone.
pub(super) fn is_disturbed(scenario: Scenario, run: &Observed) -> bool {
    let is_up = |readiness: &Readiness| matches!(readiness, Readiness::Ready { .. });
    let ended_unasked = run.record.as_ref().is_some_and(|record| has_ended_unasked(scenario, record));
    match run.missing {
        Some(Missing::Skip(_)) => false,
        Some(Missing::Inconclusive(_)) => true,
        None => {
            run.is_starved()
                || !run.is_ready()
                || ended_unasked
                || !run.left.files.is_empty()
                || run.restart.as_ref().is_some_and(|restart| !is_up(restart))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_last_long_is_played_first() {
        let planned =
            [Scenario::Startup, Scenario::Int, Scenario::TermRestart, Scenario::Idle, Scenario::Silent]
                .map(|scenario| PlannedRun { scenario, variant: Variant::default() });
        let order: Vec<usize> = longest_first(&planned).iter().map(|(at, _)| *at).collect();
        assert_eq!(order, [3, 4, 2, 1, 0]);
    }
}
