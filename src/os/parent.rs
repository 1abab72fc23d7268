//! The end of winddown's own parent: the kernel's signal for it, and a look at who the parent is.

use super::inbox::Delivery;
use super::link::WAKE;
use crate::lifecycle::signal::Origin;

/// The parent that a run is to end with.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    pid: i32,
    is_told: bool,
}

impl Parent {
    /// Has [`WAKE`] raised when the parent ends. One that has ended before is not our parent any more.
    #[must_use]
    pub fn watch() -> Self {
        let watched = Self { pid: parent(), is_told: false };
        // SAFETY: concerns only this process.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, WAKE.number()) };
        watched
    }

    /// Whether somebody else has become our parent; true once. The signal alone does not tell: it comes for the end
    /// of the thread that started us, too.
    pub fn has_ended(&mut self) -> bool {
        !self.is_told && {
            self.is_told = parent() != self.pid;
            self.is_told
        }
    }

    /// Whether this is the kernel's signal for it, and not one for the workload.
    #[must_use]
    pub fn raised(self, delivery: &Delivery) -> bool {
        delivery.signal == WAKE && matches!(delivery.origin, Origin::Process { pid, .. } if pid == self.pid)
    }
}

fn parent() -> i32 {
    // SAFETY: can't fail.
    unsafe { libc::getppid() }
}
