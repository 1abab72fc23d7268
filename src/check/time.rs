//! Times in whole milliseconds.

use std::time::Duration;

use crate::os::clock::Clock;
use crate::text;

/// Saturates.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// To the nearest; never negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(super) fn whole_ms(ms: f64) -> u64 {
    ms.max(0.0).round() as u64
}

/// The time on check's clock.
pub(super) fn now_ms(clock: Clock) -> u64 {
    ms(clock.now())
}

/// `240ms`, `16.8s`.
pub(super) fn short(ms: u64) -> String {
    text::short(Duration::from_millis(ms))
}
