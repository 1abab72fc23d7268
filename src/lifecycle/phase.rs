//! The phases of a run.

use std::fmt;

use serde::Serialize;

/// A phase of a run. Phases only move forward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The main process has not been started yet.
    Starting,
    /// The main process runs, and no stop was requested.
    Running,
    /// A stop is in progress, within its time limit.
    Terminating,
    /// SIGKILL was sent to all that was left.
    Killing,
    /// Nothing of the workload is left, or winddown gave up on survivors.
    Stopped,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Terminating => "terminating",
            Self::Killing => "killing",
            Self::Stopped => "stopped",
        })
    }
}
