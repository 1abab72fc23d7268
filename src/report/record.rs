//! What `report` computes from a record.

use crate::record::schema::{FindingRecord, Record};
use crate::text::and_others;

impl FindingRecord {
    /// The finding's text, with how many other processes are in the same case.
    pub(crate) fn text_with_others(&self) -> String {
        format!("{}{}", self.text, and_others(self.others))
    }
}

impl Record {
    /// When this phase began.
    pub(crate) fn phase_at_ms(&self, name: &str) -> Option<f64> {
        self.phases.iter().find(|phase| phase.phase == name).map(|phase| phase.at_ms)
    }

    /// When the run ended, or the last known moment of it.
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

    /// When the main process started, never after the stop request.
    pub(crate) fn main_from_ms(&self) -> f64 {
        let running_ms = self.phase_at_ms("running").unwrap_or_default();
        self.stop.as_ref().map_or(running_ms, |stop| running_ms.min(stop.at_ms))
    }

    /// The zero of all times that are shown: the stop request, or the start if there was none.
    pub(crate) fn zero_ms(&self) -> f64 {
        self.stop.as_ref().map_or(0.0, |stop| stop.at_ms)
    }

    /// When the last try started: what else the record holds is about it.
    pub(crate) fn try_from_ms(&self) -> f64 {
        self.tries.last().map_or(0.0, |last| last.started_ms)
    }

    /// How many processes were killed.
    pub(crate) fn killed_count(&self) -> usize {
        self.killed.len().saturating_add(self.left_out.killed)
    }

    /// How long the stop lasted.
    pub(crate) fn stop_time_ms(&self) -> Option<f64> {
        let stop = self.stop.as_ref()?;
        Some((self.phase_at_ms("stopped")? - stop.at_ms).max(0.0))
    }

    /// The name of a process, from any part of the record that has it.
    pub(crate) fn name_of(&self, pid: i32) -> Option<&str> {
        let seen = self.looks.iter().rev().flat_map(|look| &look.processes);
        let seen = seen.filter(|seen| seen.pid == pid).map(|seen| seen.name.as_str());
        let others = self.main.iter().chain(&self.killed).chain(self.signals.iter().map(|sent| &sent.target));
        let others =
            others.filter(|process| process.pid == pid).filter_map(|process| process.name.as_deref());
        let ended = self.ends.iter().filter(|end| end.pid == pid).filter_map(|end| end.name.as_deref());
        ended.chain(seen).chain(others).find(|name| !name.is_empty())
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
