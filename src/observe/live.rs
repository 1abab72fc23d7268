//! The live line: the last line of a terminal, rewritten until a log line takes its place. winddown never
//! waits to write it, does not count a lost one, and never records it.

use std::time::Duration;

use super::wording::process;
use crate::os::io::sink::Sink;
use crate::os::process::tree::Process;
use crate::text::{counted, printable, short};

/// Clears the rest of the row, or of the screen.
const CLEAR_ROW: &str = "\x1b[K";
const CLEAR_ALL: &str = "\x1b[J";
/// The last column stays free: at a terminal's edge the cursor can move to the next row.
const FREE_COLUMNS: usize = 1;
const KILLS: &str = "Ctrl+C again kills now";

/// What a stop under way waits for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Live {
    /// The time since the stop request.
    pub(crate) after: Duration,
    /// The time until SIGKILL, if there is a limit.
    pub(crate) left: Option<Duration>,
    /// The hook that runs.
    pub(crate) hook: Option<String>,
    /// The first process that is still there.
    pub(crate) waits_for: Option<Process>,
    /// The number of other processes.
    pub(crate) others: usize,
    /// The number of their connections, if they could be counted.
    pub(crate) connections: Option<usize>,
    /// Whether the next Ctrl+C kills at once.
    pub(crate) interrupt_kills: bool,
}

impl Live {
    /// The longest form that fits: `stopping: 7.2s left; waiting for node (pid 4711), 2 connections; Ctrl+C again
    /// kills now`. Names are dropped first, and what Ctrl+C does last.
    fn fitting(&self, columns: usize) -> String {
        let time = match self.left {
            Some(left) => format!("{} left", countdown(left)),
            None => short(Duration::from_secs(self.after.as_secs())),
        };
        let stopping = match self.left {
            Some(_) => format!("stopping: {time}"),
            None => format!("stopping for {time}"),
        };
        let forms = [
            vec![stopping.clone(), self.waiting()],
            vec![stopping.clone(), self.waiting_unnamed()],
            vec![stopping],
            vec![time],
            Vec::new(),
        ];
        let kills = self.interrupt_kills.then(|| KILLS.to_owned());
        let joined = forms.into_iter().map(|parts| {
            let parts = parts.into_iter().chain(kills.clone()).filter(|part| !part.is_empty());
            printable(&parts.collect::<Vec<_>>().join("; "))
        });
        let mut joined: Vec<String> = joined.filter(|form| !form.is_empty()).collect();
        let fits = joined.iter().position(|form| width(form) <= columns);
        let shortest = joined.len().saturating_sub(1);
        cut(&joined.swap_remove(fits.unwrap_or(shortest)), columns)
    }

    /// `waiting for node (pid 4711) and 3 more, 2 connections`, or the hook that runs.
    fn waiting(&self) -> String {
        match (&self.hook, &self.waits_for) {
            (Some(hook), _) => format!("running '{hook}'"),
            (None, Some(first)) if self.others > 0 => {
                format!("waiting for {} and {} more{}", process(first), self.others, self.connected())
            }
            (None, Some(first)) => format!("waiting for {}{}", process(first), self.connected()),
            (None, None) => String::new(),
        }
    }

    /// `4 processes, 2 connections`.
    fn waiting_unnamed(&self) -> String {
        match (&self.hook, &self.waits_for) {
            (Some(_), _) => "running a hook".to_owned(),
            (None, Some(_)) => format!("{}{}", counted(self.others + 1, "process", "es"), self.connected()),
            (None, None) => String::new(),
        }
    }

    fn connected(&self) -> String {
        let count = self.connections.filter(|count| *count > 0);
        count.map(|count| format!(", {}", counted(count, "connection", "s"))).unwrap_or_default()
    }
}

/// Always with its tenth, so that the line does not jump.
fn countdown(left: Duration) -> String {
    let tenths = left.as_millis() / 100;
    if tenths < 600 { format!("{}.{}s", tenths / 10, tenths % 10) } else { short(left) }
}

/// The line on its terminal.
#[derive(Debug)]
pub(crate) struct LiveLine {
    /// `None` without a live line.
    terminal: Option<Sink>,
    /// The width of the shown text.
    shown: Option<usize>,
}

impl LiveLine {
    /// A line on this terminal, not shown yet.
    pub(super) const fn new(terminal: Option<Sink>) -> Self {
        Self { terminal, shown: None }
    }

    /// Whether there can be a live line.
    pub(super) const fn is_possible(&self) -> bool {
        self.terminal.is_some()
    }

    /// How many columns it may have; `None` if it may not be shown now.
    pub(super) fn columns(&self) -> Option<usize> {
        let columns = self.terminal.and_then(Sink::shared_columns)?;
        Some(columns.saturating_sub(FREE_COLUMNS)).filter(|columns| *columns > 0)
    }

    /// Shows it in place of its previous text, with one try. The cursor stays at its start: a terminal that
    /// rewraps lines when it becomes narrower moves the cursor with that start, so all rows of the previous text
    /// are after it.
    pub(super) fn show(&mut self, live: &Live, columns: usize) {
        if let Some(terminal) = self.terminal {
            let text = live.fitting(columns);
            let bytes = format!("\r{text}{}\r", self.clear(Some(columns)));
            if terminal.write(bytes.as_bytes()).is_ok_and(|written| written > 0) {
                self.shown = Some(width(&text));
            }
        }
    }

    /// Clears the rest of the previous text, which goes beyond its row only if the terminal has become too
    /// narrow.
    fn clear(&self, columns: Option<usize>) -> &'static str {
        let is_broken = self.shown.zip(columns).is_some_and(|(shown, columns)| shown > columns);
        if is_broken { CLEAR_ALL } else { CLEAR_ROW }
    }

    /// What a log line must begin with to take its place. SIGKILL and the end always have such a line.
    pub(super) fn prefix(&self) -> String {
        match self.shown {
            Some(_) => format!("\r{}", self.clear(self.columns())),
            None => String::new(),
        }
    }

    /// Notes that a log line has taken its place.
    pub(super) const fn note_overwritten(&mut self) {
        self.shown = None;
    }
}

/// How many columns a text takes at most: a character that is not ASCII can be two columns wide.
fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

const fn width_of(character: char) -> usize {
    if character.is_ascii() { 1 } else { 2 }
}

/// Cuts a text to what fits.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = width_of('…');
    let fits = |character: &char| {
        used += width_of(*character);
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

    fn words(live: &Live) -> String {
        live.fitting(1000)
    }

    #[test]
    fn it_says_how_long_and_for_whom() {
        assert_eq!(
            words(&live()),
            "stopping: 7.2s left; waiting for node (pid 4711), 2 connections; Ctrl+C again kills now"
        );
        let others = Live { others: 3, connections: None, interrupt_kills: false, ..live() };
        assert_eq!(words(&others), "stopping: 7.2s left; waiting for node (pid 4711) and 3 more");
        let endless = Live { left: None, connections: Some(0), interrupt_kills: false, ..live() };
        assert_eq!(words(&endless), "stopping for 2s; waiting for node (pid 4711)");
        let hook = Live { hook: Some("./drain".to_owned()), interrupt_kills: false, ..live() };
        assert_eq!(words(&hook), "stopping: 7.2s left; running './drain'");
    }

    #[test]
    fn the_narrower_the_terminal_the_less_it_says_and_never_at_the_cost_of_ctrl_c() {
        let several = Live { others: 3, ..live() };
        let hook = Live { hook: Some("./drain".to_owned()), ..live() };
        let endless = Live { left: None, waits_for: None, ..live() };
        for (live, columns, expected) in [
            (
                &several,
                99,
                "stopping: 7.2s left; waiting for node (pid 4711) and 3 more, 2 connections; Ctrl+C again kills now",
            ),
            (&several, 90, "stopping: 7.2s left; 4 processes, 2 connections; Ctrl+C again kills now"),
            (&several, 60, "stopping: 7.2s left; Ctrl+C again kills now"),
            (&several, 40, "7.2s left; Ctrl+C again kills now"),
            (&several, 30, "Ctrl+C again kills now"),
            (&several, 20, "Ctrl+C again kills…"),
            (&hook, 60, "stopping: 7.2s left; running a hook; Ctrl+C again kills now"),
            (&endless, 30, "2s; Ctrl+C again kills now"),
        ] {
            let shown = live.fitting(columns);
            assert!(width(&shown) <= columns, "{shown:?}");
            assert_eq!(shown, expected, "{columns} columns");
        }
        let by_term = Live { interrupt_kills: false, ..several };
        assert_eq!(by_term.fitting(20), "stopping: 7.2s left");
        assert_eq!(by_term.fitting(5), "7.2…");
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
