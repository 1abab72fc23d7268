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

    /// A moment of the run by the wall clock as it is `now`, in milliseconds since the epoch.
    #[must_use]
    pub fn wall_ms(&self, now: Duration, at: Duration) -> u64 {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = wall.saturating_add(at).saturating_sub(now);
        u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
    }

    /// The same by `CLOCK_MONOTONIC`, as every process sees it.
    #[must_use]
    pub fn monotonic_ms(&self, now: Duration, at: Duration) -> u64 {
        let ahead = u64::try_from(at.saturating_sub(now).as_millis()).unwrap_or(u64::MAX);
        monotonic_ms().saturating_add(ahead)
    }

    /// The wall clock at the start.
    #[must_use]
    pub const fn started_wall(&self) -> SystemTime {
        self.started_wall
    }
}

/// Now, by `CLOCK_MONOTONIC`, in milliseconds.
#[must_use]
pub fn monotonic_ms() -> u64 {
    // SAFETY: `timespec` is plain data that the kernel fills in.
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: `now` is valid for writes; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let ms = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
    u64::try_from(ms).unwrap_or_default()
}

/// From now on waits end within microseconds of their time. The kernel's slack of 50 us saves wake-ups,
/// but a deadline has only one.
pub fn wake_exactly() {
    // SAFETY: concerns only this thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// Now, as /proc counts the start times of processes.
#[must_use]
pub fn ticks_since_boot() -> u64 {
    // SAFETY: `timespec` is plain data that the kernel fills in.
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: `now` is valid for writes; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    let whole = now.tv_sec.saturating_mul(ticks_per_second());
    let part = now.tv_nsec.saturating_mul(ticks_per_second()) / 1_000_000_000;
    u64::try_from(whole.saturating_add(part)).unwrap_or_default()
}

/// So many of the ticks that /proc counts in, in milliseconds.
#[must_use]
pub fn ticks_as_ms(ticks: u64) -> u64 {
    ticks.saturating_mul(1000) / ticks_per_second().unsigned_abs().max(1)
}

fn ticks_per_second() -> i64 {
    // SAFETY: takes and returns plain numbers.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }
}
