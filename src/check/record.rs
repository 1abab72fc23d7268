//! What is judged of a record.

use std::fmt;

use crate::report::record::{End, Exit, Process, Record};

/// The end of the main process and that of winddown are told apart only beyond that.
const AT_ONCE_MS: f64 = 1.0;

impl Record {
    /// When the main process had ended.
    #[must_use]
    pub(super) fn main_end_ms(&self) -> Option<f64> {
        let main = self.main.as_ref()?;
        let end = self.ends.iter().find(|end| end.pid == main.pid).map(|end| end.at_ms);
        end.or_else(|| self.phase_at_ms("stopped"))
    }

    /// From the request to the end of the main process.
    #[must_use]
    pub(super) fn stop_ms(&self) -> Option<u64> {
        Some(rounded(self.main_end_ms()? - self.stop.as_ref()?.at_ms))
    }

    /// From the request to the end of everything.
    #[must_use]
    pub(super) fn whole_ms(&self) -> Option<u64> {
        self.stop_time_ms().map(rounded)
    }

    /// Whether anybody had to be killed.
    #[must_use]
    pub(super) fn was_killed(&self) -> bool {
        !self.killed.is_empty()
    }

    /// Processes that had to be asked after the main process had ended, with the end of each.
    pub(super) fn stragglers(&self) -> impl Iterator<Item = (&Process, Option<&End>)> {
        let main = self.main.as_ref().map(|main| main.pid);
        let ended = self.main_end_ms().unwrap_or(f64::MAX);
        let is_late = move |at_ms: f64| at_ms + AT_ONCE_MS >= ended;
        let asked = self.signals.iter().filter(move |sent| sent.purpose == "ask" && is_late(sent.at_ms));
        let others = asked.map(|sent| &sent.target).filter(move |target| Some(target.pid) != main);
        others.map(|target| (target, self.ends.iter().find(|end| end.pid == target.pid)))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn rounded(ms: f64) -> u64 {
    ms.max(0.0).round() as u64
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

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name.as_deref().unwrap_or("a process"), self.pid)
    }
}
