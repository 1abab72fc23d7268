//! What the two processes of a guarded run share: a pipe for signals, and a page for the result.
//!
//! The pipe raises SIGCHLD when something is in it, so that the inner process waits for signals only
//! and is the same loop with and without a guard.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use super::descriptor::above_standard;
use super::inbox::{self, Delivery};
use crate::lifecycle::exit::Ending;
use crate::lifecycle::signal::Signal;

/// `F_SETSIG` of fcntl(2): which signal tells that a descriptor has become readable.
const F_SETSIG: libc::c_int = 10;

/// The bytes of one signal on the pipe: far below what the kernel writes in one piece.
const INFO_BYTES: usize = size_of::<libc::siginfo_t>();

/// A page that both processes see. Plain atomics: either may be killed between any two instructions.
#[derive(Debug)]
pub struct Page(NonNull<Fields>);

#[derive(Debug)]
#[repr(C)]
struct Fields {
    main_pid: AtomicI32,
    /// Zero until the run has ended: then what to end with, and how.
    ending: AtomicU32,
}

const ENDING_STATUS: u32 = 1 << 8;
const ENDING_DIE: u32 = 1 << 9;

impl Page {
    fn new() -> io::Result<Self> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; it is all zeros.
        let base = unsafe { libc::mmap(ptr::null_mut(), size_of::<Fields>(), protection, flags, -1, 0) };
        match NonNull::new(base.cast()) {
            Some(fields) if base != libc::MAP_FAILED => Ok(Self(fields)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    const fn fields(&self) -> &Fields {
        // SAFETY: mapped for the life of the process, large enough, aligned, and zeros are valid.
        unsafe { self.0.as_ref() }
    }

    /// The main process's id; nothing before it was started.
    #[must_use]
    pub fn main_pid(&self) -> Option<i32> {
        Some(self.fields().main_pid.load(Ordering::Acquire)).filter(|pid| *pid > 0)
    }

    /// Tells the other process the main process's id.
    pub fn set_main_pid(&self, pid: i32) {
        self.fields().main_pid.store(pid, Ordering::Release);
    }

    /// How the run ended; nothing if the inner process did not come to its end.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        let value = self.fields().ending.load(Ordering::Acquire);
        let low = u8::try_from(value & 0xff).unwrap_or_default();
        match value & !0xff {
            ENDING_STATUS => Some(Ending::Status(low)),
            ENDING_DIE => Signal::new(low.into()).map(Ending::Die),
            _ => None,
        }
    }

    /// Tells the other process how the run ended.
    pub fn set_ending(&self, ending: Ending) {
        let value = match ending {
            Ending::Status(status) => ENDING_STATUS | u32::from(status),
            Ending::Die(signal) => ENDING_DIE | signal.number().unsigned_abs(),
        };
        self.fields().ending.store(value, Ordering::Release);
    }
}

/// The outer process's end.
#[derive(Debug)]
pub struct OuterEnd {
    /// The inner process.
    pub inner: i32,
    /// What it tells us.
    pub page: Page,
    pipe: OwnedFd,
}

/// The inner process's end.
#[derive(Debug)]
pub struct InnerEnd {
    /// The outer process.
    pub outer: i32,
    /// What we tell it.
    pub page: Page,
    pipe: OwnedFd,
}

/// Which of the two this process is.
#[derive(Debug)]
pub enum Side {
    /// The one that callers see.
    Outer(OuterEnd),
    /// The one that supervises.
    Inner(InnerEnd),
}

/// Forks the inner process.
///
/// # Errors
/// When there is no process, memory or descriptor left for it.
pub fn fork() -> io::Result<Side> {
    let page = Page::new()?;
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (read_end, write_end) = (above_standard(read_end)?, above_standard(write_end)?);
    let outer = std::process::id().cast_signed();
    // SAFETY: this process has one thread, so the child may go on as it likes.
    match unsafe { libc::fork() } {
        0 => {
            drop(write_end);
            InnerEnd::new(outer, page, read_end).map(Side::Inner)
        }
        inner if inner > 0 => Ok(Side::Outer(OuterEnd { inner, page, pipe: write_end })),
        _ => Err(io::Error::last_os_error()),
    }
}

impl OuterEnd {
    /// Passes a signal on as it came, with its origin and value. Waits when the pipe is full: the
    /// kernel goes on queueing. A broken pipe is no error, the inner process's end is told by SIGCHLD.
    pub fn relay(&self, delivery: &Delivery) {
        let info = ptr::from_ref(&delivery.info).cast();
        // SAFETY: one `siginfo_t`, valid for reads for the whole call.
        while unsafe { libc::write(self.pipe.as_raw_fd(), info, INFO_BYTES) } < 0
            && Errno::last() == Errno::EINTR
        {}
    }

    /// The descriptor to keep open.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}

impl InnerEnd {
    fn new(outer: i32, page: Page, pipe: OwnedFd) -> io::Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::from_bits_retain(libc::O_ASYNC)))?;
        for (command, value) in
            [(F_SETSIG, libc::SIGCHLD), (libc::F_SETOWN, std::process::id().cast_signed())]
        {
            // SAFETY: plain numbers; no memory is involved.
            Errno::result(unsafe { libc::fcntl(pipe.as_raw_fd(), command, value) })?;
        }
        // SAFETY: concerns only this process. Not KILL: we have to end the workload first.
        Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGCHLD) })?;
        Ok(Self { outer, page, pipe })
    }

    /// The next signal that the outer process has passed on.
    #[must_use]
    pub fn next(&self) -> Option<Delivery> {
        // SAFETY: `siginfo_t` is plain data, for which all zeros are valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let place = ptr::from_mut(&mut info).cast();
        // SAFETY: room for one `siginfo_t`, valid for writes for the whole call.
        let length = unsafe { libc::read(self.pipe.as_raw_fd(), place, INFO_BYTES) };
        if usize::try_from(length) == Ok(INFO_BYTES) { inbox::delivery(info) } else { None }
    }

    /// Whether the outer process is gone: somebody else has become our parent.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        // SAFETY: can't fail.
        unsafe { libc::getppid() != self.outer }
    }

    /// The descriptor to keep open.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}
