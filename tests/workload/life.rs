//! The limit on every process's life.

use std::time::Duration;

/// The longest life of a process.
pub(crate) const USUAL: Duration = Duration::from_secs(60);
/// The longest life of a process that forks without end.
pub(crate) const STORM: Duration = Duration::from_secs(20);

/// The monotonic clock.
pub(crate) fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A time in the kernel's form.
pub(crate) fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// Arranges for SIGKILL at this time. A fork doesn't inherit the timer, so each new process calls this.
pub(crate) fn end_at(deadline: Duration) {
    // SAFETY: a sigevent of zeros is valid; the fields that matter are set below.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGKILL;
    let mut timer: libc::timer_t = std::ptr::null_mut();
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let when = libc::itimerspec { it_interval: never, it_value: timespec(deadline) };
    // SAFETY: all pointers point to live values; the timer is used only if it was created.
    let failed = unsafe {
        libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) != 0
            || libc::timer_settime(timer, libc::TIMER_ABSTIME, &raw const when, std::ptr::null_mut()) != 0
    };
    if failed || now() >= deadline {
        crate::exit_now(70);
    }
}

/// Sleeps until this time, whatever signals arrive.
pub(crate) fn sleep_until(time: Duration) {
    let when = timespec(time);
    // SAFETY: reads a live timespec.
    while unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const when,
            std::ptr::null_mut(),
        )
    } == libc::EINTR
    {}
}
