//! Times in whole milliseconds.

use std::time::Duration;

use crate::os::clock::Clock;

/// As long as anybody can wait.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// By check's own clock.
pub(super) fn now_ms(clock: Clock) -> u64 {
    ms(clock.now())
}

/// `0.24 s`, `3 ms`.
pub(super) fn told(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{:02} s", ms / 1000, ms % 1000 / 10) }
}
