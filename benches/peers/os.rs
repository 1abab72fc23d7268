//! The system calls that the measurements need: clocks, a watchdog, pidfd.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// `CLOCK_MONOTONIC`, the same for all processes, so that stamps of two processes can be compared.
pub(crate) fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// User and system time of another process, exact to the nanosecond; without its children.
pub(crate) fn cpu_ns(pid: i32) -> io::Result<u64> {
    let mut clock = 0;
    // SAFETY: `clock` is a valid place for the result.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error == 0 { clock_ns(clock) } else { Err(io::Error::from_raw_os_error(error)) }
}

fn clock_ns(clock: libc::clockid_t) -> io::Result<u64> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` is a valid place for the result.
    check(i64::from(unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) }))?;
    // SAFETY: the call above succeeded and has filled `time`.
    let time = unsafe { time.assume_init() };
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    Ok(seconds.unwrap_or(0) * 1_000_000_000 + nanos.unwrap_or(0))
}

pub(crate) fn micros(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64() * 1e6
}

pub(crate) fn millis(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64() * 1e3
}

fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Makes every orphan of a run a child of the benchmark, which can then count and end it.
pub(crate) fn become_subreaper() -> io::Result<()> {
    // SAFETY: takes plain numbers only.
    check(i64::from(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })).map(drop)
}

extern "C" fn on_signal(signal: libc::c_int) {
    if signal != libc::SIGALRM {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
}

/// Lets SIGALRM, INT and TERM interrupt a blocking call (EINTR), so that after a hang or Ctrl+C the normal
/// clean-up runs.
pub(crate) fn install_handlers() -> io::Result<()> {
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGALRM, Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler only stores to an atomic.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// While this exists, a blocking call fails with EINTR once the time is over.
pub(crate) struct Watch;

impl Watch {
    pub(crate) fn seconds(limit: i32) -> Self {
        set_alarm(limit);
        Self
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        set_alarm(0);
    }
}

fn set_alarm(seconds: i32) {
    // Repeated each second: the first signal may come between two calls and interrupt none.
    let every = libc::timeval { tv_sec: i64::from(seconds != 0), tv_usec: 0 };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: libc::timeval { tv_sec: seconds.into(), tv_usec: 0 },
    };
    // SAFETY: `timer` is valid, and the old value is not asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
}

/// Waits for the end of a process that is not a child.
pub(crate) struct PidFd(OwnedFd);

impl PidFd {
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: takes plain numbers only.
        let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the call has just made this descriptor, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn wait_for_end(&self, limit_ms: u16) -> io::Result<()> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(limit_ms))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

/// One 8-byte message of the workload. Written at once, so a pipe delivers it at once.
pub(crate) fn read_message(from: &impl AsFd) -> io::Result<u64> {
    let mut bytes = [0; 8];
    // SAFETY: the buffer is valid for its length. Not `Read::read_exact`: it retries after EINTR.
    let got = unsafe { libc::read(from.as_fd().as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
    if got == 8 {
        Ok(u64::from_ne_bytes(bytes))
    } else if got < 0 {
        Err(io::Error::last_os_error())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
