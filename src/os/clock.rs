//! The one place that reads the clock.

use std::time::{Duration, Instant, SystemTime};

/// Time since the start of the run, which setting the wall clock does not move.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_wall: SystemTime,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), started_wall: SystemTime::now() }
    }

    /// Since the start, by `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The wall clock at the start.
    #[must_use]
    pub const fn started_wall(&self) -> SystemTime {
        self.started_wall
    }
}

/// From now on waits end within microseconds of their time. The kernel's slack of 50 us saves wake-ups,
/// but a deadline has only one.
pub fn wake_exactly() {
    // SAFETY: concerns only this thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}
