//! Received signals, and why a stop began.

use super::signal::{Origin, Signal};

/// A signal that winddown received, with what the driver knows about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Received {
    /// The signal.
    pub signal: Signal,
    /// Its sender.
    pub origin: Origin,
    /// The processes it was sent to.
    pub reach: Reach,
    /// Whether it is SIGHUP and the controlling terminal is gone.
    pub hangup: bool,
    /// Whether the sender belongs to the workload.
    pub from_tree: bool,
}

impl Received {
    /// Whether the main process got it at the same moment.
    #[must_use]
    pub const fn main_has_it(&self) -> bool {
        matches!(self.reach, Reach::Group | Reach::Everyone)
    }

    /// Whether it is more than a signal of our own, or one that was reported before.
    pub(crate) const fn is_news(&self) -> bool {
        !matches!(self.reach, Reach::Own | Reach::Copy)
    }

    /// Whether a process outside the workload sent it.
    pub(crate) const fn is_from_outside(&self) -> bool {
        matches!(self.origin, Origin::Process { .. }) && !self.from_tree
    }
}

/// The processes that a received signal was sent to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Reach {
    /// winddown alone.
    Winddown,
    /// The process group, which the main process is in, too.
    Group,
    /// Every process of the workload.
    Everyone,
    /// winddown's other process, too, which has already reported it.
    Copy,
    /// winddown sent it to itself.
    Own,
}

/// Why a stop began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Cause {
    /// A signal.
    Signal(Received),
    /// The run limit: everything is to be over by then.
    RunLimit,
    /// The run has lasted as long as it may before it is asked.
    StopAfter,
    /// The main process ended by itself and left stragglers.
    MainExited,
    /// winddown itself was killed.
    Abandoned,
    /// winddown's own parent ended.
    ParentEnded,
    /// The workload was silent for longer than its watchdog allows, or said that it is not well.
    Silent,
    /// The workload was not ready within its start limit.
    StartLimit,
}

impl Cause {
    /// The signal, if one is the cause.
    pub(crate) const fn signal(&self) -> Option<Signal> {
        if let Self::Signal(received) = self { Some(received.signal) } else { None }
    }

    /// `signal`, `run-limit` and so on, as in the record.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Signal(received) if received.hangup => "hangup",
            Self::Signal(_) => "signal",
            Self::RunLimit => "run-limit",
            Self::StopAfter => "stop-after",
            Self::MainExited => "main-exited",
            Self::Abandoned => "winddown-killed",
            Self::ParentEnded => "parent-ended",
            Self::Silent => "silent",
            Self::StartLimit => "start-limit",
        }
    }
}
