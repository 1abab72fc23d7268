//! The record of a run, as far as it is judged. What is not there is none.

use std::fmt;

use serde::Deserialize;

/// docs/record.schema.json has all of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// The main process.
    pub(super) main: Option<Process>,
    /// What began the stop.
    pub(super) stop: Option<Stop>,
    /// Each phase, and when it began.
    pub(super) phases: Vec<Phase>,
    /// Every signal that was sent.
    pub(super) signals: Vec<Sent>,
    /// Who was reaped.
    pub(super) ends: Vec<End>,
    /// Who had to be killed.
    pub(super) killed: Vec<Process>,
    /// Who outlived that.
    pub(super) survivors: Vec<Process>,
    /// Why.
    pub(super) findings: Vec<Finding>,
    /// What moved meanwhile, in one word.
    pub(super) progress: Option<String>,
    /// How the main process ended.
    pub(super) exit: Option<Exit>,
    /// In one word.
    pub(super) outcome: String,
    /// winddown's own.
    pub(super) exit_status: u8,
    /// The lines of the log.
    pub(super) log: Vec<Line>,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Process {
    /// Its id.
    pub(super) pid: i32,
    /// Its name, if it is known.
    pub(super) name: Option<String>,
}

/// The stop.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stop {
    /// When it began.
    pub(super) at_ms: f64,
}

/// A phase.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Phase {
    /// Its name.
    pub(super) phase: String,
    /// When it began.
    pub(super) at_ms: f64,
}

/// A signal that was sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    /// When.
    pub(super) at_ms: f64,
    /// To whom.
    pub(super) target: Option<Process>,
    /// `forward`, `ask`, `continue`, `kill`.
    pub(super) purpose: String,
}

/// The end of a process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct End {
    /// When.
    pub(super) at_ms: f64,
    /// Its id.
    pub(super) pid: i32,
    /// How.
    pub(super) exit: Option<Exit>,
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Exit {
    /// By itself, with this code.
    pub(super) code: Option<u8>,
    /// By this signal.
    pub(super) signal: Option<String>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, &self.signal) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(signal)) => write!(f, "death by SIG{signal}"),
            (None, None) => f.write_str("an unknown end"),
        }
    }
}

/// Why it had to be killed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    /// `W09`.
    pub(super) code: String,
    /// `draining`.
    pub(super) name: String,
    /// In one line.
    pub(super) text: String,
    /// What to do about it.
    pub(super) remedy: String,
}

/// A line of the log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    /// What it says.
    pub(super) message: String,
}

impl Record {
    /// When the main process had ended.
    #[must_use]
    pub(super) fn main_end_ms(&self) -> Option<f64> {
        let main = self.main.as_ref()?;
        let end = self.ends.iter().find(|end| end.pid == main.pid).map(|end| end.at_ms);
        end.or_else(|| self.phases.iter().find(|phase| phase.phase == "stopped").map(|phase| phase.at_ms))
    }

    /// From the request to the end of the main process.
    #[must_use]
    pub(super) fn stop_ms(&self) -> Option<u64> {
        Some(rounded(self.main_end_ms()? - self.stop.as_ref()?.at_ms))
    }

    /// From the request to the end of everything.
    #[must_use]
    pub(super) fn whole_ms(&self) -> Option<u64> {
        let stopped = self.phases.iter().find(|phase| phase.phase == "stopped")?;
        Some(rounded(stopped.at_ms - self.stop.as_ref()?.at_ms))
    }

    /// Processes that had to be asked after the main process had ended, with the end of each.
    pub(super) fn stragglers(&self) -> impl Iterator<Item = (&Process, Option<&End>)> {
        let main = self.main.as_ref().map(|main| main.pid);
        let ended = self.main_end_ms().unwrap_or(f64::MAX);
        let asked =
            self.signals.iter().filter(move |sent| sent.purpose == "ask" && sent.at_ms + 1.0 >= ended);
        let asked = asked.filter_map(|sent| sent.target.as_ref());
        let asked = asked.filter(move |target| Some(target.pid) != main);
        asked.map(|target| (target, self.ends.iter().find(|end| end.pid == target.pid)))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn rounded(ms: f64) -> u64 {
    ms.max(0.0).round() as u64
}
