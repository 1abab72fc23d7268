//! What is read of a record. Lenient: what it does not have is not told, and what is not known here is
//! passed over.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::observe::message::counted;
use crate::postmortem::look::Look;

/// A record, as far as it can be told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) command: Vec<String>,
    pub(super) started: String,
    pub(super) limit: Limit,
    pub(super) main: Option<Process>,
    pub(super) phases: Vec<Phase>,
    pub(super) stop: Option<Stop>,
    pub(super) steps: Vec<Step>,
    pub(super) hooks: Vec<Hook>,
    pub(super) received: Vec<Received>,
    pub(super) signals: Vec<Sent>,
    pub(super) ends: Vec<End>,
    pub(super) killed: Vec<Process>,
    pub(super) survivors: Vec<Survivor>,
    #[serde(deserialize_with = "readable")]
    pub(super) looks: Vec<Look>,
    pub(super) progress: Option<String>,
    pub(super) findings: Vec<Finding>,
    pub(super) resources: Option<Resources>,
    pub(super) log: Vec<Line>,
    pub(super) exit: Option<Exit>,
    pub(super) exit_status: Option<u8>,
    pub(super) outcome: Option<String>,
}

/// Looks have many fields, and none may be left out: one of another version is better left out whole.
fn readable<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Look>, D::Error> {
    let looks = Vec::<Value>::deserialize(list)?;
    Ok(looks.into_iter().filter_map(|look| serde_json::from_value(look).ok()).collect())
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Limit {
    pub(super) ms: Option<f64>,
    pub(super) origin: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Phase {
    pub(super) phase: String,
    pub(super) at_ms: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stop {
    pub(super) at_ms: f64,
    pub(super) cause: String,
    pub(super) signal: Option<String>,
    pub(super) sender: Option<Sender>,
    pub(super) deadline_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sender {
    pub(super) kind: String,
    pub(super) pid: i32,
    pub(super) name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) at_ms: f64,
    pub(super) action: String,
    pub(super) signal: Option<String>,
    pub(super) to: Option<String>,
    pub(super) hook: Option<String>,
    pub(super) share_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hook {
    pub(super) at_ms: f64,
    #[serde(rename = "hook")]
    pub(super) command: String,
    pub(super) result: String,
    pub(super) exit: Option<Exit>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Received {
    pub(super) at_ms: f64,
    pub(super) signal: String,
    pub(super) sender: Sender,
    pub(super) forwarded: Option<String>,
    pub(super) count: Option<u64>,
    pub(super) last_at_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    pub(super) at_ms: f64,
    pub(super) signal: String,
    pub(super) target: Process,
    pub(super) purpose: String,
    pub(super) result: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct End {
    pub(super) at_ms: f64,
    pub(super) pid: i32,
    pub(super) name: Option<String>,
    pub(super) exit: Exit,
}

/// One of the two is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Exit {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Survivor {
    pub(super) pid: i32,
    pub(super) name: Option<String>,
    pub(super) reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) remedy: String,
    pub(super) others: usize,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub(super) cpu_user_ms: f64,
    pub(super) cpu_system_ms: f64,
    pub(super) memory_peak_bytes: Option<u64>,
    pub(super) oom_kills: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    pub(super) at_ms: f64,
    pub(super) level: String,
    pub(super) message: String,
}

impl Finding {
    /// With how many others are in the same case.
    pub(super) fn text_with_others(&self) -> String {
        match self.others {
            0 => self.text.clone(),
            others => format!("{} (and {})", self.text, counted(others, "other process", "es")),
        }
    }
}

impl Record {
    /// When this phase began.
    pub(super) fn phase_at_ms(&self, name: &str) -> Option<f64> {
        self.phases.iter().find(|phase| phase.phase == name).map(|phase| phase.at_ms)
    }

    /// When it was over, or the last that is known of it.
    pub(super) fn end_ms(&self) -> f64 {
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
    pub(super) fn main_from_ms(&self) -> f64 {
        let running_ms = self.phase_at_ms("running").unwrap_or_default();
        self.stop.as_ref().map_or(running_ms, |stop| running_ms.min(stop.at_ms))
    }

    /// From which moment on times are told: the stop request, or the start where there was none.
    pub(super) fn zero_ms(&self) -> f64 {
        self.stop.as_ref().map_or(0.0, |stop| stop.at_ms)
    }

    /// How long the stop lasted.
    pub(super) fn stop_time_ms(&self) -> Option<f64> {
        let stop = self.stop.as_ref()?;
        Some((self.phase_at_ms("stopped")? - stop.at_ms).max(0.0))
    }

    /// The name of a process, from wherever it is known.
    pub(super) fn name_of(&self, pid: i32) -> Option<&str> {
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
