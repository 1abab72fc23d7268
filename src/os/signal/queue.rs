//! Room in the kernel's queue of signals with values.
//!
//! The signals that wait are counted for all processes of a user, and compared with the receiver's
//! `RLIMIT_SIGPENDING`. A sender who fills the queue takes each place that we free by taking a signal: none
//! would be left to pass that signal on. So fewer may wait for us than for the workload.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};

/// More than the pipe between winddown's processes holds.
const ROOM: rlim_t = 1024;

/// The limit that winddown was started with, if it has lowered its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct InheritedLimit(Option<(rlim_t, rlim_t)>);

/// Lowers the limit of this process and of the children that don't [`InheritedLimit::restore`] it.
pub(crate) fn leave_room() -> InheritedLimit {
    let limit = getrlimit(Resource::RLIMIT_SIGPENDING).ok().filter(|(soft, _)| *soft != RLIM_INFINITY);
    let lowered = |(soft, hard): &(rlim_t, rlim_t)| {
        setrlimit(Resource::RLIMIT_SIGPENDING, soft - ROOM.min(soft / 2), *hard).is_ok()
    };
    InheritedLimit(limit.filter(lowered))
}

impl InheritedLimit {
    /// Safe to call between fork and exec.
    pub(crate) fn restore(self) {
        if let Some((soft, hard)) = self.0 {
            let _ = setrlimit(Resource::RLIMIT_SIGPENDING, soft, hard);
        }
    }
}
