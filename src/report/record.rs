//! What is read of a record. Lenient: what it does not have is not told, and what is not known here is
//! passed over.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::observe::message::counted;
use crate::postmortem::look::Look;

/// A record, as far as it can be told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) command: Vec<String>,
    pub(crate) started: String,
    pub(crate) limit: Limit,
    pub(crate) main: Option<Process>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) stop: Option<Stop>,
    pub(crate) steps: Vec<Step>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) received: Vec<Received>,
    pub(crate) signals: Vec<Sent>,
    pub(crate) ends: Vec<End>,
    pub(crate) killed: Vec<Process>,
    pub(crate) survivors: Vec<Survivor>,
    #[serde(deserialize_with = "readable")]
    pub(crate) looks: Vec<Look>,
    pub(crate) progress: Option<String>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) resources: Option<Resources>,
    pub(crate) log: Vec<Line>,
    pub(crate) exit: Option<Exit>,
    pub(crate) exit_status: Option<u8>,
    pub(crate) outcome: Option<String>,
    /// What clients met: no part of a record, but known to `winddown check`.
    #[serde(skip)]
    pub(crate) probes: Vec<Probe>,
    #[serde(skip)]
    pub(crate) connections: Vec<Connection>,
}

/// One try to connect.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) at_ms: f64,
    pub(crate) result: Met,
    pub(crate) text: String,
}

/// A connection that was open at the stop.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) from_ms: f64,
    /// Nothing if it was open to the end.
    pub(crate) to_ms: Option<f64>,
    pub(crate) name: String,
    pub(crate) result: Met,
    pub(crate) text: String,
}

/// What a client met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Met {
    Good,
    /// Turned away, as it should be during a stop.
    Away,
    Bad,
}

/// Looks have many fields, and none may be left out: one of another version is better left out whole.
fn readable<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Look>, D::Error> {
    let looks = Vec::<Value>::deserialize(list)?;
    Ok(looks.into_iter().filter_map(|look| serde_json::from_value(look).ok()).collect())
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Limit {
    pub(crate) ms: Option<f64>,
    pub(crate) origin: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Phase {
    pub(crate) phase: String,
    pub(crate) at_ms: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stop {
    pub(crate) at_ms: f64,
    pub(crate) cause: String,
    pub(crate) signal: Option<String>,
    pub(crate) sender: Option<Sender>,
    pub(crate) deadline_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sender {
    pub(crate) kind: String,
    pub(crate) pid: i32,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    pub(crate) number: u32,
    pub(crate) at_ms: f64,
    pub(crate) action: String,
    pub(crate) signal: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) hook: Option<String>,
    pub(crate) share_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hook {
    pub(crate) at_ms: f64,
    #[serde(rename = "hook")]
    pub(crate) command: String,
    pub(crate) result: String,
    pub(crate) exit: Option<Exit>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Extension {
    pub(crate) at_ms: f64,
    pub(crate) time_ms: f64,
    pub(crate) granted: bool,
    pub(crate) process: Option<Process>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Received {
    pub(crate) at_ms: f64,
    pub(crate) signal: String,
    pub(crate) sender: Sender,
    pub(crate) forwarded: Option<String>,
    pub(crate) count: Option<u64>,
    pub(crate) last_at_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sent {
    pub(crate) at_ms: f64,
    pub(crate) signal: String,
    pub(crate) target: Process,
    pub(crate) purpose: String,
    pub(crate) result: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct End {
    pub(crate) at_ms: f64,
    pub(crate) pid: i32,
    pub(crate) name: Option<String>,
    pub(crate) exit: Exit,
}

/// One of the two is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Survivor {
    #[serde(flatten)]
    pub(crate) process: Process,
    pub(crate) reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) remedy: String,
    pub(crate) others: usize,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    pub(crate) cpu_user_ms: f64,
    pub(crate) cpu_system_ms: f64,
    pub(crate) memory_peak_bytes: Option<u64>,
    pub(crate) oom_kills: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    pub(crate) at_ms: f64,
    pub(crate) level: String,
    pub(crate) message: String,
}

impl Finding {
    /// With how many others are in the same case.
    pub(crate) fn text_with_others(&self) -> String {
        match self.others {
            0 => self.text.clone(),
            others => format!("{} (and {})", self.text, counted(others, "other process", "es")),
        }
    }
}

impl Record {
    /// When this phase began.
    pub(crate) fn phase_at_ms(&self, name: &str) -> Option<f64> {
        self.phases.iter().find(|phase| phase.phase == name).map(|phase| phase.at_ms)
    }

    /// When it was over, or the last that is known of it.
    pub(crate) fn end_ms(&self) -> f64 {
        let stopped = self.phase_at_ms("stopped");
        let latest = |times: &mut dyn Iterator<Item = f64>| times.fold(0.0, f64::max);
        let known = [
            latest(&mut self.phases.iter().map(|phase| phase.at_ms)),
            latest(&mut self.ends.iter().map(|end| end.at_ms)),
            latest(&mut self.log.iter().map(|line| line.at_ms)),
        ];
        stopped.unwrap_or_else(|| latest(&mut known.into_iter()))
    }

    /// Since when the main process is there. A stop that comes at that moment is never before it.
    pub(crate) fn main_from_ms(&self) -> f64 {
        let running_ms = self.phase_at_ms("running").unwrap_or_default();
        self.stop.as_ref().map_or(running_ms, |stop| running_ms.min(stop.at_ms))
    }

    /// From which moment on times are told: the stop request, or the start where there was none.
    pub(crate) fn zero_ms(&self) -> f64 {
        self.stop.as_ref().map_or(0.0, |stop| stop.at_ms)
    }

    /// How long the stop lasted.
    pub(crate) fn stop_time_ms(&self) -> Option<f64> {
        let stop = self.stop.as_ref()?;
        Some((self.phase_at_ms("stopped")? - stop.at_ms).max(0.0))
    }

    /// The name of a process, from wherever it is known.
    pub(crate) fn name_of(&self, pid: i32) -> Option<&str> {
        let seen = self.looks.iter().rev().flat_map(|look| &look.processes);
        let seen = seen.filter(|seen| seen.pid == pid).map(|seen| seen.name.as_str());
        let told = self.main.iter().chain(&self.killed).chain(self.signals.iter().map(|sent| &sent.target));
        let told = told.filter(|process| process.pid == pid).filter_map(|process| process.name.as_deref());
        let ended = self.ends.iter().filter(|end| end.pid == pid).filter_map(|end| end.name.as_deref());
        ended.chain(seen).chain(told).find(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_cannot_be_read_is_left_out() {
        let look = r#"{"at_ms": 5, "moment": "half", "processes": [], "left_out": 0}"#;
        let text = format!(r#"{{"schema": 1, "looks": [{{"at_ms": 1}}, {look}]}}"#);
        let record: Record = serde_json::from_str(&text).expect("a record");
        assert_eq!(record.looks.iter().map(|look| look.at_ms).collect::<Vec<_>>(), [5.0]);
    }
}
