//! A line for each run, on a terminal only, for whoever waits in front of it.

use std::io::{self, IsTerminal, Write};

use super::observed::Observed;
use super::time::told as time;

/// How far the test has come.
pub(super) struct Progress {
    number: usize,
    count: usize,
    is_shown: bool,
}

impl Progress {
    /// So many runs are to come; the greatest number if nobody knows.
    pub(super) fn new(count: usize) -> Self {
        Self { number: 0, count, is_shown: io::stderr().is_terminal() }
    }

    /// The next run begins.
    pub(super) fn begins(&mut self, name: &str) {
        self.number += 1;
        let of = if self.count == usize::MAX { String::new() } else { format!("/{}", self.count) };
        self.tell(&format!("[{}{of}] {name} ", self.number));
    }

    /// And has ended.
    pub(super) fn ends(&self, run: &Observed) {
        let was_killed = run.record.as_ref().is_some_and(super::observed::Record::was_killed);
        let took = match run.stop_ms() {
            Some(ms) if was_killed => format!("killed after {}", time(ms)),
            Some(ms) => time(ms),
            None if run.missing.is_some() => "skipped".to_owned(),
            None => "no stop".to_owned(),
        };
        self.tell(&format!("{took}\n"));
    }

    fn tell(&self, text: &str) {
        if self.is_shown {
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}
