//! What the two processes of a guarded run share: a pipe for signals, and a page for the result.
//!
//! The pipe raises [`WAKE`] when something is in it, so that the inner process waits for signals only
//! and is the same loop with and without a guard.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use super::descriptor::above_standard;
use super::inbox::{self, Delivery};
use super::signalling;
use crate::lifecycle::exit::{Ending, Exit};
use crate::lifecycle::signal::{Signal, SignalSet};

/// Tells the inner process that the pipe is readable, or that the outer process is gone. What a user
/// sends as SIGIO comes through the pipe.
pub const WAKE: Signal = Signal::IO;

/// Does not contain the name that the outer process has: `pkill` looks for parts of names.
const INNER_NAME: &CStr = c"wd-supervisor";

/// One signal on the pipe: far below what the kernel writes in one piece.
#[derive(Clone, Copy)]
#[repr(C)]
struct Letter {
    info: libc::siginfo_t,
    /// When the outer process got it, in nanoseconds since the start: the clock of a stop starts then.
    at_ns: u64,
}

const LETTER_BYTES: usize = size_of::<Letter>();

/// A page that both processes see. Plain atomics: either may be killed between any two instructions.
#[derive(Debug)]
pub struct Page(NonNull<Fields>);

#[derive(Debug)]
#[repr(C)]
struct Fields {
    main_pid: AtomicI32,
    /// Not zero once the inner process becomes the main process: the error that left it no other way.
    declined: AtomicI32,
    /// Not zero once the outer process's parent has ended, and the run is to end with it.
    parent_ended: AtomicU32,
    /// Zero until the main process was reaped: then how it ended.
    main_exit: AtomicU32,
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

    /// The main process's id; nothing before it was made.
    #[must_use]
    pub fn main_pid(&self) -> Option<i32> {
        Some(self.fields().main_pid.load(Ordering::Acquire)).filter(|pid| *pid > 0)
    }

    /// Where the main process leaves its id.
    #[must_use]
    pub const fn main_pid_place(&self) -> &AtomicI32 {
        &self.fields().main_pid
    }

    /// Why the inner process has become the main process, if it has.
    #[must_use]
    pub fn declined(&self) -> Option<io::Error> {
        let error = self.fields().declined.load(Ordering::Acquire);
        (error != 0).then(|| io::Error::from_raw_os_error(error))
    }

    /// Whether the outer process's parent has ended, and the run is to end with it. True once.
    #[must_use]
    pub fn take_parent_ended(&self) -> bool {
        let told = &self.fields().parent_ended;
        // A look first: this is on the way of every signal.
        told.load(Ordering::Acquire) != 0 && told.swap(0, Ordering::AcqRel) != 0
    }

    /// How the main process ended, once it was reaped.
    #[must_use]
    pub fn main_exit(&self) -> Option<Exit> {
        decoded(self.fields().main_exit.load(Ordering::Acquire), Exit::Code, Exit::Signal)
    }

    /// Tells the other process how the main process ended.
    pub fn set_main_exit(&self, exit: Exit) {
        let value = match exit {
            Exit::Code(code) => ENDING_STATUS | u32::from(code),
            Exit::Signal(signal) => ENDING_DIE | signal.number().unsigned_abs(),
        };
        self.fields().main_exit.store(value, Ordering::Release);
    }

    /// How the run ended; nothing if the inner process did not come to its end.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        decoded(self.fields().ending.load(Ordering::Acquire), Ending::Status, Ending::Die)
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

fn decoded<T>(value: u32, of_status: fn(u8) -> T, of_death: fn(Signal) -> T) -> Option<T> {
    let low = u8::try_from(value & 0xff).unwrap_or_default();
    match value & !0xff {
        ENDING_STATUS => Some(of_status(low)),
        ENDING_DIE => Signal::new(low.into()).map(of_death),
        _ => None,
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

/// Has [`WAKE`] raised in this process whenever something can be read, without ever waiting for it.
pub(super) fn raise_wake(descriptor: &OwnedFd) -> io::Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::from_bits_retain(libc::O_ASYNC)))?;
    // SAFETY: plain numbers; no memory is involved.
    let owned = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    Errno::result(owned)?;
    Ok(())
}

impl OuterEnd {
    /// Passes a signal on as it came, with its origin and value. Waits when the pipe is full: the
    /// kernel goes on queueing. A broken pipe is no error, the inner process's end is told by SIGCHLD.
    pub fn relay(&self, delivery: &Delivery, at: Duration) {
        let letter = Letter { info: delivery.info, at_ns: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX) };
        let bytes = ptr::from_ref(&letter).cast();
        // SAFETY: one letter, valid for reads for the whole call.
        let write = || unsafe { libc::write(self.pipe.as_raw_fd(), bytes, LETTER_BYTES) };
        while write() < 0 && Errno::last() == Errno::EINTR {}
    }

    /// Tells the inner process that our own parent has ended.
    pub fn tell_parent_ended(&self) {
        self.page.fields().parent_ended.store(1, Ordering::Release);
        let _ = signalling::send(self.inner, WAKE);
    }

    /// The descriptor to keep open.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}

impl InnerEnd {
    fn new(outer: i32, page: Page, pipe: OwnedFd) -> io::Result<Self> {
        raise_wake(&pipe)?;
        // SAFETY: concerns only this process. Not KILL: we have to end the workload first.
        Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, WAKE.number()) })?;
        Ok(Self { outer, page, pipe })
    }

    /// Takes another name than the outer process: `pkill` and `killall` by the name reach that one alone.
    /// Both would be as if the whole group had been signalled, the workload included.
    pub fn rename(&self) {
        // SAFETY: the name is a C string; concerns only this process.
        unsafe { libc::prctl(libc::PR_SET_NAME, INNER_NAME.as_ptr()) };
    }

    /// The next signal that the outer process has passed on, and when it got it.
    #[must_use]
    pub fn next(&self) -> Option<(Delivery, Duration)> {
        // SAFETY: a letter is plain data, for which all zeros are valid.
        let mut letter: Letter = unsafe { std::mem::zeroed() };
        let place = ptr::from_mut(&mut letter).cast();
        // SAFETY: room for one letter, valid for writes for the whole call.
        let length = unsafe { libc::read(self.pipe.as_raw_fd(), place, LETTER_BYTES) };
        let is_whole = usize::try_from(length) == Ok(LETTER_BYTES);
        let delivery = if is_whole { inbox::delivery(letter.info) } else { None };
        delivery.map(|delivery| (delivery, Duration::from_nanos(letter.at_ns)))
    }

    /// Leaves the supervision to the outer process, for this error. What was passed on is for the main
    /// process then, which this one is to become.
    pub fn decline(&self, error: &io::Error) {
        while inbox::take(SignalSet::ALL, Some(Duration::ZERO)).is_some() {}
        while let Some((delivery, _)) = self.next() {
            let _ = signalling::forward(std::process::id().cast_signed(), delivery.signal, Some(&delivery));
        }
        let error = error.raw_os_error().unwrap_or(libc::EAGAIN);
        self.page.fields().declined.store(error, Ordering::Release);
        let _ = signalling::send(self.outer, Signal::CHLD);
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
