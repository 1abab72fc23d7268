//! A line for each run, for the person who waits at a terminal. Not with `-v`, which says more.

use std::io::{self, IsTerminal, Write};

use crate::check::observed::Observed;
use crate::check::time::short;

/// How far the test has come.
pub(super) struct ProgressLine {
    number: usize,
    count: usize,
    is_shown: bool,
}

impl ProgressLine {
    /// For this many runs; `usize::MAX` if that is not known.
    pub(super) fn new(count: usize, is_traced: bool) -> Self {
        Self { number: 0, count, is_shown: !is_traced && io::stderr().is_terminal() }
    }

    /// How many have begun.
    pub(super) const fn number(&self) -> usize {
        self.number
    }

    /// Shows that the next run begins.
    pub(super) fn begins(&mut self, name: &str, server: Option<&str>) {
        self.number += 1;
        // Some are played twice.
        self.count = self.count.max(self.number);
        let of = if self.count == usize::MAX { String::new() } else { format!("/{}", self.count) };
        let server = server.map(|server| format!("{server}: ")).unwrap_or_default();
        self.print(&format!("[{}{of}] {server}{name} ", self.number));
    }

    /// Shows how it ended.
    pub(super) fn ends(&self, run: &Observed) {
        let was_killed = run.record.as_ref().is_some_and(crate::check::observed::Record::was_killed);
        let took = match run.stop_ms() {
            Some(ms) if was_killed => format!("killed after {}", short(ms)),
            Some(ms) => short(ms),
            None if run.missing.is_some() => "skipped".to_owned(),
            None => "no stop".to_owned(),
        };
        self.print(&format!("{took}\n"));
    }

    fn print(&self, text: &str) {
        if self.is_shown {
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}
