//! What the checks read from a record.

use std::fmt;

use crate::check::time::whole_ms;
use crate::record::schema::{EndRecord, ExitRecord, ProcessRecord, Record, StopRecord};

/// Times in a record that are no further apart than this count as the same.
const AT_ONCE_MS: f64 = 1.0;

impl Record {
    /// When the main process ended.
    pub(in crate::check) fn main_end_ms(&self) -> Option<f64> {
        let main = self.main.as_ref()?;
        let end = self.ends.iter().find(|end| end.pid == main.pid).map(|end| end.at_ms);
        end.or_else(|| self.phase_at_ms("stopped"))
    }

    /// The time from the stop request to the end of the main process.
    pub(in crate::check) fn stop_ms(&self) -> Option<u64> {
        Some(whole_ms(self.main_end_ms()? - self.stop.as_ref()?.at_ms))
    }

    /// The time from the stop request to the end of the whole tree.
    pub(in crate::check) fn whole_ms(&self) -> Option<u64> {
        self.stop_time_ms().map(whole_ms)
    }

    /// Whether the main process ended before it was asked to stop.
    pub(in crate::check) fn ended_unasked(&self) -> bool {
        let ended_ms = self.main_end_ms().unwrap_or(f64::MAX);
        let is_before = |stop: &StopRecord| stop.cause == "main-exited" || ended_ms + AT_ONCE_MS < stop.at_ms;
        self.stop.as_ref().is_none_or(is_before)
    }

    /// Whether any process had to be killed.
    pub(in crate::check) fn was_killed(&self) -> bool {
        !self.killed.is_empty()
    }

    /// Whether this child outlived the main process, which would otherwise have reaped it.
    pub(in crate::check) fn has_outlived_main(&self, pid: i32) -> bool {
        self.ends.iter().any(|end| end.pid == pid)
            || self.killed.iter().any(|process| process.pid == pid)
            || self.survivors.iter().any(|survivor| survivor.process.pid == pid)
    }

    /// Processes that were asked to stop only after the main process had ended, each with its end.
    pub(in crate::check) fn stragglers(&self) -> impl Iterator<Item = (&ProcessRecord, Option<&EndRecord>)> {
        let main = self.main.as_ref().map(|main| main.pid);
        let ended = self.main_end_ms().unwrap_or(f64::MAX);
        let is_late = move |at_ms: f64| at_ms + AT_ONCE_MS >= ended;
        let asked = self.signals.iter().filter(move |sent| sent.purpose == "ask" && is_late(sent.at_ms));
        let others = asked.map(|sent| &sent.target).filter(move |target| Some(target.pid) != main);
        others.map(|target| (target, self.ends.iter().find(|end| end.pid == target.pid)))
    }
}

impl fmt::Display for ExitRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, &self.signal) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(signal)) => write!(f, "death by SIG{signal}"),
            (None, None) => f.write_str("an unknown end"),
        }
    }
}

impl fmt::Display for ProcessRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name.as_deref().unwrap_or("a process"), self.pid)
    }
}
