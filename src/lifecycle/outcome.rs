//! How a run ended, in one word.

use std::fmt;

use serde::Serialize;

use super::cause::Cause;
use super::exit::{Ending, Exit};

/// What a try came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Conclusion {
    /// In one word.
    pub outcome: Outcome,
    /// How winddown ends if no try follows.
    pub ending: Ending,
}

/// The word for a whole run, or for one try.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The main process ended by itself with status 0, and nobody had asked for a stop.
    Completed,
    /// The main process ended by itself with another status, or the workload had fallen silent.
    Failed,
    /// The main process died of a signal that winddown did not send.
    Crashed,
    /// It was asked to stop, and every process ended in time.
    Stopped,
    /// A process had to be killed.
    Killed,
    /// A process outlived SIGKILL.
    Stuck,
    /// The command could not be started, or was not ready within its start limit.
    NotStarted,
}

impl Outcome {
    /// The outcome of a run that has ended; `request` is why it did not end by itself.
    #[must_use]
    pub fn of(main: Option<Exit>, request: Option<Cause>, any_killed: bool, survivors: bool) -> Self {
        match main {
            _ if request == Some(Cause::StartLimit) => Self::NotStarted,
            _ if survivors => Self::Stuck,
            None => Self::Stuck,
            Some(_) if any_killed => Self::Killed,
            Some(_) if request == Some(Cause::Silent) => Self::Failed,
            Some(_) if request.is_some() => Self::Stopped,
            Some(Exit::Code(0)) => Self::Completed,
            Some(Exit::Code(_)) => Self::Failed,
            Some(Exit::Signal(_)) => Self::Crashed,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Stuck => "stuck",
            Self::NotStarted => "not-started",
        })
    }
}
