//! The state of a stop: its deadline, its steps, and the signals received.

use std::time::Duration;

use super::leaving::Patience;
use super::moments::Moments;
use super::{HALF_TIME_LEFT_MIN, HINT_AFTER, LOOK_MIN};
use crate::lifecycle::cause::{Reach, Received};
use crate::lifecycle::plan::{Plan, Step};
use crate::lifecycle::signal::{Origin, Signal, SignalSet};

/// A stop within its limit.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(super) struct Stop {
    pub(super) since: Duration,
    pub(super) deadline: Option<Duration>,
    pub(super) steps: Steps,
    /// By how much the workload has moved the deadline; `None` once it may no longer do so.
    pub(super) extended: Option<Duration>,
    pub(super) interrupts: FirstInterrupts,
    /// Stop signals from outside the tree: each is passed on at most once.
    pub(super) heard: SignalSet,
    /// Stop signals that the main process has got: it gets none of them twice.
    pub(super) given: SignalSet,
    pub(super) next_look: Duration,
    pub(super) readers: Patience,
    /// The middle of the original limit, until it is reported; `None` without a limit, or with a short one.
    pub(super) half_at: Option<Duration>,
    pub(super) moments: Moments,
    pub(super) hint_noted: bool,
    pub(super) exit_noted: bool,
    /// Only the keeper of a hook is left: no step follows.
    pub(super) is_over: bool,
}

/// How far the plan has come.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(super) struct Steps {
    /// The current step.
    pub(super) index: usize,
    /// When the next step begins; `None` for the last step.
    pub(super) ends: Option<Duration>,
    /// The time that the others leave to the step without a share; `None` without a limit.
    pub(super) rest: Option<Duration>,
    pub(super) hook_runs: bool,
    /// The signal for the main process where the plan names none: the one received.
    pub(super) as_received: Signal,
    /// The processes that the sender of the stop signal has asked as well, in place of the first signal step.
    pub(super) by_others: Option<Reach>,
    /// The sender asked every process: winddown asks none in this step.
    pub(super) is_done_by_others: bool,
    /// Some process has been asked.
    pub(super) has_asked: bool,
    /// The signal of the last step that asked, for stragglers.
    pub(super) straggler_signal: Signal,
}

/// The first SIGINT of the terminal, and of the process that last sent one: to tell a repeat from a duplicate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub(super) struct FirstInterrupts {
    pub(super) key: Option<Duration>,
    pub(super) sent: Option<(Origin, Duration)>,
}

impl FirstInterrupts {
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
        let by_others = received.filter(Received::main_has_it);
        let mut interrupts = FirstInterrupts::default();
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
                by_others: by_others.map(|received| received.reach),
                is_done_by_others: false,
                has_asked: false,
                straggler_signal: Signal::TERM,
            },
            extended: Some(Duration::ZERO),
            interrupts,
            heard: received.map(|received| received.signal).into_iter().collect(),
            // From other senders the main process got what was sent, whatever the plan or --map say.
            given: by_others.map(|received| received.signal).into_iter().collect(),
            next_look: now.saturating_add(LOOK_MIN),
            readers: Patience::new(plan.straggler_grace, now, deadline),
            half_at: deadline
                .map(|deadline| now.saturating_add(deadline.saturating_sub(now) / 2))
                .filter(|half| deadline >= Some(half.saturating_add(HALF_TIME_LEFT_MIN))),
            moments: Moments::new(plan.looks, now, deadline),
            hint_noted: false,
            exit_noted: false,
            is_over: false,
        }
    }

    /// When to look why the main process is still there.
    pub(super) const fn hint_at(&self) -> Duration {
        self.since.saturating_add(HINT_AFTER)
    }

    /// The latest deadline possible, with at most `most` of extensions and within the run limit; `None` if it may not
    /// move, or if there is none.
    pub(super) fn latest(&self, most: Duration, run_limit: Option<Duration>) -> Option<Duration> {
        let deadline = self.deadline?;
        let by_all = deadline.saturating_add(most.saturating_sub(self.extended?));
        Some(run_limit.map_or(by_all, |run_limit| by_all.min(run_limit)).max(deadline))
    }

    /// Moves the deadline to `until`, never to an earlier time. The current step gets the time. Returns by how much
    /// the deadline moved.
    pub(super) fn extend(&mut self, until: Duration) -> Duration {
        let more = self.deadline.map_or(Duration::ZERO, |deadline| until.saturating_sub(deadline));
        self.extended = self.extended.map(|extended| extended.saturating_add(more));
        self.deadline = self.deadline.map(|deadline| deadline.saturating_add(more));
        self.steps.ends = self.steps.ends.map(|ends| ends.saturating_add(more));
        if !more.is_zero() {
            self.moments.await_last();
        }
        more
    }
}

impl Steps {
    /// Whether winddown asks no process until the next signal step.
    pub(super) fn leaves_all_to_others(&self) -> bool {
        self.is_done_by_others || self.by_others == Some(Reach::Everyone)
    }

    /// Notes that this step begins, and until when it lasts.
    pub(super) fn begin(&mut self, now: Duration, step: Step, is_last: bool) {
        let share = step.share.or(self.rest);
        self.ends = share.filter(|_| !is_last || self.hook_runs).map(|share| now.saturating_add(share));
    }
}
