//! Deaths by the CPU limit.

use std::time::Duration;

use super::{procfs, reap};
use crate::os::clock;

/// The CPU time that a process was allowed (`RLIMIT_CPU`), if it has used it up, died of SIGKILL and not been
/// reaped: the kernel sends that signal at the hard limit.
pub(crate) fn reached(pid: i32) -> Option<Duration> {
    if !reap::was_killed(pid) {
        return None;
    }
    // SAFETY: `rlimit64` is plain data that the kernel fills in.
    let mut limit: libc::rlimit64 = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is read from the new limit, and the old one is valid for writes.
    let result = unsafe { libc::prlimit64(pid, libc::RLIMIT_CPU, std::ptr::null(), &raw mut limit) };
    // A limit of 0 means one second.
    let most = Duration::from_secs(limit.rlim_max.max(1));
    let used = Duration::from_millis(clock::ticks_as_ms(procfs::stat(pid)?.cpu_ticks));
    // For limits the kernel counts whole ticks, which on a busy machine adds up to more than was used.
    let is_over =
        result == 0 && limit.rlim_max != libc::RLIM64_INFINITY && used >= most.saturating_mul(4) / 5;
    is_over.then_some(most)
}
