//! The process that looks whether the workload is ready: the main job has only one thread, and looking may block.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

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

/// Holds the latest words of such a process, which its parent can read at any time, once.
#[derive(Debug)]
pub(crate) struct Slot {
    unread: Option<OwnedFd>,
    end: Option<OwnedFd>,
}

impl Slot {
    /// Says this in place of what was said before.
    pub(crate) fn say(&self, text: &str) {
        let mut old = [0; hook::WORDS_BYTES];
        let _ = self.unread.as_ref().map(|unread| nix::unistd::read(unread, &mut old));
        hook::leave_words(self.end.as_ref(), text);
    }
}

/// Starts a process that does this work and ends with success. SIGTERM ends it at any time.
///
/// # Errors
/// When no process can be created.
pub(crate) fn start(surroundings: &Surroundings, work: impl FnOnce(&Slot)) -> io::Result<Keeper> {
    let (words, end) = hook::pipe_for_words();
    let words = words.and_then(|words| above_standard(words).ok());
    let pid = fork::start(surroundings.one_thread, || {
        let theirs = Slot { unread: words.as_ref().and_then(|words| words.try_clone().ok()), end };
        let keep = [&theirs.unread, &theirs.end].into_iter().flatten().map(AsRawFd::as_raw_fd);
        hook::enter(surroundings, &keep.collect::<Vec<_>>());
        title::rename(surroundings.one_thread, NAME);
        let _ = prctl::set_name(NAME);
        receive::set_ignored(Signal::TERM, false);
        open_to_end();
        work(&theirs);
        0
    })?;
    Ok(Keeper { pid, words })
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
