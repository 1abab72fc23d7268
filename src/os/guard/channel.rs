//! The two processes of a guarded run, and the pipe for signals between them.
//!
//! The pipe raises [`WAKE`] when it becomes readable, so the inner process waits for signals only and runs
//! the same loop with and without a guard.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::unistd::pipe2;

use super::page::Page;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::io::descriptor::above_standard;
use crate::os::one_thread::OneThread;
use crate::os::process::{reap, title};
use crate::os::signal::receive::{self, Delivery};
use crate::os::signal::send;
use crate::os::signal::wake::{self, WAKE};

/// Must not contain the outer process's name: `pkill` matches parts of names and command lines.
const INNER_NAME: &CStr = c"wd-supervisor";

/// One signal on the pipe; far smaller than what the kernel writes atomically.
#[derive(Clone, Copy)]
#[repr(C)]
struct Letter {
    info: libc::siginfo_t,
    /// When the outer process received it, in nanoseconds since the start: the clock of a stop starts then.
    at_ns: u64,
}

const LETTER_BYTES: usize = size_of::<Letter>();

#[derive(Debug)]
pub(crate) struct OuterEnd {
    pub(crate) inner: i32,
    /// What the inner process reports.
    pub(crate) page: Page,
    pipe: OwnedFd,
}

#[derive(Debug)]
pub(crate) struct InnerEnd {
    pub(crate) outer: i32,
    /// What we report to the outer process.
    pub(crate) page: Page,
    pipe: OwnedFd,
    one_thread: OneThread,
}

/// Which of the two this process is.
#[derive(Debug)]
pub(crate) enum Side {
    /// The process that callers see.
    Outer(OuterEnd),
    /// The process that supervises.
    Inner(InnerEnd),
}

/// Forks the inner process. If it can't be set up, it exits; the outer process has then given up nothing that
/// it inherited, and can supervise by itself.
///
/// # Errors
/// When no process, memory or descriptor is left, or the inner process can't be set up.
pub(crate) fn fork(one_thread: OneThread) -> io::Result<Side> {
    let page = Page::new()?;
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (read_end, write_end) = (above_standard(read_end)?, above_standard(write_end)?);
    let outer = std::process::id().cast_signed();
    // SAFETY: this process has one thread, so the child may go on as it likes.
    match unsafe { libc::fork() } {
        0 => {
            drop(write_end);
            let result = watch_outer(&read_end);
            page.report_set_up(&result);
            if result.is_err() {
                // SAFETY: ends this process at once.
                unsafe { libc::_exit(0) };
            }
            Ok(Side::Inner(InnerEnd { outer, page, pipe: read_end, one_thread }))
        }
        inner if inner > 0 => {
            page.wait_for_set_up(inner).inspect_err(|_| reap::ended(inner))?;
            Ok(Side::Outer(OuterEnd { inner, page, pipe: write_end }))
        }
        _ => Err(io::Error::last_os_error()),
    }
}

impl OuterEnd {
    /// Passes a signal on unchanged, with its origin and value. Blocks when the pipe is full: the kernel
    /// queues further signals. A broken pipe is no error: SIGCHLD reports the inner process's end.
    pub(crate) fn relay(&self, delivery: &Delivery, at: Duration) {
        let letter = Letter { info: delivery.info, at_ns: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX) };
        let bytes = ptr::from_ref(&letter).cast();
        // SAFETY: one letter, valid for reads for the whole call.
        let write = || unsafe { libc::write(self.pipe.as_raw_fd(), bytes, LETTER_BYTES) };
        while write() < 0 && Errno::last() == Errno::EINTR {}
    }

    /// Notifies the inner process that our own parent has ended.
    pub(crate) fn report_parent_ended(&self) {
        self.page.set_parent_ended();
        let _ = send::send(self.inner, WAKE);
    }

    /// Notifies the inner process that every signal has been passed on.
    pub(crate) fn confirm_clear(&self) {
        self.page.set_clear();
        let _ = send::send(self.inner, WAKE);
    }

    /// The descriptor to keep open.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}

/// Has the kernel raise [`WAKE`] in the inner process when the pipe becomes readable and when the outer
/// process ends.
fn watch_outer(pipe: &OwnedFd) -> io::Result<()> {
    wake::raise_when_readable(pipe)?;
    // Not KILL: the inner process must end the workload first.
    wake::raise_at_parents_end()
}

impl InnerEnd {
    /// Takes another name than the outer process, so that `ps` shows which is which, and `pkill` and
    /// `killall` reach only the outer one. In a shared group, a signal to both would look like one to the
    /// whole group.
    pub(crate) fn rename(&self) {
        title::rename(self.one_thread, INNER_NAME);
        let _ = prctl::set_name(INNER_NAME);
    }

    /// The next signal that the outer process has passed on, and when it received it.
    pub(crate) fn next(&self) -> Option<(Delivery, Duration)> {
        // SAFETY: a letter is plain data, for which all zeros are valid.
        let mut letter: Letter = unsafe { std::mem::zeroed() };
        let place = ptr::from_mut(&mut letter).cast();
        // SAFETY: room for one letter, valid for writes for the whole call.
        let length = unsafe { libc::read(self.pipe.as_raw_fd(), place, LETTER_BYTES) };
        let is_whole = usize::try_from(length) == Ok(LETTER_BYTES);
        let delivery = if is_whole { receive::delivery(letter.info) } else { None };
        delivery.map(|delivery| (delivery, Duration::from_nanos(letter.at_ns)))
    }

    /// Leaves the supervision to the outer process because of this error. Signals already passed on are for
    /// the main process, which this process is about to become.
    pub(crate) fn decline(&self, error: &io::Error) {
        while receive::take(SignalSet::ALL, Some(Duration::ZERO)).is_some() {}
        while let Some((delivery, _)) = self.next().filter(|(delivery, _)| delivery.signal.is_forwardable()) {
            let _ = send::forward(std::process::id().cast_signed(), delivery.signal, Some(&delivery));
        }
        self.page.set_declined(error);
        let _ = send::send(self.outer, Signal::CHLD);
    }

    /// Asks the outer process to pass on every signal that it has got, and to say so.
    pub(crate) fn ask_for_clearance(&self) {
        self.page.ask_for_clearance();
        let _ = send::send(self.outer, WAKE);
    }

    /// Whether the outer process is gone: our parent is another process.
    pub(crate) fn is_abandoned(&self) -> bool {
        nix::unistd::getppid().as_raw() != self.outer
    }

    /// The descriptor to keep open.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}
