//! The signal by which the kernel reports that a descriptor is readable, or that our parent has ended.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::prctl;

use crate::lifecycle::signal::Signal;

/// Wakes the inner process: the pipe is readable, or the outer process is gone. A SIGIO that a user sends
/// comes through the pipe.
pub(crate) const WAKE: Signal = Signal::IO;

/// Has the kernel raise [`WAKE`] in this process whenever the descriptor becomes readable, and makes its
/// reads non-blocking.
pub(in crate::os) fn raise_when_readable(descriptor: &OwnedFd) -> io::Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::from_bits_retain(libc::O_ASYNC)))?;
    // SAFETY: plain numbers; no memory is involved.
    let owned = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    Errno::result(owned)?;
    Ok(())
}

/// Has the kernel raise [`WAKE`] in this process when its parent ends.
pub(in crate::os) fn raise_at_parents_end() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(nix::sys::signal::Signal::SIGIO)?)
}
