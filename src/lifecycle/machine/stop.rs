//! A stop under way: its deadline, its steps, and who has been heard.

use std::time::Duration;

use super::moments::Moments;
use super::{LOOK_MIN, SHELL_HINT_AFTER};
use crate::lifecycle::event::Received;
use crate::lifecycle::plan::{Plan, Step};
use crate::lifecycle::signal::{Origin, Signal, SignalSet};

/// A stop within its limit.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(super) struct Stop {
    pub(super) since: Duration,
    pub(super) deadline: Option<Duration>,
    pub(super) steps: Steps,
    /// By how much the workload has moved the deadline; nothing once it may not any more.
    pub(super) extended: Option<Duration>,
    pub(super) interrupts: Interrupts,
    /// Stop signals from outside the tree: each is passed on at most once.
    pub(super) heard: SignalSet,
    /// Stop signals that the main process has got: it gets none of them again.
    pub(super) given: SignalSet,
    pub(super) next_look: Duration,
    /// The middle of the limit as it was at the start, until it was told; none without a limit.
    pub(super) half_at: Option<Duration>,
    pub(super) moments: Moments,
    pub(super) hint_told: bool,
    pub(super) exit_told: bool,
}

/// How far the plan has come.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(super) struct Steps {
    /// The step under way.
    pub(super) index: usize,
    /// When the next one begins; never, for the last one.
    pub(super) ends: Option<Duration>,
    /// What the others leave to the step without a share; all the time there is, without a limit.
    pub(super) rest: Option<Duration>,
    pub(super) hook_runs: bool,
    /// What the main process is asked with where the plan does not say: the signal received.
    pub(super) as_received: Signal,
    /// The terminal has asked in the place of the first signal step.
    pub(super) by_terminal: bool,
    /// Somebody has been asked by now.
    pub(super) has_asked: bool,
    /// The signal of the last step that asked, for stragglers.
    pub(super) straggler_signal: Signal,
}

/// The first SIGINT of each sender, to tell a repeat from a duplicate: the terminal's, and that of the
/// process that last sent one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub(super) struct Interrupts {
    pub(super) key: Option<Duration>,
    pub(super) sent: Option<(Origin, Duration)>,
}

impl Interrupts {
    pub(super) fn first_of(&self, origin: Origin) -> Option<Duration> {
        match origin {
            Origin::Kernel => self.key,
            Origin::Process { .. } => self.sent.filter(|(sender, _)| *sender == origin).map(|(_, at)| at),
        }
    }

    pub(super) fn note(&mut self, now: Duration, origin: Origin) {
        match origin {
            Origin::Kernel => self.key = Some(now),
            Origin::Process { .. } => self.sent = Some((origin, now)),
        }
    }
}

impl Stop {
    /// A stop that starts now, before its first step.
    pub(super) fn new(
        plan: &Plan,
        now: Duration,
        deadline: Option<Duration>,
        received: Option<Received>,
    ) -> Self {
        let by_terminal = received.filter(|received| received.main_has_it).map(|received| received.signal);
        let mut interrupts = Interrupts::default();
        if let Some(received) = received.filter(|received| received.signal == Signal::INT) {
            interrupts.note(now, received.origin);
        }
        Self {
            since: now,
            deadline,
            steps: Steps {
                index: 0,
                ends: None,
                rest: deadline.map(|deadline| deadline.saturating_sub(now).saturating_sub(plan.shares())),
                hook_runs: false,
                as_received: received
                    .and_then(|received| plan.forwarded(received.signal))
                    .unwrap_or(Signal::TERM),
                by_terminal: by_terminal.is_some(),
                has_asked: false,
                straggler_signal: Signal::TERM,
            },
            extended: Some(Duration::ZERO),
            interrupts,
            heard: received.map(|received| received.signal).into_iter().collect(),
            // By a terminal the main process got its key's signal, whatever the plan or --map say.
            given: by_terminal.into_iter().collect(),
            next_look: now.saturating_add(LOOK_MIN),
            half_at: deadline.map(|deadline| now.saturating_add(deadline.saturating_sub(now) / 2)),
            moments: Moments::new(plan.looks, now, deadline),
            hint_told: false,
            exit_told: false,
        }
    }

    /// When to look for a shell that waits.
    pub(super) const fn hint_at(&self) -> Duration {
        self.since.saturating_add(SHELL_HINT_AFTER)
    }

    /// Moves the deadline to `wanted` if that stays within `most` of extensions and before `latest`.
    /// The time goes to the step under way. Returns by how much, or nothing if it may not be.
    pub(super) fn extend(
        &mut self,
        wanted: Duration,
        most: Duration,
        latest: Option<Duration>,
    ) -> Option<Duration> {
        let (deadline, extended) = (self.deadline?, self.extended?);
        let more = wanted.saturating_sub(deadline);
        let is_late = latest.is_some_and(|latest| wanted.max(deadline) > latest);
        if extended.saturating_add(more) > most || is_late {
            return None;
        }
        self.extended = Some(extended.saturating_add(more));
        self.deadline = Some(deadline.saturating_add(more));
        self.steps.ends = self.steps.ends.map(|ends| ends.saturating_add(more));
        if !more.is_zero() {
            self.moments.last_is_to_come();
        }
        Some(more)
    }
}

impl Steps {
    /// Notes that this step begins, and until when it lasts.
    pub(super) fn begin(&mut self, now: Duration, step: Step, is_last: bool) {
        let share = step.share.or(self.rest);
        self.ends = share.filter(|_| !is_last || self.hook_runs).map(|share| now.saturating_add(share));
    }
}
