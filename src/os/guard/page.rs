//! The page of memory that both processes of a guarded run share: the state of the inner one.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use crate::lifecycle::exit::{Ending, Exit};
use crate::lifecycle::signal::Signal;
use crate::os::process::reap;

/// A shared page. Plain atomics: either process may be killed between any two instructions.
#[derive(Debug)]
pub(crate) struct Page(NonNull<Fields>);

#[derive(Debug)]
#[repr(C)]
struct Fields {
    /// Zero until the inner process is set up: then [`SET_UP`], or the error with which it exited.
    set_up: AtomicI32,
    main_pid: AtomicI32,
    /// Not zero once the inner process becomes the main process: the error that forced it to.
    declined: AtomicI32,
    /// Not zero once the outer process's parent has ended and the run must end with it.
    parent_ended: AtomicU32,
    /// Not zero once somebody has asked for a stop.
    is_requested: AtomicU32,
    /// Zero until the main process was reaped: then how it ended.
    main_exit: AtomicU32,
    /// Not zero once a process was started to make the ready file: its id.
    ready_writer: AtomicI32,
    /// Zero until the run has ended: then how winddown must end.
    ending: AtomicU32,
    /// The number of the try under way, or of the last one; zero in a run with one try.
    attempt: AtomicU32,
    /// The last try that another one was to follow, in the form of the other fields; zero before its end.
    last_pid: AtomicI32,
    last_exit: AtomicU32,
    last_ending: AtomicU32,
    /// See [`Clearance`].
    clearance: AtomicU32,
}

/// A failed try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastTry {
    /// Its main process's id.
    pub(crate) main: i32,
    pub(crate) exit: Exit,
    /// How winddown ends if no try follows.
    pub(crate) ending: Ending,
}

/// Whether the outer process has passed on every signal that it had got when it was asked.
#[derive(Clone, Copy)]
enum Clearance {
    NotAsked,
    Asked,
    Given,
}

const SET_UP: i32 = -1;
/// How long the outer process waits before it checks again that the inner one is alive.
static SET_UP_LOOK: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };

const ENDING_STATUS: u32 = 1 << 8;
const ENDING_DIE: u32 = 1 << 9;

impl Page {
    pub(super) fn new() -> io::Result<Self> {
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

    /// Reports to the outer process whether this one was set up.
    pub(super) fn report_set_up(&self, result: &io::Result<()>) {
        let error = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EAGAIN);
        let place = &self.fields().set_up;
        place.store(result.as_ref().map_or_else(error, |()| SET_UP), Ordering::Release);
        // SAFETY: the place is there for the life of the process; this wakes who waits there, and writes nothing.
        unsafe { libc::syscall(libc::SYS_futex, place.as_ptr(), libc::FUTEX_WAKE, 1) };
    }

    /// Waits until the inner process is set up. If it was killed, that is noticed later.
    pub(super) fn wait_for_set_up(&self, inner: i32) -> io::Result<()> {
        let place = &self.fields().set_up;
        loop {
            let lives = reap::is_living_child(inner);
            match place.load(Ordering::Acquire) {
                // SAFETY: the place is there for the life of the process, and nothing is written to it.
                0 if lives => unsafe {
                    let patience = &raw const SET_UP_LOOK;
                    libc::syscall(libc::SYS_futex, place.as_ptr(), libc::FUTEX_WAIT, 0, patience);
                },
                error @ 1.. => return Err(io::Error::from_raw_os_error(error)),
                _ => return Ok(()),
            }
        }
    }

    /// The main process's id, once it exists.
    pub(crate) fn main_pid(&self) -> Option<i32> {
        Some(self.fields().main_pid.load(Ordering::Acquire)).filter(|pid| *pid > 0)
    }

    /// Where the main process stores its id.
    pub(crate) const fn main_pid_place(&self) -> &AtomicI32 {
        &self.fields().main_pid
    }

    /// Where the process that makes the ready file stores its id.
    pub(crate) const fn ready_writer_place(&self) -> &'static AtomicI32 {
        // SAFETY: as for all fields; the mapping is never undone.
        unsafe { &(*self.0.as_ptr()).ready_writer }
    }

    /// Why the inner process became the main process, if it did.
    pub(crate) fn declined(&self) -> Option<io::Error> {
        let error = self.fields().declined.load(Ordering::Acquire);
        (error != 0).then(|| io::Error::from_raw_os_error(error))
    }

    pub(super) fn set_declined(&self, error: &io::Error) {
        self.fields().declined.store(error.raw_os_error().unwrap_or(libc::EAGAIN), Ordering::Release);
    }

    pub(super) fn set_parent_ended(&self) {
        self.fields().parent_ended.store(1, Ordering::Release);
    }

    /// Whether the outer process's parent has ended and the run must end with it. True once.
    pub(crate) fn take_parent_ended(&self) -> bool {
        let ended = &self.fields().parent_ended;
        // A load first: every signal passes here.
        ended.load(Ordering::Acquire) != 0 && ended.swap(0, Ordering::AcqRel) != 0
    }

    /// Whether somebody has asked for a stop.
    pub(crate) fn is_requested(&self) -> bool {
        self.fields().is_requested.load(Ordering::Acquire) != 0
    }

    /// Shares with the other process that somebody has asked for a stop.
    pub(crate) fn set_requested(&self) {
        self.fields().is_requested.store(1, Ordering::Release);
    }

    /// How the main process ended, once reaped.
    pub(crate) fn main_exit(&self) -> Option<Exit> {
        decoded(self.fields().main_exit.load(Ordering::Acquire), Exit::Code, Exit::Signal)
    }

    /// Shares with the other process how the main process ended.
    pub(crate) fn set_main_exit(&self, exit: Exit) {
        self.fields().main_exit.store(encoded_exit(exit), Ordering::Release);
    }

    /// How the run ended; nothing if the inner process did not get that far.
    pub(crate) fn ending(&self) -> Option<Ending> {
        decoded(self.fields().ending.load(Ordering::Acquire), Ending::Status, Ending::Die)
    }

    /// Shares with the other process how the run ended.
    pub(crate) fn set_ending(&self, ending: Ending) {
        self.fields().ending.store(encoded(ending), Ordering::Release);
    }

    /// The last try that another one was to follow; nothing before its end.
    pub(crate) fn last_try(&self) -> Option<LastTry> {
        let fields = self.fields();
        Some(LastTry {
            main: fields.last_pid.load(Ordering::Acquire),
            exit: decoded(fields.last_exit.load(Ordering::Acquire), Exit::Code, Exit::Signal)?,
            ending: decoded(fields.last_ending.load(Ordering::Acquire), Ending::Status, Ending::Die)?,
        })
    }

    /// Shares with the other process that no try runs.
    pub(crate) fn set_between_tries(&self, last: &LastTry) {
        let fields = self.fields();
        fields.last_pid.store(last.main, Ordering::Release);
        fields.last_exit.store(encoded_exit(last.exit), Ordering::Release);
        fields.last_ending.store(encoded(last.ending), Ordering::Release);
        fields.main_pid.store(0, Ordering::Release);
        fields.main_exit.store(0, Ordering::Release);
        fields.ready_writer.store(0, Ordering::Release);
    }

    /// The number of the try under way, or of the last one; nothing in a run with one try.
    pub(crate) fn attempt(&self) -> Option<u32> {
        Some(self.fields().attempt.load(Ordering::Acquire)).filter(|attempt| *attempt > 0)
    }

    /// Shares with the other process which try begins.
    pub(crate) fn begin_try(&self, attempt: u32) {
        self.fields().attempt.store(attempt, Ordering::Release);
        self.fields().is_requested.store(0, Ordering::Release);
        self.set_clearance(Clearance::NotAsked);
    }

    /// Whether the inner process waits for [`Page::set_clear`].
    pub(crate) fn is_asked_for_clearance(&self) -> bool {
        self.fields().clearance.load(Ordering::Acquire) == Clearance::Asked as u32
    }

    pub(super) fn ask_for_clearance(&self) {
        self.set_clearance(Clearance::Asked);
    }

    pub(super) fn set_clear(&self) {
        self.set_clearance(Clearance::Given);
    }

    /// Whether every signal has been passed on that had been sent to the outer process when it was asked.
    pub(crate) fn is_clear(&self) -> bool {
        self.fields().clearance.load(Ordering::Acquire) == Clearance::Given as u32
    }

    fn set_clearance(&self, clearance: Clearance) {
        self.fields().clearance.store(clearance as u32, Ordering::Release);
    }
}

fn encoded_exit(exit: Exit) -> u32 {
    match exit {
        Exit::Code(code) => ENDING_STATUS | u32::from(code),
        Exit::Signal(signal) => ENDING_DIE | signal.number().unsigned_abs(),
    }
}

fn encoded(ending: Ending) -> u32 {
    match ending {
        Ending::Status(status) => ENDING_STATUS | u32::from(status),
        Ending::Die(signal) => ENDING_DIE | signal.number().unsigned_abs(),
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
