//! What one run has shown, as plain values: all that the judgement knows.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::catalogue::Scenario;

pub(super) use crate::os::below::{Listener, Takes};
pub(super) use crate::report::record::{Process, Record};

/// All runs of a test.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The stop without anything beside it but probes.
    pub(super) plain: Observed,
    /// The same again, as often as was asked.
    pub(super) again: Vec<Observed>,
    /// The others.
    pub(super) others: Vec<(Scenario, Observed)>,
}

impl Seen {
    /// All plain runs, in order.
    pub(super) fn plain_runs(&self) -> impl Iterator<Item = &Observed> {
        std::iter::once(&self.plain).chain(&self.again)
    }

    /// The runs of a scenario.
    pub(super) fn of(&self, scenario: Scenario) -> impl Iterator<Item = &Observed> {
        self.others.iter().filter(move |(played, _)| *played == scenario).map(|(_, observed)| observed)
    }
}

/// One run.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// How it became ready.
    pub(super) readiness: Readiness,
    /// What was there before the signal; nothing if it never became ready.
    pub(super) before: Option<Before>,
    /// What the main job has recorded; nothing if it left no record.
    pub(super) record: Option<Record>,
    /// From the signal to the end of the main process, as it was seen.
    pub(super) took_ms: u64,
    /// What was there when nothing should be left.
    pub(super) left: Left,
    /// What it printed.
    pub(super) output: Output,
    /// The probes through the stop, in order.
    pub(super) strip: Vec<Probe>,
    /// Connections that were held through the stop.
    pub(super) held: Vec<Held>,
    /// Whether what the scenario needs was there; the reason, if it was not.
    pub(super) missing: Option<Missing>,
    /// How the next start went.
    pub(super) restart: Option<Readiness>,
    /// How the user's command ended, and what it said.
    pub(super) driven: Option<(bool, Vec<String>)>,
    /// What it said by `sd_notify` after the signal; nothing if it says nothing that way.
    pub(super) messages: Option<Vec<String>>,
    /// How the machine was.
    pub(super) noise: Noise,
}

/// How the start went.
#[derive(Clone, Debug)]
pub(super) enum Readiness {
    /// It is ready.
    Ready {
        /// After so long.
        after_ms: u64,
        /// By what it was seen.
        how: String,
    },
    /// It ended before.
    Ended {
        /// How, in words.
        how: String,
    },
    /// The command could not be run.
    NotRun {
        /// The exit status for it.
        status: u8,
        /// Why.
        why: String,
    },
    /// The time was over.
    TimedOut {
        /// After so long.
        after_ms: u64,
        /// What was seen instead of what was asked.
        seen: String,
    },
}

impl Default for Readiness {
    fn default() -> Self {
        Self::TimedOut { after_ms: 0, seen: String::new() }
    }
}

/// Just before the signal.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// The main process.
    pub(super) main: Process,
    /// How it takes the stop signal.
    pub(super) takes: Option<Takes>,
    /// A shell as the main process, and the one that it waits for.
    pub(super) shell: Option<Shell>,
    /// Who accepts connections.
    pub(super) listeners: Vec<Listener>,
    /// Zombies when it had become ready.
    pub(super) zombies_first: usize,
    /// Zombies just before the signal.
    pub(super) zombies: usize,
}

/// A shell that stands in front of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shell {
    /// Which one.
    pub(super) program: String,
    /// The one that it waits for.
    pub(super) child: Process,
}

/// After the end of the main process, and the time to settle.
#[derive(Clone, Debug, Default)]
pub(super) struct Left {
    /// Processes that were still there.
    pub(super) processes: Vec<Process>,
    /// Sockets that still accepted connections.
    pub(super) listeners: Vec<Listener>,
    /// Files that it made.
    pub(super) files: Vec<LeftFile>,
}

/// A file that is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeftFile {
    /// Where.
    pub(super) path: String,
    /// `socket`, `pid file`, `lock`, `shared memory`.
    pub(super) kind: &'static str,
    /// Whether it is in the server's directory or in a watched one.
    pub(super) is_near: bool,
}

/// What it printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    /// The last lines.
    pub(super) last: Vec<String>,
    /// Lines after the signal that are alarming.
    pub(super) alarming: Vec<String>,
    /// How long stdout and stderr were open after the end; nothing if longer than it was waited for.
    pub(super) open_ms: Option<u64>,
}

/// How one probe went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Accepted, and answered.
    Ok,
    /// Answered with a server's error (5xx).
    Error,
    /// Cut, before the answer was complete.
    Reset,
    /// Refused.
    Refused,
    /// No answer in time.
    TimedOut,
}

impl Outcome {
    /// As the strip shows it.
    #[must_use]
    pub(super) const fn letter(self) -> char {
        match self {
            Self::Ok => '.',
            Self::Error => 'E',
            Self::Reset => 'R',
            Self::Refused => 'x',
            Self::TimedOut => 'H',
        }
    }
}

/// One probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Probe {
    /// When it was begun, from the signal on; negative before.
    pub(super) at_ms: i64,
    /// How it went.
    pub(super) outcome: Outcome,
}

/// Why a scenario could not be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It does not apply here.
    Skip(&'static str),
    /// It was tried.
    Inconclusive(&'static str),
}

/// One connection that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// When it was opened, from the signal on.
    pub(super) opened_ms: i64,
    /// When it ended, from the signal on; nothing if it was open at the end.
    pub(super) ended_ms: Option<i64>,
    /// How.
    pub(super) end: HeldEnd,
}

/// How a held connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeldEnd {
    /// By a complete answer of this status.
    Answered(u16),
    /// By the server's closing it.
    Closed,
    /// In the middle of an answer.
    Cut,
}

/// What the machine did to the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Noise {
    /// How long the server has waited for a CPU during the stop.
    pub(super) waited_ms: u64,
    /// The share of time in which somebody had to wait for a CPU (pressure, average of 10 s), in percent.
    pub(super) pressure: Option<f64>,
}

impl Noise {
    /// Less is on every machine, and says nothing.
    const WAIT_MS_MIN: u64 = 10;
    const PRESSURE_MIN: f64 = 10.0;

    /// The worse of both.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        let pressures = self.pressure.into_iter().chain(other.pressure);
        Self { waited_ms: self.waited_ms.max(other.waited_ms), pressure: pressures.reduce(f64::max) }
    }

    /// Whether it is worth a line.
    #[must_use]
    pub(super) fn is_notable(self) -> bool {
        self.waited_ms >= Self::WAIT_MS_MIN || self.pressure.is_some_and(|share| share >= Self::PRESSURE_MIN)
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {} ms for a CPU", self.waited_ms)?;
        self.pressure.map_or(Ok(()), |share| write!(f, ", CPU pressure {share:.0} %"))
    }
}

impl Observed {
    /// From the request to the end of the main process.
    #[must_use]
    pub(super) fn stop_ms(&self) -> Option<u64> {
        self.record.as_ref()?.stop_ms()
    }

    /// Whether there was a stop to judge.
    #[must_use]
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.readiness, Readiness::Ready { .. })
    }

    /// The time was spent waiting for a CPU: more than a fifth of it, and more than the noise of a clock.
    #[must_use]
    pub(super) fn is_starved(&self) -> bool {
        let stop_ms = self.stop_ms().unwrap_or_default();
        self.noise.waited_ms > 100 && self.noise.waited_ms.saturating_mul(5) > stop_ms
    }
}
