//! Sending: to a child of ours by its id, which can't be used again before we reap it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::inbox::Delivery;
use crate::lifecycle::signal::Signal;

/// Signals a child that has not been reaped.
///
/// # Errors
/// `EPERM` when it has changed its user, and what else `kill(2)` says.
///
/// # Panics
/// If the id can't be a child's: 0 and below mean whole groups.
pub fn send(child: i32, signal: Signal) -> io::Result<()> {
    assert!(child > 1, "only a child of ours is signalled, and none has the id {child}");
    // SAFETY: `kill` touches no memory.
    check(unsafe { libc::kill(child, signal.number()) }.into())
}

/// Passes a signal on with the value that `sigqueue` gave it as it was delivered, if it has one.
///
/// # Errors
/// As [`send`].
pub fn forward(child: i32, signal: Signal, delivery: Option<&Delivery>) -> io::Result<()> {
    let Some(delivery) = delivery.filter(|delivery| delivery.info.si_code == libc::SI_QUEUE) else {
        return send(child, signal);
    };
    let mut info = delivery.info;
    info.si_signo = signal.number();
    // SAFETY: `info` is valid for the call; the kernel takes SI_QUEUE from anybody.
    let queued = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, child, signal.number(), &raw const info) };
    // A full queue would lose it: without its value it still counts.
    check(queued).or_else(|_| send(child, signal))
}

/// Whether there is such a process, also where /proc hides it.
#[must_use]
pub fn exists(pid: i32) -> bool {
    // SAFETY: `kill` touches no memory; signal 0 is none.
    let result = unsafe { libc::kill(pid, 0) };
    result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// SIGKILL to everything in our PID namespace. Only as PID 1: anywhere else it would hit the machine.
///
/// # Panics
/// If we are not PID 1.
pub fn kill_namespace() {
    assert_eq!(std::process::id(), 1, "kill(-1) is for PID 1 only");
    // SAFETY: `kill` touches no memory.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the process of this descriptor has ended and was reaped; nothing where the kernel doesn't tell.
pub(super) fn is_gone(process: &OwnedFd) -> Option<bool> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: no memory is passed; signal 0 is none.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), 0, nothing, 0) } {
        0 => Some(false),
        _ => (io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)).then_some(true),
    }
}
