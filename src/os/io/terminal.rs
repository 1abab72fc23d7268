//! The controlling terminal: whether there is one, and restoring its state.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::signal::killpg;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getsid, tcgetpgrp, tcsetpgrp, write};

use super::descriptor::above_standard;
use super::sink::Sink;

/// Leaves the alternate screen and shows the cursor, for a full-screen program that was killed. Saves the
/// cursor's position first: a terminal that is not in the alternate screen restores it.
const LEAVE_SCREEN: &[u8] = b"\x1b7\x1b[?1049l\x1b[?25h";

/// Our controlling terminal, open for the whole run.
#[derive(Debug)]
pub(crate) struct Terminal {
    descriptor: OwnedFd,
    /// The modes at the start, if our group was in the foreground: only then are they ours.
    saved: Option<Termios>,
    /// Whether we lead the session: then the kernel reports to us alone that the terminal was closed.
    pub(crate) leads_session: bool,
}

impl Terminal {
    /// The controlling terminal, if this process has one.
    pub(crate) fn open() -> Option<Self> {
        let descriptor = above_standard(open_controlling()?.into()).ok()?;
        let in_foreground = tcgetpgrp(&descriptor) == Ok(getpgrp());
        let saved = if in_foreground { termios::tcgetattr(&descriptor).ok() } else { None };
        Some(Self { descriptor, saved, leads_session: is_session_leader(getpid().as_raw()) })
    }

    /// Restores foreground group and modes after a signal killed the main process, which could not do so
    /// itself. Does nothing if another job has the foreground by now.
    pub(crate) fn restore(&self) {
        let Some(saved) = &self.saved else { return };
        let Ok(foreground) = tcgetpgrp(&self.descriptor) else {
            return;
        };
        let ours = getpgrp();
        if foreground != ours && !is_empty(foreground) {
            return;
        }
        // The group first: a background group may not set modes. Neither call stops us, since TTOU is
        // blocked. Not after the output has drained: that would wait for a writer held up by a stopped
        // terminal, perhaps for ever.
        let _ = tcsetpgrp(&self.descriptor, ours);
        self.leave_screen();
        let _ = termios::tcsetattr(&self.descriptor, SetArg::TCSANOW, saved);
    }

    /// Leaves the screen of a program that reads single keys, if that was not so at the start and the
    /// foreground is ours. Called once the program has been killed and before that is logged: what is written
    /// to the alternate screen vanishes with it.
    pub(crate) fn leave_screen(&self) {
        let reads_keys = |modes: &Termios| !modes.local_flags.contains(LocalFlags::ICANON);
        let has_keys = || termios::tcgetattr(&self.descriptor).is_ok_and(|modes| reads_keys(&modes));
        let is_ours = tcgetpgrp(&self.descriptor) == Ok(getpgrp());
        if is_ours && self.saved.as_ref().is_some_and(|saved| !reads_keys(saved)) && has_keys() && !is_dumb()
        {
            // One try, on a non-blocking descriptor: a stopped terminal must not hold us up.
            let _ = write(&self.descriptor, LEAVE_SCREEN);
        }
    }

    /// The process's group, if it has the foreground and is not ours.
    pub(crate) fn holder(&self, pid: i32) -> Option<Pid> {
        let group = getpgid(Some(Pid::from_raw(pid))).ok()?;
        (group != getpgrp() && tcgetpgrp(&self.descriptor) == Ok(group)).then_some(group)
    }

    /// Gives the foreground to another group, if it is ours to give. TTOU is blocked.
    pub(crate) fn hand_to(&self, group: Pid) {
        if tcgetpgrp(&self.descriptor) == Ok(getpgrp()) {
            let _ = tcsetpgrp(&self.descriptor, group);
        }
    }

    /// Its descriptor, which must stay open.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.descriptor.as_fd().as_raw_fd()
    }
}

/// Whether the terminal, if there is one, has no escape codes.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Whether a descriptor is a terminal that shows colours, and the user has not turned them off.
pub(crate) fn may_colour(descriptor: RawFd) -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb();
    !no_colour && Sink::inherited(descriptor).is_some_and(Sink::is_terminal)
}

/// Whether the group is empty: it was the tree's, or ended with it.
fn is_empty(group: Pid) -> bool {
    killpg(group, None).is_err()
}

fn open_controlling() -> Option<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open("/dev/tty")
        .ok()
}

/// Whether the controlling terminal can't be opened (any longer).
pub(crate) fn has_hung_up() -> bool {
    open_controlling().is_none()
}

/// Whether a process leads our session: the shell whose job we are.
pub(crate) fn is_session_leader(pid: i32) -> bool {
    getsid(None) == Ok(Pid::from_raw(pid))
}
