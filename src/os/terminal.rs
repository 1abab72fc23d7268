//! The controlling terminal: whether there is one, and putting it back as it was.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::signal::killpg;
use nix::sys::termios::{self, SetArg, Termios};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getsid, tcgetpgrp, tcsetpgrp};

use super::descriptor::above_standard;

/// Our controlling terminal, open for as long as the run lasts.
#[derive(Debug)]
pub struct Terminal {
    descriptor: OwnedFd,
    /// The modes at the start, if our group was in the foreground then: only then are they ours.
    saved: Option<Termios>,
    /// We lead the session: then the kernel tells us, and us alone, that the terminal was closed.
    pub leads_session: bool,
}

impl Terminal {
    /// The controlling terminal, if this process has one.
    #[must_use]
    pub fn open() -> Option<Self> {
        let descriptor = above_standard(open_controlling()?.into()).ok()?;
        let in_foreground = tcgetpgrp(&descriptor) == Ok(getpgrp());
        let saved = if in_foreground { termios::tcgetattr(&descriptor).ok() } else { None };
        Some(Self { descriptor, saved, leads_session: is_session_leader(getpid().as_raw()) })
    }

    /// Puts foreground group and modes back after the main process was killed by a signal and could
    /// not do so itself. Left alone when the foreground belongs to somebody else by now.
    pub fn restore(&self) {
        let Some(saved) = &self.saved else { return };
        let Ok(foreground) = tcgetpgrp(&self.descriptor) else {
            return;
        };
        let ours = getpgrp();
        if foreground != ours && !is_empty(foreground) {
            return;
        }
        // The group first: a background group may not set modes. Neither stops us, TTOU is blocked. Not after
        // the output: that waits for a writer whom a stopped terminal holds up, for ever perhaps.
        let _ = tcsetpgrp(&self.descriptor, ours);
        let _ = termios::tcsetattr(&self.descriptor, SetArg::TCSANOW, saved);
    }

    /// The process's group, if it is in the foreground and not ours.
    #[must_use]
    pub fn holder(&self, pid: i32) -> Option<Pid> {
        let group = getpgid(Some(Pid::from_raw(pid))).ok()?;
        (group != getpgrp() && tcgetpgrp(&self.descriptor) == Ok(group)).then_some(group)
    }

    /// Lets another group have the foreground, if it is ours to give. TTOU is blocked.
    pub fn hand_to(&self, group: Pid) {
        if tcgetpgrp(&self.descriptor) == Ok(getpgrp()) {
            let _ = tcsetpgrp(&self.descriptor, group);
        }
    }

    /// Its descriptor, to be kept open.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.descriptor.as_fd().as_raw_fd()
    }
}

/// Nobody is left in the group: it was the tree's, or it ended with it.
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

/// Whether the controlling terminal can't be opened (any more).
#[must_use]
pub fn is_gone() -> bool {
    open_controlling().is_none()
}

/// Whether that process leads our session: the shell whose job we are.
#[must_use]
pub fn is_session_leader(pid: i32) -> bool {
    getsid(None) == Ok(Pid::from_raw(pid))
}
