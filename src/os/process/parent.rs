//! The end of winddown's own parent: the kernel's signal for it, and a check who the parent is.

use crate::lifecycle::signal::Origin;
use crate::os::signal::receive::Delivery;
use crate::os::signal::wake::{self, WAKE};

/// The parent with which a run is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent {
    pid: i32,
    is_reported: bool,
}

impl Parent {
    /// Has the kernel raise [`WAKE`] when the parent ends. A parent that ended earlier is no longer our
    /// parent.
    pub(crate) fn watch() -> Self {
        let watched = Self { pid: parent(), is_reported: false };
        let _ = wake::raise_at_parents_end();
        watched
    }

    /// Whether the parent is outside our PID namespace: PID 1 and what `docker exec` starts never learn of
    /// its end, since it has no id here.
    pub(crate) fn is_out_of_sight() -> bool {
        parent() == 0
    }

    /// Whether another process has become our parent; true once. The signal alone does not show it: it also
    /// comes when the thread that started us ends.
    pub(crate) fn take_end(&mut self) -> bool {
        !self.is_reported && {
            self.is_reported = parent() != self.pid;
            self.is_reported
        }
    }

    /// Whether this is the kernel's signal for the parent's end, and not one for the workload.
    pub(crate) fn raised(self, delivery: &Delivery) -> bool {
        delivery.signal == WAKE && matches!(delivery.origin, Origin::Process { pid, .. } if pid == self.pid)
    }
}

fn parent() -> i32 {
    nix::unistd::getppid().as_raw()
}
