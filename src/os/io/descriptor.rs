//! Descriptors: keeps them away from the standard streams, waits for them, closes those that are not ours.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};

use crate::os::one_thread::OneThread;

/// The first number after the standard streams.
const FIRST: RawFd = 3;

/// Moves a descriptor out of the way of the standard streams: if one was closed at the start, the kernel
/// reuses its number, and a log line would go into whatever was opened.
///
/// # Errors
/// When no descriptor is left.
pub(crate) fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    // SAFETY: duplicates a descriptor that we own; no memory is involved.
    let moved = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) };
    if moved < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Waits until the descriptor is readable or its other end is closed; returns at once if it is closed itself.
pub(crate) fn wait_until_readable(descriptor: RawFd) {
    while poll_for(descriptor, PollFlags::POLLIN, PollTimeout::NONE) == Err(Errno::EINTR) {}
}

/// Whether the descriptor is readable or its other end is closed, now or within this time. False if it is
/// closed itself.
pub(crate) fn is_readable(descriptor: RawFd, patience: Duration) -> bool {
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let wanted = PollFlags::POLLIN | PollFlags::POLLHUP;
    poll_for(descriptor, PollFlags::POLLIN, patience).is_ok_and(|events| events.intersects(wanted))
}

/// Whether the descriptor's other end is closed.
pub(crate) fn has_hung_up(descriptor: RawFd) -> bool {
    let events = poll_for(descriptor, PollFlags::POLLIN, PollTimeout::ZERO);
    events.is_ok_and(|events| events.contains(PollFlags::POLLHUP))
}

/// Which of these events, or errors, the descriptor has.
pub(super) fn poll_for(
    descriptor: RawFd,
    events: PollFlags,
    patience: PollTimeout,
) -> nix::Result<PollFlags> {
    let mut polled = [PollFd::new(borrow(descriptor), events)];
    poll(&mut polled, patience)?;
    Ok(polled[0].revents().unwrap_or(PollFlags::empty()))
}

/// For nix calls that check the number, as the kernel does.
pub(super) fn borrow<'a>(descriptor: RawFd) -> BorrowedFd<'a> {
    // SAFETY: borrowed for one call only; a number that is not open is an error of that call.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}

/// Leaves the directory and closes stdin, stdout and every descriptor from 3 on, except those in `keep`: a
/// directory that we stay in can't be unmounted, and a pipe that we hold open never ends.
///
/// # Panics
/// In a debug build, if a descriptor of ours is not in `keep`: its number would be reused while its owner
/// still uses it.
pub(crate) fn leave_surroundings(one_thread: OneThread, keep: &[RawFd]) {
    debug_assert!(forgotten(keep).is_empty(), "ours, and not kept: {:?}", forgotten(keep));
    let _ = nix::unistd::chdir("/");
    close_inherited(one_thread, keep);
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        if !keep.contains(&stream) {
            // SAFETY: nothing here reads stdin or writes to stdout once the workload runs.
            unsafe { libc::close(stream) };
        }
    }
}

/// Keeps the workload from inheriting a descriptor that was meant for winddown. The standard streams are the
/// workload's, too, whatever else they serve for.
pub(crate) fn keep_from_workload(number: RawFd) {
    if number < FIRST {
        return;
    }
    // SAFETY: sets a flag of a descriptor that the user has given to us.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// Closes every descriptor from 3 on except those in `keep`: an inherited one would hold a lock, or keep a
/// pipe open, for as long as we live.
pub(in crate::os) fn close_inherited(_: OneThread, keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    let mut first = FIRST.unsigned_abs();
    for kept in keep.into_iter().filter(|kept| *kept >= FIRST.unsigned_abs()).chain([u32::MAX]) {
        if first < kept {
            let last = if kept == u32::MAX { kept } else { kept - 1 };
            // SAFETY: closes only numbers that nothing in this process uses, as the caller says.
            if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0 {
                close_one_by_one(first, last);
            }
        }
        first = kept.saturating_add(1);
    }
}

/// For kernels before Linux 5.9, and for containers whose profile does not know the call.
fn close_one_by_one(first: u32, last: u32) {
    let is_within = |number: &RawFd| (first..=last).contains(&number.unsigned_abs());
    for number in open_numbers().into_iter().filter(is_within) {
        // SAFETY: as above.
        unsafe { libc::close(number) };
    }
}

/// The open descriptors. The list is complete before it is used: reading it needs a descriptor, too.
fn open_numbers() -> Vec<RawFd> {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Descriptors of ours that are not in `keep`. Ours are closed on exec; inherited ones are not, or they would
/// not be here.
fn forgotten(keep: &[RawFd]) -> Vec<RawFd> {
    // valgrind has descriptors of its own beyond the limit that it shows us.
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(most, _)| most);
    let is_ours = |number: &RawFd| {
        // SAFETY: reads a flag; a closed descriptor is an error.
        let flags = unsafe { libc::fcntl(*number, libc::F_GETFD) };
        flags >= 0 && flags & libc::FD_CLOEXEC != 0 && u64::from(number.unsigned_abs()) < most
    };
    open_numbers().into_iter().filter(|number| !keep.contains(number)).filter(is_ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_of_ours_that_is_not_kept_is_found() {
        // Another test may have others open.
        let (ours, _) = io::pipe().expect("a pipe");
        let number = ours.as_raw_fd();
        assert!(forgotten(&[]).contains(&number));
        assert!(!forgotten(&[number]).contains(&number));
        // Like an inherited one.
        // SAFETY: clears a flag of our own descriptor.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        assert!(!forgotten(&[]).contains(&number));
    }
}
