//! The part of the state that decides the future, for the test that walks every state.

use std::time::Duration;

use super::start::StartState;
use super::stop::{FirstInterrupts, Stop};
use super::{LOOK_MAX, Machine, State};
use crate::lifecycle::phase::Phase;
use crate::lifecycle::routing::REPEAT_AFTER;

/// See [`Machine::view`].
#[doc(hidden)]
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct View {
    state: State,
    main_has_ended: bool,
    is_requested: bool,
    run_limit: Option<Duration>,
    stop_after: Option<Duration>,
    silent_at: Option<Duration>,
    start: StartState,
    post_stop_spared: Option<Duration>,
}

impl Machine {
    /// The part of the state that decides the future, with times relative to `now`: machines with the same plan and
    /// the same view behave alike from then on. For the test that walks every state.
    #[doc(hidden)]
    #[must_use]
    pub fn view(&self, now: Duration) -> View {
        let left = |at: Duration| at.saturating_sub(now);
        let mut state = self.state.clone();
        match &mut state {
            State::Starting | State::Running | State::Ended { .. } | State::Stopped { .. } => {}
            State::Leaving { until } => *until = left(*until),
            State::Terminating(stop) => self.view_stop(stop, now),
            State::Killing { next_pass, give_up, .. } => {
                *next_pass = left(*next_pass);
                *give_up = give_up.map(left);
            }
            State::Finishing { ends, .. } => *ends = left(*ends),
        }
        let is_open = self.phase() <= Phase::Running;
        // The run limit also bounds extensions.
        let matters = is_open || (self.phase() == Phase::Terminating && !self.plan.extend_max.is_zero());
        let age = |at: Duration| now.saturating_sub(at).min(REPEAT_AFTER);
        let mut start = self.start;
        if let StartState::Awaited(missing) = &mut start {
            missing.probe_at = missing.probe_at.map(left);
            missing.ends = missing.ends.map(left);
        }
        View {
            start,
            state,
            main_has_ended: self.main.is_some(),
            is_requested: self.request.is_some(),
            run_limit: self.plan.run_limit.filter(|_| matters).map(left),
            stop_after: self.plan.stop_after.filter(|_| is_open).map(left),
            silent_at: self.silent_at.filter(|_| is_open).map(left),
            post_stop_spared: self.stop_at.filter(|_| self.plan.post_stop.is_some()).map(age),
        }
    }

    fn view_stop(&self, stop: &mut Stop, now: Duration) {
        let left = |at: Duration| at.saturating_sub(now);
        let age = |at: Duration| now.saturating_sub(at);
        let hint_to_come = self.main.is_none() && !stop.hint_noted;
        let age_matters = if hint_to_come { Duration::MAX } else { LOOK_MAX * 4 };
        stop.since = age(stop.since).min(age_matters);
        let can_extend = stop.extended.is_some() && !self.plan.extend_max.is_zero();
        let is_too_late =
            |at: Duration| !can_extend && stop.deadline.is_some_and(|end| at + REPEAT_AFTER >= end);
        let first = |at: Duration| if is_too_late(at) { Duration::ZERO } else { age(at).min(REPEAT_AFTER) };
        let FirstInterrupts { key, sent } = stop.interrupts;
        stop.interrupts =
            FirstInterrupts { key: key.map(first), sent: sent.map(|(origin, at)| (origin, first(at))) };
        stop.next_look = left(stop.next_look);
        stop.readers.until = stop.readers.until.map(left);
        stop.readers.latest = stop.readers.latest.map(left);
        stop.steps.ends = stop.steps.ends.map(left);
        stop.deadline = stop.deadline.map(left);
        stop.half_at = stop.half_at.map(left);
        for moment in [&mut stop.moments.early, &mut stop.moments.half, &mut stop.moments.late] {
            *moment = moment.map(left);
        }
    }
}
