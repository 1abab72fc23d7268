//! The only way in which a test signals a process. Ids are used again within seconds while storms of processes run,
//! so a plain `kill` may hit a stranger.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::process::Child;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::PATIENCE;
use super::processes::{ProcessInfo, info};

/// A process behind a descriptor: no later process with the same pid gets what is sent to it.
pub(crate) struct Pinned {
    fd: OwnedFd,
    pid: i32,
}

impl Pinned {
    /// The process that has this pid now, if it is the right one. It is judged while the descriptor is open.
    pub(crate) fn new(pid: i32, is_right: impl FnOnce(&ProcessInfo) -> bool) -> Option<Self> {
        let pinned = Self::open(pid)?;
        info(pid).filter(is_right).map(|_| pinned)
    }

    /// A child that has not been reaped.
    #[track_caller]
    pub(super) fn child(child: &Child) -> Self {
        Self::open(child.id().cast_signed()).expect("a child that has not been reaped")
    }

    fn open(pid: i32) -> Option<Self> {
        // SAFETY: takes numbers only.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0)?;
        // SAFETY: the descriptor was just made and has no other owner.
        Some(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, pid })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal; returns the time before the call.
    #[track_caller]
    pub(crate) fn signal(&self, signal: i32) -> Instant {
        let before = Instant::now();
        self.try_signal(signal)
            .unwrap_or_else(|error| panic!("can't send {signal} to {}: {error}", self.pid));
        before
    }

    /// Sends a signal to the process group that it leads; returns the time before the call.
    #[track_caller]
    pub(crate) fn signal_group(&self, signal: i32) -> Instant {
        // While the leader is not reaped, no other group has its number.
        self.try_signal(0).expect("a leader that has not been reaped");
        let before = Instant::now();
        // SAFETY: takes numbers only.
        let result = unsafe { libc::kill(-self.pid, signal) };
        assert_eq!(result, 0, "can't send {signal} to the group: {}", io::Error::last_os_error());
        before
    }

    /// The same as `signal`, where the process may have ended.
    pub(crate) fn try_signal(&self, signal: i32) -> io::Result<()> {
        // Without a siginfo the kernel makes one, as for `kill`.
        self.send(signal, std::ptr::null())
    }

    /// Queues a signal with a value, as `sigqueue` does, when the queue has room. The kernel believes any sender.
    #[track_caller]
    pub(crate) fn queue(&self, signal: i32, sender: i32, value: usize) {
        while !self.try_queue(signal, sender, value) {
            std::thread::yield_now();
        }
    }

    /// The same, once: false if there is no room.
    #[track_caller]
    pub(crate) fn try_queue(&self, signal: i32, sender: i32, value: usize) -> bool {
        let (code, uid) = (libc::SI_QUEUE, nix::unistd::getuid().as_raw());
        let queued = Queued { signal, error: 0, code, padding: 0, pid: sender, uid, value, rest: [0; 12] };
        match self.send(signal, &raw const queued) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => panic!("can't queue {signal}: {error}"),
        }
    }

    /// Waits for its end, as exactly as a wake-up is; false if it lives on.
    pub(crate) fn ends(&self) -> bool {
        let mut waiting = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(PATIENCE).expect("a short time");
        matches!(poll(&mut waiting, patience), Ok(1))
    }

    fn send(&self, signal: i32, info: *const Queued) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        // SAFETY: the descriptor is open, and `info` is null or as large as the kernel's.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, 0) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// The kernel's `siginfo`, as far as a queued signal uses it.
#[repr(C)]
struct Queued {
    signal: i32,
    error: i32,
    code: i32,
    padding: i32,
    pid: i32,
    uid: u32,
    value: usize,
    rest: [usize; 12],
}
