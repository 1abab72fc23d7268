//! Timers (timerfd) that are set: how long until they expire, from the descriptor's fdinfo.

use crate::os::process::procfs;
use crate::postmortem::look::{SeenProcess, Timer};

/// At most this many timers of a process are looked up.
const TIMERS_MAX: usize = 16;

/// Looks up the timers of a process while there is time. The kernel takes no lock but the timer's own, for a moment;
/// for what an epoll waits for it would take one that a hanging thread may hold, so that is not read.
pub(super) fn complete(seen: &mut SeenProcess, has_time: &dyn Fn() -> bool) {
    let timers = seen.files.iter_mut().filter(|file| file.target == "anon_inode:[timerfd]");
    for file in timers.take(TIMERS_MAX).take_while(|_| has_time()) {
        file.timer = procfs::descriptor(seen.pid, file.number).and_then(|text| parse(&text));
    }
}

/// Finds the two lines of a timer; nothing if it is not set.
///
/// ```text
/// it_value: (32, 857817737)
/// it_interval: (5, 0)
/// ```
pub(super) fn parse(text: &str) -> Option<Timer> {
    let ms = |name: &str| {
        let time = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ("))?;
        let (seconds, nanoseconds) = time.strip_suffix(')')?.split_once(", ")?;
        let (seconds, nanoseconds): (u64, u64) = (seconds.parse().ok()?, nanoseconds.parse().ok()?);
        Some(seconds.saturating_mul(1000).saturating_add(nanoseconds.div_ceil(1_000_000)))
    };
    let left_ms = ms("it_value").filter(|left| *left > 0)?;
    Some(Timer { left_ms, every_ms: ms("it_interval")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_tells_what_is_left() {
        let text = "pos:\t0\nclockid: 1\nticks: 0\nit_value: (32, 857817737)\nit_interval: (5, 0)\n";
        assert_eq!(parse(text), Some(Timer { left_ms: 32_858, every_ms: 5000 }));
    }

    #[test]
    fn one_that_is_not_set_has_nothing_left() {
        assert_eq!(parse("it_value: (0, 0)\nit_interval: (5, 0)\n"), None);
        assert_eq!(parse("pos:\t0\n"), None);
    }

    /// What the kernel of this machine shows.
    #[test]
    fn the_kernel_shows_it() {
        // SAFETY: plain system calls; the descriptor is closed at the end of the test's process.
        let number = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
        assert!(number >= 0);
        let time = |seconds| libc::timespec { tv_sec: seconds, tv_nsec: 0 };
        let set = libc::itimerspec { it_value: time(33), it_interval: time(5) };
        // SAFETY: the structure is valid for the call.
        assert_eq!(unsafe { libc::timerfd_settime(number, 0, &raw const set, std::ptr::null_mut()) }, 0);
        let text = procfs::descriptor(std::process::id().cast_signed(), number).expect("readable");
        let timer = parse(&text).expect("a timer");
        assert!((20_000..=33_000).contains(&timer.left_ms) && timer.every_ms == 5000, "{timer:?}");
        // SAFETY: it is ours.
        unsafe { libc::close(number) };
    }
}
