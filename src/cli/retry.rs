//! The options about further tries: which of them would do nothing, and the policy they make.

use std::time::Duration;

use super::sources::GivenOptions;
use crate::lifecycle::plan::Limit;
use crate::lifecycle::retry::policy::{CrashRate, Delay, Policy};

/// From the end of a try to the start of the next one.
const DEFAULT_DELAY: Delay = Delay::Fixed(Duration::from_secs(1));
/// How long a try has to be ready for its failure to count as the first one.
const DEFAULT_RESET: Duration = Duration::from_secs(60);

/// The given options.
#[derive(Debug)]
pub(super) struct RetryOptions {
    /// `None` is for ever.
    retries: Option<u32>,
    pub(super) delay: Option<Delay>,
    pub(super) reset: Option<Limit>,
    permanent: Vec<u8>,
    max_crashes: Option<CrashRate>,
}

impl RetryOptions {
    pub(super) fn of(given: &GivenOptions) -> Self {
        Self {
            retries: given.one("retry").unwrap_or(Some(0)),
            delay: given.one("retry-delay"),
            reset: given.one("retry-reset"),
            permanent: given.many("permanent-exit"),
            max_crashes: given.one("max-crashes"),
        }
    }

    /// Whether there can be more than one try.
    pub(super) fn retries(&self) -> bool {
        self.retries != Some(0)
    }

    /// Options that would do nothing, and why.
    pub(super) fn useless(&self) -> [(bool, &'static str, &'static str); 5] {
        let is_alone = |given: bool| given && !self.retries();
        let needs = "does nothing without --retry, which says how often COMMAND is started again";
        let is_plain = !matches!(self.delay, Some(Delay::Exponential { .. }));
        let has_nothing_to_reset = self.retries.is_none() && is_plain;
        [
            (is_alone(self.delay.is_some()), "--retry-delay", needs),
            (is_alone(self.reset.is_some()), "--retry-reset", needs),
            (is_alone(!self.permanent.is_empty()), "--permanent-exit", needs),
            (is_alone(self.max_crashes.is_some()), "--max-crashes", needs),
            (
                self.reset.is_some() && has_nothing_to_reset,
                "--retry-reset",
                "does nothing with --retry forever and one fixed delay; leave it out",
            ),
        ]
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            retries: self.retries,
            delay: self.delay.unwrap_or(DEFAULT_DELAY),
            reset: self.reset.map_or(DEFAULT_RESET, |reset| reset.length().unwrap_or(Duration::MAX)),
            permanent: self.permanent.clone(),
            max_crashes: self.max_crashes,
        }
    }
}
