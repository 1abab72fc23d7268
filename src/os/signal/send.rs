//! Sends signals to children by id: a child's id can't be reused before we reap it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::unistd::{Pid, getsid};

use super::receive::Delivery;
use crate::lifecycle::signal::Signal;

/// Signals a child that has not been reaped.
///
/// # Errors
/// `EPERM` when the child has changed its user, and the other errors of `kill(2)`.
///
/// # Panics
/// If the id can't be a child's: 0 and below mean whole groups.
pub(crate) fn send(child: i32, signal: Signal) -> io::Result<()> {
    assert!(child > 1, "only a child of ours is signalled, and none has the id {child}");
    // SAFETY: `kill` touches no memory.
    check(unsafe { libc::kill(child, signal.number()) }.into())
}

/// Passes a signal on, with the value that `sigqueue` attached to the one delivered, if any.
///
/// # Errors
/// As [`send`].
pub(crate) fn forward(child: i32, signal: Signal, delivery: Option<&Delivery>) -> io::Result<()> {
    let Some(delivery) = delivery.filter(|delivery| delivery.info.si_code == libc::SI_QUEUE) else {
        return send(child, signal);
    };
    let mut info = delivery.info;
    info.si_signo = signal.number();
    // SAFETY: `info` is valid for the call; the kernel takes SI_QUEUE from anybody.
    let queued = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, child, signal.number(), &raw const info) };
    // A full queue would lose the signal: it is sent without its value then.
    check(queued).or_else(|_| send(child, signal))
}

/// Whether the process exists, even if /proc hides it.
pub(crate) fn exists(pid: i32) -> bool {
    // SAFETY: `kill` touches no memory; signal 0 is none.
    let result = unsafe { libc::kill(pid, 0) };
    result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Whether the process is in another session than ours. Works for a zombie, too.
pub(crate) fn has_other_session(pid: i32) -> bool {
    getsid(Some(Pid::from_raw(pid))).is_ok_and(|its| getsid(None) != Ok(its))
}

/// Sends SIGKILL to every process in our PID namespace. Only as PID 1: anywhere else it would hit the
/// machine.
///
/// # Panics
/// If we are not PID 1.
pub(crate) fn kill_namespace() {
    assert_eq!(std::process::id(), 1, "kill(-1) is for PID 1 only");
    // SAFETY: `kill` touches no memory.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the process of this descriptor has ended and was reaped; nothing if the kernel can't say.
pub(in crate::os) fn was_reaped(process: &OwnedFd) -> Option<bool> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: no memory is passed; signal 0 is none.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), 0, nothing, 0) } {
        0 => Some(false),
        _ => (io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)).then_some(true),
    }
}
