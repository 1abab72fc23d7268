//! The workloads: this executable, started again under a supervisor with a special argument.
//!
//! They report on stdout in messages of 8 bytes, since some supervisors close everything else. The first
//! message is the process id. They end once the reader is gone, so that a benchmark that dies leaves
//! nothing behind.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::os::{now_ns, read_message};

const MARK: &str = "--as-workload";
/// For the one role that can't notice that the reader is gone.
const LIFETIME_S: u32 = 60;
/// Long enough for a supervisor to have finished its own start.
const BEFORE_EXIT_US: u32 = 8_000;

#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// Waits.
    Sleep,
    /// Ignores SIGTERM.
    Stubborn,
    /// Answers each SIGUSR1 with the time at which it came.
    Echo,
    /// Reports the time and exits.
    Exit,
    /// Makes this many orphans, reports the time when done, and waits.
    Orphans(u32),
    /// This many processes that ignore SIGTERM, each in its own session; and others that keep forking.
    Sessions { quiet: u32, forking: u32 },
}

impl Role {
    fn words(self) -> [String; 3] {
        let (name, first, second) = match self {
            Self::Sleep => ("sleep", 0, 0),
            Self::Stubborn => ("stubborn", 0, 0),
            Self::Echo => ("echo", 0, 0),
            Self::Exit => ("exit", 0, 0),
            Self::Orphans(count) => ("orphans", count, 0),
            Self::Sessions { quiet, forking } => ("sessions", quiet, forking),
        };
        [name.into(), first.to_string(), second.to_string()]
    }

    fn parse(words: &[String]) -> Option<Self> {
        let number = |at: usize| words.get(at)?.parse().ok();
        Some(match words.first()?.as_str() {
            "sleep" => Self::Sleep,
            "stubborn" => Self::Stubborn,
            "echo" => Self::Echo,
            "exit" => Self::Exit,
            "orphans" => Self::Orphans(number(1)?),
            "sessions" => Self::Sessions { quiet: number(1)?, forking: number(2)? },
            _ => return None,
        })
    }
}

/// The command that plays the role.
pub(crate) fn words(role: Role) -> io::Result<Vec<OsString>> {
    let mut words = vec![env::current_exe()?.into_os_string(), MARK.into()];
    words.extend(role.words().into_iter().map(OsString::from));
    Ok(words)
}

/// Plays its role and does not return if this process was started as a workload.
pub(crate) fn play() {
    let words: Vec<String> = env::args().skip(1).collect();
    if words.first().is_none_or(|word| word != MARK) {
        return;
    }
    let Some(role) = Role::parse(&words[1..]) else { exit(64) };
    match role {
        Role::Sleep => {
            say_pid();
            rest()
        }
        Role::Stubborn => {
            ignore_term();
            say_pid();
            rest()
        }
        Role::Echo => echo(),
        Role::Exit => {
            say_pid();
            // SAFETY: takes a plain number only.
            unsafe { libc::usleep(BEFORE_EXIT_US) };
            send(&io::stdout(), now_ns());
            exit(0)
        }
        Role::Orphans(count) => orphans(count),
        Role::Sessions { quiet, forking } => sessions(quiet, forking),
    }
}

pub(crate) fn send(to: &impl AsFd, message: u64) {
    let bytes = message.to_ne_bytes();
    // SAFETY: the buffer is valid for its length. 8 bytes go into a pipe at once or not at all;
    // if not, the reader notices.
    unsafe { libc::write(to.as_fd().as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
}

/// Exits without running destructors and handlers of the forked process.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn say_pid() {
    send(&io::stdout(), u64::from(std::process::id()));
}

fn rest() -> ! {
    while is_heard(-1) {}
    exit(0)
}

/// Waits until the other end of stdout is closed; false if it already is.
fn is_heard(limit_ms: i32) -> bool {
    let mut stdout = libc::pollfd { fd: 1, events: 0, revents: 0 };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut stdout, 1, limit_ms) <= 0 }
}

fn ignore_term() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: ignoring runs no code.
    if unsafe { sigaction(Signal::SIGTERM, &ignore) }.is_err() {
        exit(70);
    }
}

/// Returns true in the child. Retries on failure: the machine may be short of ids for a moment.
fn fork() -> bool {
    loop {
        // SAFETY: a workload has one thread.
        match unsafe { libc::fork() } {
            0 => return true,
            -1 => {}
            _ => return false,
        }
    }
}

fn echo() -> ! {
    let mut set = SigSet::empty();
    set.add(Signal::SIGUSR1);
    if set.thread_block().is_err() {
        exit(70);
    }
    // SAFETY: takes a plain number only; SIGALRM has its default action, which ends the process.
    unsafe { libc::alarm(LIFETIME_S) };
    say_pid();
    let set = set.as_ref();
    loop {
        // SAFETY: the set is valid, and neither details nor a time limit are asked for.
        if unsafe { libc::sigtimedwait(set, ptr::null_mut(), ptr::null()) } == libc::SIGUSR1 {
            send(&io::stdout(), now_ns());
        }
    }
}

/// Double-forks one after the other, as a shell does for `(program &)`.
fn orphans(count: u32) -> ! {
    say_pid();
    for _ in 0..count {
        if fork() {
            fork();
            exit(0);
        }
        let mut status = 0;
        // SAFETY: `status` is valid. Waits for the only child, the one in the middle.
        unsafe { libc::wait(&raw mut status) };
    }
    send(&io::stdout(), now_ns());
    rest()
}

fn sessions(quiet: u32, forking: u32) -> ! {
    ignore_term();
    let Ok((arrived, arrive)) = io::pipe() else { exit(70) };
    for _ in 0..quiet {
        if fork() {
            new_session();
            send(&arrive, 1);
            rest();
        }
    }
    for _ in 0..quiet {
        if read_message(&arrived).is_err() {
            exit(70);
        }
    }
    for _ in 0..forking {
        if fork() {
            go_on_forking();
        }
    }
    say_pid();
    rest()
}

/// Each process lives just long enough to start the next, in a new session.
fn go_on_forking() -> ! {
    while is_heard(0) && fork() {
        new_session();
    }
    exit(0)
}

fn new_session() {
    // SAFETY: takes nothing.
    unsafe { libc::setsid() };
}
