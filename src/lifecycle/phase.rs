//! The phases of a run.

use std::fmt;

use serde::Serialize;

/// Where a run is. Phases only ever move forward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The main process is not there yet.
    Starting,
    /// The main process runs and nobody has asked it to stop.
    Running,
    /// A stop is under way, within its time limit.
    Terminating,
    /// SIGKILL has been sent to whatever was left.
    Killing,
    /// Nothing of the workload is left, or survivors were given up on.
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
