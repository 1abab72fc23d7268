//! What ended processes leave behind: the silent grace after a main process that ended by itself, and readers of the
//! last lines of a process that ended.

use std::time::Duration;

use super::{Machine, State};
use crate::lifecycle::cause::Cause;
use crate::lifecycle::event::{Effect, Note, Readers};

/// How long orphans that read a pipe of the workload may go on.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(super) struct Patience {
    now: Readers,
    /// For readers at the end of their pipe.
    pub(super) until: Option<Duration>,
    /// For all readers, even if their pipe still has a writer.
    pub(super) latest: Option<Duration>,
}

impl Patience {
    /// For a stop that starts now: at most half of the limit.
    pub(super) fn new(grace: Duration, now: Duration, deadline: Option<Duration>) -> Self {
        if grace.is_zero() {
            return Self::none();
        }
        let half = deadline.map(|deadline| now.saturating_add(deadline.saturating_sub(now) / 2));
        Self { now: Readers::Overdue, until: None, latest: half }
    }

    /// Readers are asked like all others.
    pub(super) const fn none() -> Self {
        Self { now: Readers::Asked, until: None, latest: None }
    }

    pub(super) const fn now(&self) -> Readers {
        self.now
    }

    /// When readers are to be asked next.
    pub(super) fn next(&self) -> Option<Duration> {
        [self.until, self.latest].into_iter().flatten().min()
    }

    /// A reader came to the end of its pipe: its grace starts now.
    fn restart(&mut self, until: Duration) {
        if self.now != Readers::Asked {
            (self.now, self.until) = (Readers::Left, Some(until));
        }
    }

    /// Passes the time; returns whether readers are to be asked now.
    pub(super) fn pass(&mut self, now: Duration) -> bool {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.latest) {
            *self = Self::none();
            return true;
        }
        if is_due(self.until) {
            (self.now, self.until) = (Readers::Overdue, None);
            return true;
        }
        false
    }
}

impl Machine {
    /// The main process ended by itself, and others are left. The run limit still holds.
    pub(super) fn leave(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.plan.leave_stragglers {
            self.end(false, effects);
            return;
        }
        let until = now.saturating_add(self.plan.straggler_grace);
        let until = self.plan.time_up_at().map_or(until, |at| until.min(at));
        if until <= now {
            self.stop(now, Cause::MainExited, effects);
            return;
        }
        self.state = State::Leaving { until };
        effects.push(Effect::Say(Note::Grace));
    }

    pub(super) fn pipe_ended(&mut self, now: Duration) {
        if let State::Terminating(stop) = &mut self.state
            && (stop.steps.has_asked || self.main.is_some())
        {
            stop.readers.restart(now.saturating_add(self.plan.straggler_grace));
        }
    }

    /// No process is left to ask or to drain: the plan ends with the running hook.
    pub(super) fn hook_remains(&mut self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if self.main.is_none() {
            return;
        }
        stop.is_over = true;
        stop.steps.ends = stop.steps.ends.filter(|_| stop.steps.hook_runs);
        self.note_exit(true, effects);
    }
}
