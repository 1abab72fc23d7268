//! The lines on stderr: written without waiting for a reader, counted when they can't be.

use std::os::fd::RawFd;
use std::time::Duration;

use serde_json::{Value, json};

use super::live::{Live, LiveLine};
use super::{Fact, message};
use crate::lifecycle::event::Cause;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::phase::Phase;
use crate::os::clock::Clock;
use crate::os::descriptor::Sink;

const STDERR: RawFd = 2;

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Only what went wrong (`-q`).
    Error,
    /// Stops, and what is out of order.
    Info,
    /// Also starts, forwarded signals and reaped processes (`-v`).
    Detail,
}

impl Level {
    /// `error`, `info`, `detail`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Info => "info",
            Self::Detail => "detail",
        }
    }

    /// The terminal's colour for the prefix: red, none, dim.
    const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\x1b[31m",
            Self::Info => "\x1b[1m",
            Self::Detail => "\x1b[2m",
        }
    }
}

/// The log of a run.
#[expect(clippy::struct_excessive_bools, reason = "each is about another thing")]
#[derive(Debug)]
pub struct Log {
    sink: Option<Sink>,
    format: Format,
    level: Level,
    limit_origin: String,
    clock: Clock,
    phase: Phase,
    coloured: bool,
    lost: usize,
    /// Only a part of the last line was written: the next one must not be glued to it.
    torn: bool,
    /// Whether the run is quiet so far: then its end is not worth a line either.
    told: bool,
    is_unhurried: bool,
    live: LiveLine,
}

/// How often a line is tried on a terminal that others write to as well, when nothing is due soon.
const TERMINAL_TRIES: usize = 3;
/// The same for the last line, everywhere: nothing is held up by it, and no later one could say that it
/// was lost.
const LAST_TRIES: usize = 5;

impl Log {
    /// A log on stderr as it is now: closed stays closed, whatever gets the number later.
    #[must_use]
    pub fn new(format: Format, level: Level, limit_origin: String, clock: Clock) -> Self {
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
            coloured: may_colour(STDERR),
            lost: 0,
            torn: false,
            told: false,
            is_unhurried: false,
            live: LiveLine::new(sink.filter(|_| has_live)),
        }
    }

    /// Whether a line may take some milliseconds, on a terminal: nothing is due soon.
    pub const fn set_unhurried(&mut self, is_unhurried: bool) {
        self.is_unhurried = is_unhurried;
    }

    /// Whether there may be a live line.
    #[must_use]
    pub const fn has_live(&self) -> bool {
        self.live.is_possible()
    }

    /// How many columns it may have now; nothing where a line of the log has found no room, either.
    #[must_use]
    pub fn live_columns(&self) -> Option<usize> {
        self.live.columns().filter(|_| self.lost == 0 && !self.torn)
    }

    /// Shows it, or renews it.
    pub fn show_live(&mut self, live: &Live, columns: usize) {
        self.live.show(live, columns);
    }

    /// Whether facts of this level are told at all.
    #[must_use]
    pub fn wants(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Tells one fact, if it is worth a line at this level. The answer is what it came to.
    pub fn tell(&mut self, at: Duration, fact: &Fact) -> Option<(Level, Vec<String>)> {
        if let Fact::Phase(phase) = fact {
            self.phase = *phase;
        }
        let level = self.level_of(fact);
        if !self.wants(level) {
            return None;
        }
        let told = message::lines(fact, &self.limit_origin);
        if told.is_empty() {
            return None;
        }
        self.told |= level <= Level::Info;
        let is_last = matches!(fact, Fact::Ended { .. } | Fact::NotStarted(_));
        let is_terminal = self.sink.is_some_and(Sink::is_terminal);
        let tries = match is_last {
            true => LAST_TRIES,
            // One that has not made room will not do so for the next line.
            false if is_terminal && self.is_unhurried && self.lost == 0 => TERMINAL_TRIES,
            false => 1,
        };
        match self.format {
            Format::Text => told.iter().for_each(|text| self.write(&self.text(level, text), tries)),
            Format::Json => self.write(&self.json(at, level, fact, &told.join("\n")), tries),
        }
        Some((level, told))
    }

    fn level_of(&self, fact: &Fact) -> Level {
        match fact {
            Fact::NotStarted(_)
            | Fact::GaveUp { .. }
            | Fact::RecordFailed { .. }
            | Fact::TokenFailed { .. }
            | Fact::Sent(..) => Level::Error,
            Fact::Phase(_)
            | Fact::Started(_)
            | Fact::Forwarded { .. }
            | Fact::Reaped(..)
            | Fact::NoGuard(_)
            | Fact::HookEnded { exit: Exit::Code(0), .. } => Level::Detail,
            Fact::Ended { .. } if !self.told => Level::Detail,
            _ => Level::Info,
        }
    }

    fn text(&self, level: Level, text: &str) -> String {
        let text = printable(text);
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
        let mut line = json!({
            "time": time.to_string(),
            "elapsed_ms": milliseconds(at),
            "level": level.name(),
            "phase": self.phase,
            "event": event(fact),
            "message": text,
        });
        if self.lost > 0 {
            line["lost_lines"] = json!(self.lost);
        }
        if let (Value::Object(line), Value::Object(details)) = (&mut line, details(fact, &self.limit_origin))
        {
            line.extend(details);
        }
        format!("{line}\n")
    }

    fn write(&mut self, line: &str, tries: usize) {
        let Some(sink) = self.sink else { return };
        let line = if self.torn { format!("\n{line}") } else { format!("{}{line}", self.live.prefix()) };
        let written = sink.write_patiently(line.as_bytes(), tries).unwrap_or_default();
        if written > 0 {
            self.live.is_gone();
            self.torn = !line.as_bytes()[..written].ends_with(b"\n");
        }
        self.lost = if written == line.len() { 0 } else { self.lost + 1 };
    }
}

/// Whether it is a terminal that shows colours, and nobody asked for none.
pub(crate) fn may_colour(descriptor: RawFd) -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb();
    !no_colour && Sink::inherited(descriptor).is_some_and(Sink::is_terminal)
}

/// Whether the terminal, if it is one, knows no escape codes.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Names of commands, files and processes are anybody's: none may break the line, or command the
/// terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

/// Milliseconds with three digits behind the point: the kernel's clock knows more, nobody else does.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for runs of up to 285 years")]
    let microseconds = duration.as_micros() as f64;
    // One division is rounded once: 1.402, never 1.4020000000000001.
    microseconds / 1000.0
}

const fn event(fact: &Fact) -> &'static str {
    match fact {
        Fact::Phase(_) => "phase",
        Fact::Started(_) => "started",
        Fact::NotStarted(_) => "not-started",
        Fact::Forwarded { .. } => "forwarded",
        Fact::Sent(..) => "not-sent",
        Fact::Reaped(..) => "reaped",
        Fact::MainStopped(_) => "main-stopped",
        Fact::StopRequested { .. } => "stop-requested",
        Fact::Repeated { .. } => "repeated",
        Fact::Abandoned { .. } => "abandoned",
        Fact::Step { .. } => "step",
        Fact::Dumped(_) => "dumped",
        Fact::HookEnded { .. } => "hook-ended",
        Fact::HookFailed { .. } => "hook-failed",
        Fact::HookOverran { .. } => "hook-overran",
        Fact::Extended { .. } => "extended",
        Fact::NotExtended { .. } => "not-extended",
        Fact::NoGuard(_) => "no-guard",
        Fact::KillAsked(_) => "kill-asked",
        Fact::HalfTime { .. } => "half-time",
        Fact::ShellWaits { .. } => "shell-waits",
        Fact::MainExited { .. } => "main-exited",
        Fact::Killing { .. } => "killing",
        Fact::PostMortem(_) => "post-mortem",
        Fact::GaveUp { .. } => "gave-up",
        Fact::KilledByOthers { .. } => "killed-by-others",
        Fact::Ended { .. } => "ended",
        Fact::TokenFailed { .. } => "token-failed",
        Fact::RecordFailed { .. } => "record-failed",
    }
}

/// What a machine would otherwise have to read out of the message.
fn details(fact: &Fact, limit_origin: &str) -> Value {
    use super::record::{errno_name, exit, process, processes, sender, signal};
    match fact {
        Fact::Started(main) | Fact::MainStopped(main) => json!({ "process": process(main) }),
        Fact::Forwarded { signal: received, sender: by, forwarded } => json!({
            "signal": signal(*received), "sender": sender(by), "forwarded": forwarded.map(signal),
        }),
        Fact::Sent(sent, _) => {
            let error = sent.error.as_ref().map(errno_name);
            json!({ "signal": signal(sent.signal), "process": process(&sent.target), "error": error })
        }
        Fact::Reaped(child, how) => json!({ "process": process(child), "exit": exit(*how) }),
        Fact::StopRequested { cause, sender: by, main, main_exit, asked_with, asked, kill_in } => json!({
            "asked_with": asked_with.map(signal),
            "cause": super::record::cause(*cause),
            "process": process(main),
            "exit": main_exit.map(exit),
            "signal": if let Cause::Signal(received) = cause { Some(signal(received.signal)) } else { None },
            "sender": by.as_ref().map(sender),
            "asked": processes(asked),
            "kill_in_ms": kill_in.map(milliseconds),
            "limit_origin": limit_origin,
        }),
        Fact::Repeated { received, sender: by, forwarded } => json!({
            "signal": signal(received.signal), "sender": sender(by), "forwarded": forwarded.map(signal),
        }),
        Fact::KillAsked(by) => json!({ "sender": sender(by) }),
        Fact::Abandoned { kill_in } => json!({ "kill_in_ms": milliseconds(*kill_in) }),
        Fact::HalfTime { left, there } => {
            json!({ "left_ms": milliseconds(*left), "there": processes(there) })
        }
        Fact::ShellWaits { shell, child } => {
            json!({ "shell": process(shell), "child": process(child) })
        }
        Fact::MainExited { main, exit: how, after, asked } => json!({
            "process": process(main), "exit": exit(*how), "after_ms": milliseconds(*after), "asked": processes(asked),
        }),
        Fact::Killing { after, victims } => {
            json!({ "after_ms": milliseconds(*after), "victims": processes(victims) })
        }
        Fact::PostMortem(found) if cfg!(feature = "postmortem") => {
            json!({ "progress": found.progress, "findings": found.findings })
        }
        Fact::GaveUp { survivors, .. } => {
            json!({ "survivors": super::record::survivors(survivors) })
        }
        Fact::Ended { outcome, main, main_exit, took, .. } => json!({
            "outcome": outcome, "process": process(main), "exit": main_exit.map(exit), "took_ms": took.map(milliseconds),
        }),
        Fact::RecordFailed { file, error } | Fact::TokenFailed { file, error } => {
            json!({ "file": file, "error": errno_name(error) })
        }
        Fact::Step { count, .. } => {
            let mut step = super::record::step(fact);
            step["count"] = json!(count);
            step
        }
        Fact::Dumped(targets) => json!({ "processes": processes(targets) }),
        Fact::HookEnded { hook, exit: how } => json!({ "hook": hook, "exit": exit(*how) }),
        Fact::HookFailed { hook, error } => json!({ "hook": hook, "error": errno_name(error) }),
        Fact::HookOverran { hook } => json!({ "hook": hook }),
        Fact::Extended { by, kill_in, requester } => json!({
            "by_ms": milliseconds(*by), "kill_in_ms": kill_in.map(milliseconds), "process": requester.as_ref().map(process),
        }),
        Fact::NotExtended { wanted, requester } => json!({
            "wanted_ms": milliseconds(*wanted), "process": requester.as_ref().map(process),
        }),
        Fact::KilledByOthers { main, oom_kills } => {
            json!({ "process": process(main), "oom_kills": oom_kills })
        }
        Fact::NoGuard(error) => json!({ "error": errno_name(error) }),
        Fact::Phase(_) | Fact::NotStarted(_) | Fact::PostMortem(_) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_at_most() {
        for (microseconds, text) in
            [(0, "0.0"), (1402, "1.402"), (16_820, "16.82"), (2001, "2.001"), (1_234_567_891, "1234567.891")]
        {
            assert_eq!(json!(milliseconds(Duration::from_micros(microseconds))).to_string(), text);
        }
    }

    #[test]
    fn names_can_neither_break_a_line_nor_command_the_terminal() {
        assert_eq!(printable("a\nb\x1b[2Jc"), "a\\nb\\u{1b}[2Jc");
        assert_eq!(printable("plain 'text', ünd ∞"), "plain 'text', ünd ∞");
    }
}
