//! Short-lived processes of our own, for what could hold us up or has to be kept apart. They die with us.

use std::ffi::c_int;
use std::io;

/// Starts one that does this and exits with the status returned. The answer is its id.
///
/// # Errors
/// When there is no process left for it.
pub(super) fn start(work: impl FnOnce() -> c_int) -> io::Result<i32> {
    let parent = std::process::id().cast_signed();
    // SAFETY: this process has one thread, so the child may go on as it likes.
    match unsafe { libc::fork() } {
        0 => {
            let status = if dies_with(parent) { work() } else { 1 };
            // SAFETY: ends this process at once; what its parent would do at its end is not ours to do.
            unsafe { libc::_exit(status) }
        }
        helper if helper > 0 => Ok(helper),
        _ => Err(io::Error::last_os_error()),
    }
}

/// From now on SIGKILL comes when the parent dies. False if it has died before: then it never comes. Safe
/// to call between fork and exec.
pub(super) fn dies_with(parent: i32) -> bool {
    // SAFETY: concerns only this process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: can't fail.
    unsafe { libc::getppid() == parent }
}
