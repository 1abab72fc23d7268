//! The process that looks whether the workload is ready: the main job has only one thread, and looking may block.

use std::ffi::CStr;
use std::io;

use nix::sys::prctl;
use nix::unistd::{dup2_stderr, dup2_stdout};

use super::fork;
use super::hook::{self, Keeper, Surroundings};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::io::descriptor::above_standard;
use crate::os::process::title;
use crate::os::signal::receive;

/// Must not contain winddown's own name: `pkill` matches parts of names and command lines.
const NAME: &CStr = c"wd-ready";

/// Starts a process that does this work and ends with success; what the work returns is read from it then. SIGTERM
/// ends it at any time.
///
/// # Errors
/// When no process can be created.
pub(crate) fn start(surroundings: &Surroundings, work: impl FnOnce() -> String) -> io::Result<Keeper> {
    let (words, theirs) = hook::pipe_for_words();
    let pid = fork::start(surroundings.one_thread, || {
        hook::enter(surroundings, theirs.as_ref());
        title::rename(surroundings.one_thread, NAME);
        let _ = prctl::set_name(NAME);
        receive::set_ignored(Signal::TERM, false);
        open_to_end();
        hook::leave_words(theirs.as_ref(), &work());
        0
    })?;
    Ok(Keeper { pid, words: words.and_then(|end| above_standard(end).ok()) })
}

/// Between commands SIGTERM may end this process, since then it has no child.
fn open_to_end() {
    receive::set_mask(SignalSet::ALL.without(Signal::TERM));
}

/// Runs a shell command in this process's place, without output, and kills whatever it leaves behind. Returns whether
/// it has succeeded. Ends this process if it is told to end meanwhile.
pub(crate) fn succeeds(command: &str, surroundings: &Surroundings) -> bool {
    let _ = receive::block_all();
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = dup2_stdout(&null);
        let _ = dup2_stderr(&null);
    }
    let words = [c"/bin/sh".to_owned(), c"-c".to_owned(), hook::word(command)];
    let exit = hook::run(&words, surroundings);
    open_to_end();
    exit == Some(Exit::Code(0))
}
