//! Hooks: the user's commands that run beside the workload. Each runs under a small process of ours, its
//! keeper: a subreaper that kills whatever the command leaves behind. So no process of a hook is ever
//! mistaken for a straggler.

use std::ffi::{CString, c_int};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::foreign::Foreign;
use super::fork;
use super::reap::{self, Change};
use super::spawn::{self, Command};
use super::spawn_error::SpawnError;
use super::tree::{Process, Tree};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::environment::Entry;
use crate::os::io::descriptor::{above_standard, close_inherited};
use crate::os::one_thread::OneThread;
use crate::os::signal::queue::InheritedLimit;
use crate::os::signal::{receive, send};

/// How often SIGKILL is repeated while something of a hook is left.
const KILL_PAUSE: Duration = Duration::from_millis(25);

/// The reason why a hook could not be executed is cut to this length; a pipe takes it in one piece.
pub(super) const WORDS_BYTES: usize = 512;

/// A hook's command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hook {
    /// As the user wrote it.
    pub text: String,
    /// The command and its arguments; never empty.
    pub words: Vec<CString>,
}

/// What hooks are started with, which is what winddown was started with.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) environment: Vec<Entry>,
    pub(crate) mask: SignalSet,
    /// Whether SIGCHLD was ignored.
    pub(crate) child_ignored: bool,
    /// How many signals with values may wait for them.
    pub(crate) queue_limit: InheritedLimit,
    /// The working directory, if it could be opened.
    pub(crate) directory: Option<OwnedFd>,
    /// Each keeper is a fork of ours.
    pub(crate) one_thread: OneThread,
}

/// The working directory, kept open for hooks.
pub(crate) fn working_directory() -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = nix::fcntl::open(".", flags, nix::sys::stat::Mode::empty()).ok()?;
    above_standard(directory).ok()
}

/// A hook that is running.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// The keeper: it ends as the command does, once nothing of the hook is left.
    pub(crate) pid: i32,
    /// Where the keeper leaves its words.
    pub(super) words: Option<OwnedFd>,
}

impl Keeper {
    /// What it has to say: of a hook, why the command could not be executed, once the keeper has ended.
    pub(crate) fn words(&self) -> Option<String> {
        let mut words = [0; WORDS_BYTES];
        let length = nix::unistd::read(self.words.as_ref()?, &mut words).ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&words[..length]).into_owned())
    }
}

/// Starts a hook, with these variables added to its environment.
///
/// # Errors
/// When no process can be created for it.
pub(crate) fn start(hook: &Hook, variables: &[Entry], surroundings: &Surroundings) -> io::Result<Keeper> {
    let (words, theirs) = pipe_for_words();
    let pid = fork::start(surroundings.one_thread, || keep(hook, variables, surroundings, theirs.as_ref()))?;
    Ok(Keeper { pid, words: words.and_then(|end| above_standard(end).ok()) })
}

/// For what a helper has to say at its end, which matters less than the helper.
pub(super) fn pipe_for_words() -> (Option<OwnedFd>, Option<OwnedFd>) {
    let (words, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok().unzip();
    (words, theirs.and_then(|end| above_standard(end).ok()))
}

/// Has a hook killed, with everything it has started.
pub(crate) fn end(keeper: i32) {
    // A keeper that has ended is still ours to reap. A stopped one must go on to act on SIGTERM.
    let _ = send::send(keeper, Signal::TERM);
    let _ = send::send(keeper, Signal::CONT);
}

/// What the keeper does; returns its exit status.
fn keep(hook: &Hook, variables: &[Entry], surroundings: &Surroundings, words: Option<&OwnedFd>) -> c_int {
    enter(surroundings, words.map(AsRawFd::as_raw_fd).as_slice());
    match start_here(&hook.words, variables, surroundings) {
        Ok(tree) => end_as(wait(tree).0),
        Err(error) => {
            leave_words(words, &error.to_string());
            end_as(Exit::Code(error.exit_status()))
        }
    }
}

/// Runs a command to its end under this process, which ends instead if it is told to end. Nothing if the command
/// can't be executed.
pub(super) fn run(words: &[CString], surroundings: &Surroundings) -> Option<Exit> {
    let tree = start_here(words, &[], surroundings).ok()?;
    let (exit, is_asked) = wait(tree);
    if is_asked {
        receive::die_of(Signal::TERM);
    }
    Some(exit)
}

fn start_here(
    words: &[CString],
    variables: &[Entry],
    surroundings: &Surroundings,
) -> Result<Tree, SpawnError> {
    let environment: Vec<Entry> = surroundings.environment.iter().chain(variables).cloned().collect();
    let command = Command {
        arguments: words,
        environment: &environment,
        pid_variables: &[],
        inherits: None,
        mask: surroundings.mask,
        child_ignored: surroundings.child_ignored,
        queue_limit: surroundings.queue_limit,
        own_group: false,
        dies_with_parent: true,
        announce: None,
    };
    let spawned = spawn::spawn(&command)?;
    let process = Process { pid: spawned.pid, name: String::new() };
    Ok(Tree::new(process, spawned.descriptor, false, Foreign::default()))
}

/// Leaves words for the parent, cut to what a pipe takes in one piece.
pub(super) fn leave_words(words: Option<&OwnedFd>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(WORDS_BYTES)];
    words.and_then(|words| nix::unistd::write(words, text).ok());
}

/// A word of a command, without the zeros that it can't have.
pub(super) fn word(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

/// Detaches from the workload's terminal and input: a group of its own, no stdin; its output goes where our
/// log goes.
pub(super) fn enter(surroundings: &Surroundings, keep: &[RawFd]) {
    spawn::lead_group();
    reap::adopt_orphans();
    receive::set_ignored(Signal::CHLD, false);
    if let Some(directory) = &surroundings.directory {
        let _ = nix::unistd::fchdir(directory);
    }
    close_inherited(surroundings.one_thread, keep);
    let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    let _ = dup2_stdin(&null);
    if dup2_stdout(io::stderr()).is_err() {
        let _ = dup2_stdout(&null);
        let _ = dup2_stderr(&null);
    }
    // If a standard stream was closed, the file got its number and must stay open.
    if null.as_raw_fd() <= libc::STDERR_FILENO {
        // SAFETY: the descriptor is open; 0 clears close-on-exec.
        unsafe { libc::fcntl(null.as_raw_fd(), libc::F_SETFD, 0) };
        std::mem::forget(null);
    }
}

/// Waits until the command ends, or for a SIGTERM of ours, and then kills what is left. Returns how the command
/// ended, and whether the signal came.
fn wait(mut tree: Tree) -> (Exit, bool) {
    let mut ended = None;
    let (mut is_over, mut is_asked) = (false, false);
    loop {
        let patience = is_over.then_some(KILL_PAUSE);
        let delivery = receive::take(SignalSet::ALL, patience);
        is_asked |= delivery.is_some_and(|delivery| delivery.signal == Signal::TERM);
        is_over |= is_asked;
        loop {
            match reap::next() {
                Change::Ended { pid, exit, .. } => {
                    ended = ended.or_else(|| tree.is_main(pid).then_some(exit));
                    tree.note_reaped(pid, exit);
                }
                Change::Stopped { .. } | Change::Continued { .. } => {}
                Change::Nothing => break,
                Change::NoChild => return (ended.unwrap_or(Exit::Code(0)), is_asked),
            }
        }
        is_over |= ended.is_some();
        if is_over {
            tree.kill();
        }
    }
}

/// Dies by the command's signal, or returns the status that it exited with.
fn end_as(exit: Exit) -> c_int {
    if let Exit::Signal(signal) = exit {
        receive::die_of(signal);
    }
    exit.status().into()
}
