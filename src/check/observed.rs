//! What a run has shown, as plain values: the checks know nothing else.

use std::fmt;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

use super::runs::scenario::Scenario;
use super::time::short;

pub(super) use crate::os::inspect::Takes;
pub(super) use crate::os::listening::Listener;
pub(super) use crate::record::schema::{ProcessRecord, Record};

/// All runs of a test.
#[derive(Debug, Default)]
pub(super) struct AllRuns {
    /// The plain stop, with nothing but probes beside it.
    pub(super) plain: Observed,
    /// Further plain stops, as many as the options ask for.
    pub(super) again: Vec<Observed>,
    /// The runs of all other scenarios.
    pub(super) others: Vec<(Scenario, Observed)>,
    /// What two servers at once would share, so that the runs were not played side by side.
    pub(super) in_turn: Option<LeftFile>,
}

impl AllRuns {
    /// All plain runs, in order.
    pub(super) fn plain_runs(&self) -> impl Iterator<Item = &Observed> {
        std::iter::once(&self.plain).chain(&self.again)
    }

    /// Every run with its scenario, in the order in which they were made.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Scenario, &Observed)> {
        let plain = self.plain_runs().map(|run| (Scenario::Plain, run));
        plain.chain(self.others.iter().map(|(scenario, run)| (*scenario, run)))
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
    /// The record of the main job, if it left one.
    pub(super) record: Option<Record>,
    /// The time from the signal to the end of the main process, as check measured it.
    pub(super) took_ms: u64,
    /// What was left when nothing should have been.
    pub(super) left: Leftovers,
    /// What of the left files was removed, so that no later run trips over it.
    pub(super) put_away: Vec<LeftFile>,
    /// The files of the server while it ran: two servers at once would share them.
    pub(super) shared: Vec<LeftFile>,
    /// What the server printed.
    pub(super) output: Printed,
    /// Who answered at the server's addresses before the start, one line each.
    pub(super) strangers: Vec<String>,
    /// Why no probes were sent: it can't be seen whether the server itself would answer them.
    pub(super) unproved: Option<String>,
    /// The probes through the stop, in order.
    pub(super) strip: Vec<Probe>,
    /// The connections that were held through the stop.
    pub(super) held: Vec<HeldConnection>,
    /// How long a slow request takes while no other is under way, if it was measured.
    pub(super) request_ms: Option<u64>,
    /// What went on after clients had hung up, without a stop.
    pub(super) aborted: Option<Aborted>,
    /// What the scenario lacked, if anything.
    pub(super) missing: Option<Missing>,
    /// How the next start went.
    pub(super) restart: Option<Readiness>,
    /// How the command of `--drive` ended, and its last lines; none if it did not end in time.
    pub(super) driven: Option<(ExitStatus, Vec<String>)>,
    /// The messages of `sd_notify` after the signal; none if the server never sends any.
    pub(super) messages: Option<Vec<String>>,
    /// How busy the machine was.
    pub(super) noise: Noise,
}

/// How the start went.
#[derive(Clone, Debug)]
pub(super) enum Readiness {
    /// The server is ready.
    Ready {
        after_ms: u64,
        /// What showed it.
        how: String,
    },
    /// The server ended before it was ready.
    Ended {
        /// How, in words.
        how: String,
    },
    /// The command could not be run.
    NotRun {
        /// The exit status of check for this.
        status: u8,
        /// Why.
        why: String,
    },
    /// The server was not ready in time.
    TimedOut {
        after_ms: u64,
        /// What was seen instead, and what is missing.
        seen: String,
    },
}

impl Default for Readiness {
    fn default() -> Self {
        Self::TimedOut { after_ms: 0, seen: String::new() }
    }
}

/// What was there just before the signal.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// The main process.
    pub(super) main: ProcessRecord,
    /// How the main process takes the stop signal.
    pub(super) takes: Option<Takes>,
    /// The shell that is the main process, with the child that it waits for.
    pub(super) shell: Option<Shell>,
    /// The sockets that accept connections.
    pub(super) listeners: Vec<Listener>,
    /// Zombies when the server became ready.
    pub(super) zombies_first: usize,
    /// Zombies just before the signal.
    pub(super) zombies: usize,
}

/// A shell that stands in front of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shell {
    pub(super) program: String,
    /// The process that it waits for.
    pub(super) child: ProcessRecord,
}

/// What was left after the end of the main process and the time to settle.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers {
    pub(super) processes: Vec<ProcessRecord>,
    /// Sockets that still accept connections.
    pub(super) listeners: Vec<Listener>,
    /// Files that the server made.
    pub(super) files: Vec<LeftFile>,
}

/// A file that is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeftFile {
    pub(super) path: String,
    /// `socket`, `pid file`, `lock`, `shared memory`, [`LeftFile::UNSURE`] or [`LeftFile::UNCLEAR`].
    pub(super) kind: &'static str,
    /// Whether it is in the server's directory or in a watched one.
    pub(super) is_near: bool,
}

impl LeftFile {
    /// The kind of a file that was made during the run, and that no process was seen to hold.
    pub(super) const UNSURE: &str = "shared memory, by the server or by another program";
    /// The kind of a file that another process may still hold.
    pub(super) const UNCLEAR: &str = "shared memory, perhaps of another program";
}

/// What the server printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Printed {
    /// The last lines.
    pub(super) last: Vec<String>,
    /// Lines after the signal that report a panic or a crash.
    pub(super) alarming: Vec<String>,
    /// How long stdout and stderr stayed open after the end; none if check gave up waiting.
    pub(super) open_ms: Option<u64>,
}

/// What came of one probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ProbeOutcome {
    /// Accepted, and answered.
    Ok,
    /// Answered with a server's error (5xx).
    Error,
    /// Cut before the answer was complete.
    Reset,
    /// Refused.
    Refused,
    /// No answer in time.
    TimedOut,
}

impl ProbeOutcome {
    /// All outcomes.
    pub(super) const ALL: [Self; 5] = [Self::Ok, Self::Error, Self::Reset, Self::Refused, Self::TimedOut];

    /// The word beside a number of probes, and beside the letter.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "answered",
            Self::Error => "answered with 5xx",
            Self::Reset => "cut",
            Self::Refused => "refused",
            Self::TimedOut => "without an answer",
        }
    }

    /// The letter on the page.
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
    /// When it began, counted from the signal; negative before it.
    pub(super) at_ms: i64,
    pub(super) outcome: ProbeOutcome,
}

/// Why a scenario could not be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It does not apply here.
    Skip(&'static str),
    /// It was tried, without a result.
    Inconclusive(String),
}

/// A connection that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldConnection {
    /// When it was opened, counted from the signal.
    pub(super) opened_ms: i64,
    /// When it ended, counted from the signal; none if it was still open at the end.
    pub(super) ended_ms: Option<i64>,
    pub(super) end: HeldEnd,
}

/// How a held connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeldEnd {
    /// With a complete answer of this status.
    Answered(u16),
    /// The server closed it.
    Closed,
    /// It was cut before or in the middle of an answer.
    Cut,
    /// Its client hung up.
    HungUp,
}

/// A request must take so long that the work for it can be seen to go on after its client has hung up.
pub(super) const REQUEST_MS_MIN: u64 = 2000;

/// What a server did for requests whose clients hung up in the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Aborted {
    /// Connections that it had opened for them; 0 as well where it keeps such connections for later requests.
    pub(super) opened: usize,
    /// How many of these it still had a second after the clients had hung up.
    pub(super) left: usize,
    /// The CPU time that it used, in percent of one CPU: without requests, with them, and a second after.
    pub(super) cpu_idle: u64,
    pub(super) cpu_busy: u64,
    pub(super) cpu_after: u64,
    /// How long the requests would have gone on when this was seen.
    pub(super) remaining_ms: i64,
}

/// How busy the machine was during a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Noise {
    /// How long the server waited for a CPU during the stop.
    pub(super) waited_ms: u64,
    /// The share of time in which some process waited for a CPU (pressure, average of 10 s), in percent.
    pub(super) pressure: Option<f64>,
}

impl Noise {
    /// Less is normal on every machine.
    const WAIT_MS_MIN: u64 = 10;
    const PRESSURE_MIN: f64 = 10.0;

    /// The worse of both, for each number.
    pub(super) fn or(self, other: Self) -> Self {
        let pressures = self.pressure.into_iter().chain(other.pressure);
        Self { waited_ms: self.waited_ms.max(other.waited_ms), pressure: pressures.reduce(f64::max) }
    }

    /// Whether it is worth a line on the page.
    pub(super) fn is_notable(self) -> bool {
        self.waited_ms >= Self::WAIT_MS_MIN || self.pressure.is_some_and(|share| share >= Self::PRESSURE_MIN)
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.waited_ms {
            0 => f.write_str("no wait for a CPU")?,
            waited => write!(f, "waited {} for a CPU", short(waited))?,
        }
        self.pressure.map_or(Ok(()), |share| write!(f, ", CPU pressure {share:.0} %"))
    }
}

impl Observed {
    /// The time from the stop request to the end of the main process.
    pub(super) fn stop_ms(&self) -> Option<u64> {
        self.record.as_ref()?.stop_ms()
    }

    /// Whether the server became ready, so that there is a stop to judge.
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.readiness, Readiness::Ready { .. })
    }

    /// Whether the server spent more than a fifth of the stop, and more than 100 ms, waiting for a CPU.
    pub(super) fn is_starved(&self) -> bool {
        let stop_ms = self.stop_ms().unwrap_or_default();
        self.noise.waited_ms > 100 && self.noise.waited_ms.saturating_mul(5) > stop_ms
    }
}
