//! The one place that reads the clock.

use std::time::{Duration, Instant, SystemTime};

use nix::sys::prctl::set_timerslack;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Time since the start of the run, which setting the wall clock does not move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_wall: SystemTime,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), started_wall: SystemTime::now() }
    }

    /// The time since the start, by `CLOCK_MONOTONIC`.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// A moment of the run by the current wall clock, in milliseconds since the epoch. `now` is the current
    /// time of the run.
    pub(crate) fn wall_ms(now: Duration, at: Duration) -> u64 {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = wall.saturating_add(at).saturating_sub(now);
        u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
    }

    /// A moment of the run by `CLOCK_MONOTONIC`, as every process sees it, in milliseconds.
    pub(crate) fn monotonic_ms(now: Duration, at: Duration) -> u64 {
        let ahead = u64::try_from(at.saturating_sub(now).as_millis()).unwrap_or(u64::MAX);
        monotonic_ms().saturating_add(ahead)
    }

    /// The wall clock at the start.
    pub(crate) const fn started_wall(&self) -> SystemTime {
        self.started_wall
    }
}

/// The current `CLOCK_MONOTONIC`, in milliseconds.
pub(crate) fn monotonic_ms() -> u64 {
    let now = read(ClockId::CLOCK_MONOTONIC);
    let ms = now.tv_sec().saturating_mul(1000).saturating_add(now.tv_nsec() / 1_000_000);
    u64::try_from(ms).unwrap_or_default()
}

/// The CPU time of this thread.
pub(crate) fn cpu_time() -> Duration {
    Duration::from(read(ClockId::CLOCK_THREAD_CPUTIME_ID))
}

/// The clocks that are read always exist.
fn read(clock: ClockId) -> TimeSpec {
    clock_gettime(clock).unwrap_or(TimeSpec::new(0, 0))
}

/// Makes waits end within microseconds of their time. The kernel's default slack of 50 us saves wake-ups, but
/// a deadline has only one.
pub(crate) fn wake_exactly() {
    let _ = set_timerslack(1);
}

/// The current time as /proc counts the start times of processes.
pub(crate) fn ticks_since_boot() -> u64 {
    let now = read(ClockId::CLOCK_BOOTTIME);
    let whole = now.tv_sec().saturating_mul(ticks_per_second());
    let part = now.tv_nsec().saturating_mul(ticks_per_second()) / 1_000_000_000;
    u64::try_from(whole.saturating_add(part)).unwrap_or_default()
}

/// Ticks of /proc in milliseconds.
pub(crate) fn ticks_as_ms(ticks: u64) -> u64 {
    ticks.saturating_mul(1000) / ticks_per_second().unsigned_abs().max(1)
}

fn ticks_per_second() -> i64 {
    // SAFETY: takes and returns plain numbers.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }
}
