//! Short-lived helper processes, for work that could block or must be kept apart. They die with us.

use std::ffi::c_int;
use std::io;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use crate::os::one_thread::OneThread;

/// Starts a process that does this work and exits with the status it returns. Returns its id.
///
/// # Errors
/// When no process can be created.
pub(in crate::os) fn start(_: OneThread, work: impl FnOnce() -> c_int) -> io::Result<i32> {
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

/// Has the kernel send SIGKILL when the parent dies. Returns false if it has already died: then the signal
/// never comes. Safe to call between fork and exec.
pub(in crate::os) fn dies_with(parent: i32) -> bool {
    let _ = set_pdeathsig(Signal::SIGKILL);
    getppid().as_raw() == parent
}
