//! Hooks: commands of the user's that run beside the workload, each under a small process of ours
//! that is its sub-reaper and takes with it whatever the command leaves behind. So nothing of a hook is
//! ever mistaken for a straggler.

use std::collections::HashSet;
use std::ffi::{CString, c_int};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use super::descriptor::{above_standard, close_inherited};
use super::environment::Entry;
use super::reap::{self, Change};
use super::spawn::{self, Command};
use super::tree::{Process, Tree};
use super::{helper, inbox, signalling};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::{Signal, SignalSet};

/// SIGKILL is repeated so often while something of a hook is left.
const KILL_PAUSE: Duration = Duration::from_millis(25);

/// A command as it was written, and its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hook {
    /// As it was written.
    pub text: String,
    /// The command and its arguments; at least one.
    pub words: Vec<CString>,
}

/// What hooks are started with: what winddown was started with.
#[derive(Debug)]
pub struct Surroundings {
    /// `NAME=VALUE`.
    pub environment: Vec<Entry>,
    /// The signal mask.
    pub mask: SignalSet,
    /// Whether SIGCHLD was ignored.
    pub child_ignored: bool,
    /// The working directory; nothing if it could not be opened.
    pub directory: Option<OwnedFd>,
}

/// The working directory, kept open for hooks.
#[must_use]
pub fn working_directory() -> Option<OwnedFd> {
    let flags = nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_CLOEXEC;
    let directory = nix::fcntl::open(".", flags, nix::sys::stat::Mode::empty()).ok()?;
    above_standard(directory).ok()
}

/// Starts a hook, with these variables beside its environment. The answer is the id of the process
/// that keeps it: it ends as the command does, once nothing of it is left.
///
/// # Errors
/// When there is no process left for it.
pub fn start(hook: &Hook, variables: &[Entry], surroundings: &Surroundings) -> io::Result<i32> {
    helper::start(|| keep(hook, variables, surroundings))
}

/// Has a hook killed, with everything that it has started.
pub fn end(keeper: i32) {
    // One that has ended by itself is still ours to reap. One that was stopped has to go on for it.
    let _ = signalling::send(keeper, Signal::TERM);
    let _ = signalling::send(keeper, Signal::CONT);
}

/// The process that keeps a hook; its exit status.
fn keep(hook: &Hook, variables: &[Entry], surroundings: &Surroundings) -> c_int {
    enter(surroundings);
    let environment: Vec<Entry> = surroundings.environment.iter().chain(variables).cloned().collect();
    let command = Command {
        arguments: &hook.words,
        environment: &environment,
        pid_variables: &[],
        inherits: None,
        mask: surroundings.mask,
        child_ignored: surroundings.child_ignored,
        own_group: false,
        dies_with_parent: true,
        announce: None,
    };
    match spawn::spawn(&command) {
        Ok(spawned) => {
            let process = Process { pid: spawned.pid, name: String::new() };
            let tree = Tree::new(process, spawned.descriptor, false, HashSet::new());
            end_as(wait(tree))
        }
        Err(error) => end_as(Exit::Code(error.exit_status())),
    }
}

/// Away from the workload's terminal and its input: in a group of its own, without stdin; what it
/// prints goes where our log goes.
fn enter(surroundings: &Surroundings) {
    // SAFETY: concerns only this process.
    unsafe { libc::setpgid(0, 0) };
    reap::adopt_orphans();
    inbox::set_ignored(Signal::CHLD, false);
    if let Some(directory) = &surroundings.directory {
        let _ = nix::unistd::fchdir(directory);
    }
    close_inherited(&[]);
    let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    // SAFETY: both numbers are standard streams, which nothing in this process uses otherwise.
    unsafe {
        libc::dup2(null.as_raw_fd(), libc::STDIN_FILENO);
        if libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) < 0 {
            libc::dup2(null.as_raw_fd(), libc::STDOUT_FILENO);
            libc::dup2(null.as_raw_fd(), libc::STDERR_FILENO);
        }
    }
    // Where a standard stream was closed, the file has got its number, and is to stay open.
    if null.as_raw_fd() <= libc::STDERR_FILENO {
        // SAFETY: the descriptor is open; 0 clears close-on-exec.
        unsafe { libc::fcntl(null.as_raw_fd(), libc::F_SETFD, 0) };
        std::mem::forget(null);
    }
}

/// Waits for the end of the command, or for a SIGTERM of ours, and kills what is left then.
fn wait(mut tree: Tree) -> Exit {
    let mut ended = None;
    let mut is_over = false;
    loop {
        let patience = is_over.then_some(KILL_PAUSE);
        let delivery = inbox::take(SignalSet::ALL, patience);
        is_over |= delivery.is_some_and(|delivery| delivery.signal == Signal::TERM);
        loop {
            match reap::next() {
                Change::Ended { pid, exit, .. } => {
                    ended = ended.or_else(|| tree.is_main(pid).then_some(exit));
                    tree.reaped(pid, exit);
                }
                Change::Stopped { .. } | Change::Continued { .. } => {}
                Change::Nothing => break,
                Change::NoChild => return ended.unwrap_or(Exit::Code(0)),
            }
        }
        is_over |= ended.is_some();
        if is_over {
            tree.kill();
        }
    }
}

/// Dies as the command did; returns the status to exit with if it exited.
fn end_as(exit: Exit) -> c_int {
    if let Exit::Signal(signal) = exit {
        inbox::die_of(signal);
    }
    exit.status().into()
}
