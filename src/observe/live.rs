//! The live line: the last one of a terminal, written over again until a line of the log takes its place. It is never waited
//! for, never lost and never recorded.

use std::fmt::Write as _;
use std::time::Duration;

use super::log::printable;
use super::message::{counted, process, short};
use crate::os::descriptor::Sink;
use crate::os::tree::Process;

/// To the start of the line, and nothing on it.
const CLEAR: &str = "\r\x1b[K";
/// Columns left free: the last one, and two for the `^C` that a terminal shows for the key.
const FREE_COLUMNS: usize = 3;

/// What a stop under way waits for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Live {
    /// Since the stop request.
    pub after: Duration,
    /// Until SIGKILL, if there is a limit.
    pub left: Option<Duration>,
    /// The hook that runs.
    pub hook: Option<String>,
    /// The first of those who are still there.
    pub waits_for: Option<Process>,
    /// How many others there are.
    pub others: usize,
    /// How many connections they have, as far as it could be counted.
    pub connections: Option<usize>,
    /// Whether the next Ctrl+C kills at once.
    pub interrupt_kills: bool,
}

impl Live {
    /// `stopping: 7.2s left; waiting for node (pid 4711), 2 connections; Ctrl+C again kills now`.
    fn words(&self) -> String {
        let mut words = match self.left {
            Some(left) => format!("stopping: {} left", countdown(left)),
            None => format!("stopping for {}", short(Duration::from_secs(self.after.as_secs()))),
        };
        if let Some(hook) = &self.hook {
            let _ = write!(words, "; running '{hook}'");
        } else if let Some(first) = &self.waits_for {
            let _ = write!(words, "; waiting for {}", process(first));
            if self.others > 0 {
                let _ = write!(words, " and {} more", self.others);
            }
            if let Some(count) = self.connections.filter(|count| *count > 0) {
                let _ = write!(words, ", {}", counted(count, "connection", "s"));
            }
        }
        if self.interrupt_kills {
            words.push_str("; Ctrl+C again kills now");
        }
        words
    }
}

/// Always with its tenth: what is renewed should not jump about.
fn countdown(left: Duration) -> String {
    let tenths = left.as_millis() / 100;
    if tenths < 600 { format!("{}.{}s", tenths / 10, tenths % 10) } else { short(left) }
}

/// The line on its terminal.
#[derive(Debug)]
pub struct LiveLine {
    /// Nothing where there is to be none.
    terminal: Option<Sink>,
    is_shown: bool,
}

impl LiveLine {
    /// A line that is not shown yet, on this terminal.
    pub(super) const fn new(terminal: Option<Sink>) -> Self {
        Self { terminal, is_shown: false }
    }

    /// Whether there may be one at all.
    pub(super) const fn is_possible(&self) -> bool {
        self.terminal.is_some()
    }

    /// How many columns it may have, where it may be shown right now.
    pub(super) fn columns(&self) -> Option<usize> {
        let columns = self.terminal.and_then(Sink::shared_columns)?;
        Some(columns.saturating_sub(FREE_COLUMNS)).filter(|columns| *columns > 0)
    }

    /// Shows it in the place of what it said before, with one try.
    pub(super) fn show(&mut self, live: &Live, columns: usize) {
        if let Some(terminal) = self.terminal {
            let text = cut(&printable(&live.words()), columns);
            let bytes = format!("\r{text}\x1b[K");
            self.is_shown |= terminal.write(bytes.as_bytes()).is_ok_and(|written| written > 0);
        }
    }

    /// What a line of the log has to begin with to take its place. SIGKILL and the end have such a line
    /// always.
    pub(super) const fn prefix(&self) -> &'static str {
        if self.is_shown { CLEAR } else { "" }
    }

    /// Another line has taken its place.
    pub(super) const fn is_gone(&mut self) {
        self.is_shown = false;
    }
}

/// As much as fits. What is not ASCII may be two columns wide, and counts as if it were.
fn cut(text: &str, columns: usize) -> String {
    let width = |character: char| if character.is_ascii() { 1 } else { 2 };
    if text.chars().map(width).sum::<usize>() <= columns {
        return text.to_owned();
    }
    let mut used = width('…');
    let fits = |character: &char| {
        used += width(*character);
        used <= columns
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Live {
        Live {
            after: Duration::from_millis(2800),
            left: Some(Duration::from_millis(7210)),
            waits_for: Some(Process { pid: 4711, name: "node".to_owned() }),
            connections: Some(2),
            interrupt_kills: true,
            ..Live::default()
        }
    }

    #[test]
    fn it_says_how_long_and_for_whom() {
        assert_eq!(
            live().words(),
            "stopping: 7.2s left; waiting for node (pid 4711), 2 connections; Ctrl+C again kills now"
        );
        let others = Live { others: 3, connections: None, interrupt_kills: false, ..live() };
        assert_eq!(others.words(), "stopping: 7.2s left; waiting for node (pid 4711) and 3 more");
        let endless = Live { left: None, connections: Some(0), interrupt_kills: false, ..live() };
        assert_eq!(endless.words(), "stopping for 2s; waiting for node (pid 4711)");
        let hook = Live { hook: Some("./drain".to_owned()), interrupt_kills: false, ..live() };
        assert_eq!(hook.words(), "stopping: 7.2s left; running './drain'");
    }

    #[test]
    fn the_countdown_keeps_its_form() {
        for (milliseconds, text) in [(99, "0.0s"), (1000, "1.0s"), (59_999, "59.9s"), (90_500, "1m 30s")] {
            assert_eq!(countdown(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn it_is_cut_where_it_does_not_fit() {
        assert_eq!(cut("stopping", 8), "stopping");
        assert_eq!(cut("stopping", 7), "stopp…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日…");
        assert_eq!(cut("stopping", 1), "…");
    }
}
