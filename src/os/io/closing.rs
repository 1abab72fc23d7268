//! Closes descriptors that others have sent. That can take as long as they like: a socket may linger, a file
//! may be on a server that hangs. So a short-lived process of ours holds copies until ours are closed. The
//! copies are closed when it ends, and nothing waits for that.

use std::os::fd::OwnedFd;

use crate::lifecycle::signal::Signal;
use crate::os::one_thread::OneThread;
use crate::os::process::fork;
use crate::os::signal::send;

/// The most descriptors that can come with one message.
const HELD_MAX: usize = 253;

/// Descriptors to be closed.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    held: Vec<OwnedFd>,
    /// At most one at a time: each could hang.
    helper: Option<i32>,
}

impl Closing {
    pub(crate) fn add(&mut self, descriptors: Vec<OwnedFd>) {
        self.held.extend(descriptors);
    }

    /// Whether no more descriptors should be taken for now.
    pub(crate) const fn is_full(&self) -> bool {
        self.held.len() >= HELD_MAX
    }

    /// Whether all of them are closed, as far as we know.
    pub(crate) const fn is_over(&self) -> bool {
        self.held.is_empty() && self.helper.is_none()
    }

    /// Closes the descriptors, unless a helper is still at it or none can be created. Returns the id of the
    /// new helper, a child of ours.
    pub(crate) fn close(&mut self, one_thread: OneThread) -> Option<i32> {
        if self.held.is_empty() || self.helper.is_some() {
            return None;
        }
        let pause = || loop {
            nix::unistd::pause();
        };
        // The helper has its copies from the fork on, whether it has run yet or not.
        let helper = fork::start(one_thread, pause).ok()?;
        self.held.clear();
        let _ = send::send(helper, Signal::KILL);
        self.helper = Some(helper);
        self.helper
    }

    /// Notes the end of a child; true if it was the helper.
    pub(crate) fn note_reaped(&mut self, pid: i32) -> bool {
        self.helper.take_if(|helper| *helper == pid).is_some()
    }
}
