//! What the user asked for, as plain values: the input of the machine.

use std::time::Duration;

use super::signal::{Signal, SignalSet};

/// How long something may last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// At most this long; zero means at once.
    Finite(Duration),
    /// As long as it takes.
    Infinite,
}

impl Limit {
    /// The moment at which a limit that starts `now` ends, if it ever does.
    #[must_use]
    pub const fn after(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Finite(length) => Some(now.saturating_add(length)),
            Self::Infinite => None,
        }
    }

    /// Its length, if it has one.
    #[must_use]
    pub const fn length(self) -> Option<Duration> {
        match self {
            Self::Finite(length) => Some(length),
            Self::Infinite => None,
        }
    }
}

/// Who is asked first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Target {
    /// The main process alone.
    #[default]
    Main,
    /// The whole tree at one moment.
    All,
}

/// What happens to a forwarded signal under `--map`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The signal that winddown received.
    pub from: Signal,
    /// The signal that the workload gets; nothing drops it.
    pub to: Option<Signal>,
}

/// Everything the machine has to know about a run before it starts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long the whole shutdown may last.
    pub limit: Limit,
    /// The signal to ask with; nothing means the one received.
    pub stop_signal: Option<Signal>,
    /// Who is asked first.
    pub to: Target,
    /// The signals that are stop requests.
    pub stop_on: SignalSet,
    /// Signals to rewrite when they are forwarded.
    pub map: Vec<Mapping>,
    /// Everything is over this long after the start.
    pub run_limit: Option<Duration>,
    /// Patience after SIGKILL.
    pub kill_wait: Limit,
    /// Whether a main process that ends by itself may leave processes behind.
    pub leave_stragglers: bool,
}

impl Plan {
    /// What the workload gets when winddown receives this signal; nothing when it is dropped.
    #[must_use]
    pub fn forwarded(&self, signal: Signal) -> Option<Signal> {
        let mapping = self.map.iter().rev().find(|mapping| mapping.from == signal);
        mapping.map_or(Some(signal), |mapping| mapping.to)
    }

    /// The signal to ask stragglers with: they never saw the one received.
    #[must_use]
    pub fn straggler_signal(&self) -> Signal {
        self.stop_signal.unwrap_or(Signal::TERM)
    }

    /// When the run limit asks for the stop: early enough for the whole time limit to fit.
    #[must_use]
    pub fn run_limit_stop(&self) -> Option<Duration> {
        let share = self.limit.length().unwrap_or_default();
        self.run_limit.map(|run_limit| run_limit.saturating_sub(share))
    }

    /// The deadline of a stop that starts `now`, never past the run limit.
    #[must_use]
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        match (self.limit.after(now), self.run_limit) {
            (Some(by_limit), Some(run_limit)) => Some(by_limit.min(run_limit)),
            (by_limit, run_limit) => by_limit.or(run_limit),
        }
    }
}
