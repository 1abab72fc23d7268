//! The part of a run's state that decides the future, for the test that walks every state.

use std::time::Duration;

use super::policy::Delay;
use super::{State, Tries};
use crate::lifecycle::machine::View;
use crate::lifecycle::outcome::Conclusion;

/// See [`Tries::tries_view`].
#[doc(hidden)]
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct TriesView {
    state: State,
    machine: View,
    retries: u32,
    failures: Vec<Duration>,
    is_asked: bool,
    ran_for: Option<Duration>,
    has_run: bool,
    conclusion: Option<Conclusion>,
    time_left: Option<Duration>,
}

/// The first retry whose delay is the longest.
fn grown(delay: Delay) -> u32 {
    let longest = delay.before(u32::MAX, 0);
    (1..u128::BITS).find(|retry| delay.before(*retry, 0) == longest).unwrap_or(u128::BITS)
}

impl Tries {
    /// The part of the state that decides the future, with times relative to `now`; see [`super::Machine::view`].
    #[doc(hidden)]
    #[must_use]
    pub fn tries_view(&self, now: Duration) -> TriesView {
        let left = |at: Duration| at.saturating_sub(now);
        let age = |at: &Duration| now.saturating_sub(*at);
        let reset = self.policy.reset;
        let within = self.policy.max_crashes.map(|rate| rate.within);
        TriesView {
            state: match self.state {
                State::Delay { until } => State::Delay { until: left(until) },
                state => state,
            },
            machine: self.machine.view(now),
            retries: self.retries.min(self.policy.retries.unwrap_or_else(|| grown(self.policy.delay))),
            failures: self.failures.iter().map(age).filter(|age| Some(*age) < within).collect(),
            is_asked: self.asked.is_some(),
            ran_for: self.ran_for(now).filter(|_| reset < Duration::MAX).map(|length| length.min(reset)),
            has_run: self.ready_until.is_some(),
            conclusion: self.conclusion,
            time_left: self.machine.plan().time_up_at().map(left),
        }
    }
}
