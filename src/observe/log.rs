//! The log lines on stderr: written without waiting for a reader, and counted when they are lost.

use std::os::fd::RawFd;
use std::time::Duration;

use serde::Serialize;

use super::live::{Live, LiveLine};
use super::wording;
use crate::fact::Fact;
use crate::fact::level::Level;
use crate::lifecycle::phase::Phase;
use crate::os::clock::Clock;
use crate::os::io::sink::Sink;
use crate::os::io::terminal::{is_dumb, may_colour};
use crate::text::{milliseconds, printable, printable_json};

const STDERR: RawFd = 2;

/// A log line for machines.
#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    elapsed_ms: f64,
    level: &'static str,
    phase: Phase,
    /// The number of the try, in a run that may have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    message: &'a str,
    #[serde(flatten)]
    event: &'a Fact,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_lines: Option<usize>,
}

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log of a run.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[derive(Debug)]
pub(crate) struct Log {
    sink: Option<Sink>,
    format: Format,
    level: Level,
    limit_origin: String,
    clock: Clock,
    phase: Phase,
    attempt: Option<u32>,
    coloured: bool,
    lost: usize,
    /// Only a part of the last line was written: the next one must start on a line of its own.
    torn: bool,
    /// Whether anything was logged so far: the end of a quiet run is not worth a line either.
    has_logged: bool,
    is_unhurried: bool,
    live: LiveLine,
}

/// How often to try a line on a terminal that other processes write to as well, when nothing is due soon.
const TERMINAL_TRIES: usize = 3;
/// The same for the last line, on any sink: it holds up nothing, and no later line could report its loss.
const LAST_TRIES: usize = 5;

impl Log {
    /// A log on stderr as it is now: closed stays closed, whatever file gets its number later.
    pub(crate) fn new(format: Format, level: Level, limit_origin: String, clock: Clock) -> Self {
        let sink = Sink::inherited(STDERR);
        let is_for_people = format == Format::Text && level >= Level::Info;
        let has_live = is_for_people && sink.is_some_and(Sink::is_terminal) && !is_dumb();
        Self {
            sink,
            format,
            level,
            limit_origin,
            clock,
            phase: Phase::Starting,
            attempt: None,
            coloured: may_colour(STDERR),
            lost: 0,
            torn: false,
            has_logged: false,
            is_unhurried: false,
            live: LiveLine::new(sink.filter(|_| has_live)),
        }
    }

    /// Sets whether a line on a terminal may take some milliseconds, because nothing is due soon.
    pub(crate) const fn set_unhurried(&mut self, is_unhurried: bool) {
        self.is_unhurried = is_unhurried;
    }

    /// Whether a live line is possible.
    pub(crate) const fn has_live(&self) -> bool {
        self.live.is_possible()
    }

    /// How many columns the live line may have now; `None` also while a log line has found no room.
    pub(crate) fn live_columns(&self) -> Option<usize> {
        self.live.columns().filter(|_| self.lost == 0 && !self.torn)
    }

    /// Shows or renews the live line.
    pub(crate) fn show_live(&mut self, live: &Live, columns: usize) {
        self.live.show(live, columns);
    }

    /// Whether facts of this level are logged.
    pub(crate) fn wants(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Logs one fact, if it is worth a line at this level. Returns its level and its lines.
    pub(crate) fn log(&mut self, at: Duration, fact: &Fact) -> Option<(Level, Vec<String>)> {
        match fact {
            Fact::Phase(phase) => self.phase = *phase,
            Fact::Try { attempt } => self.attempt = Some(*attempt),
            _ => {}
        }
        let level = match fact {
            // The end of a quiet run is not worth a line.
            Fact::Ended { .. } if !self.has_logged => Level::Detail,
            _ => fact.level(),
        };
        if !self.wants(level) {
            return None;
        }
        let lines = wording::lines(fact, &self.limit_origin);
        if lines.is_empty() {
            return None;
        }
        // Advice is not an event, and the line about a kill says how the main process ended.
        let needs_no_end = matches!(fact, Fact::KilledByOthers { main: Some(_), .. } | Fact::Advice { .. });
        self.has_logged |= level <= Level::Info && !needs_no_end;
        let is_last = matches!(fact, Fact::Ended { .. } | Fact::NotStarted { .. });
        let is_terminal = self.sink.is_some_and(Sink::is_terminal);
        let tries = match is_last {
            true => LAST_TRIES,
            // A terminal without room for one line has none for the next.
            false if is_terminal && self.is_unhurried && self.lost == 0 => TERMINAL_TRIES,
            false => 1,
        };
        match self.format {
            Format::Text => lines.iter().for_each(|text| self.write(&self.text(level, text), tries)),
            Format::Json => self.write(&self.json(at, level, fact, &lines.join("\n")), tries),
        }
        Some((level, lines))
    }

    fn text(&self, level: Level, text: &str) -> String {
        let attempt = self.attempt.map(|attempt| format!("try {attempt}: ")).unwrap_or_default();
        let text = format!("{attempt}{}", printable(text));
        let lost = match self.lost {
            0 => String::new(),
            1 => " (1 line before this one was lost)".to_owned(),
            count => format!(" ({count} lines before this one were lost)"),
        };
        // A full-screen program may have switched off the translation of line ends.
        let end = if self.sink.is_some_and(Sink::is_terminal) { "\r\n" } else { "\n" };
        if self.coloured {
            format!("{}winddown:\x1b[0m {text}{lost}{end}", level.colour())
        } else {
            format!("winddown: {text}{lost}{end}")
        }
    }

    fn json(&self, at: Duration, level: Level, fact: &Fact, text: &str) -> String {
        let time = humantime::format_rfc3339_millis(self.clock.started_wall() + at);
        let line = JsonLine {
            time: time.to_string(),
            elapsed_ms: milliseconds(at),
            level: level.name(),
            phase: self.phase,
            attempt: self.attempt,
            message: text,
            event: fact,
            limit_origin: Some(&*self.limit_origin).filter(|_| matches!(fact, Fact::StopRequested { .. })),
            lost_lines: Some(self.lost).filter(|lost| *lost > 0),
        };
        // Everything in it has a form in JSON.
        serde_json::to_string(&line).map_or_else(|_| String::new(), |line| printable_json(line) + "\n")
    }

    fn write(&mut self, line: &str, tries: usize) {
        let Some(sink) = self.sink else { return };
        let line = if self.torn { format!("\n{line}") } else { format!("{}{line}", self.live.prefix()) };
        let written = sink.write_patiently(line.as_bytes(), tries).unwrap_or_default();
        if written > 0 {
            self.live.note_overwritten();
            self.torn = !line.as_bytes()[..written].ends_with(b"\n");
        }
        self.lost = if written == line.len() { 0 } else { self.lost + 1 };
    }
}
