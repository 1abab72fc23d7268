//! What is left after the end.

use super::super::observed::{Before, LeftFile, Listener, Observed, Process, Record};
use super::super::options::Options;
use super::super::verdict::{Verdict, Word};
use crate::observe::message::counted;

/// Longer than this somebody else holds the output open.
const OPEN_MS_MAX: u64 = 500;

pub(super) fn survivors(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    let told = |word, text: String| Verdict::new("survivors", word, text);
    let is_allowed = |name: Option<&String>| {
        name.is_some_and(|name| options.allow.iter().any(|allowed| allowed.covers_process(name)))
    };
    let settled_ms = options.settle.as_secs_f64() * 1000.0;
    let ended = record.main_end_ms().unwrap_or_default();
    let mut stayed: Vec<String> = Vec::new();
    let mut short: Vec<String> = Vec::new();
    for (process, end) in record.stragglers().filter(|(process, _)| !is_allowed(process.name.as_ref())) {
        let by_signal = end.is_none_or(|end| end.exit.signal.is_some());
        let late = end.is_none_or(|end| end.at_ms - ended > settled_ms);
        // A shell does not wait: whoever is behind it was not even told.
        let is_behind_a_shell = seen.before.as_ref().is_some_and(|before| before.shell.is_some());
        if by_signal || late || is_behind_a_shell {
            stayed.push(process.to_string());
        } else {
            short.push(process.to_string());
        }
    }
    stayed.extend(lingering(options, seen));
    stayed.sort();
    stayed.dedup();
    if !stayed.is_empty() {
        let text = format!("{} left behind: {}", counted(stayed.len(), "process", "es"), stayed.join(", "));
        return told(Word::Fail, text).because("wait for all children before the main process ends");
    }
    if !short.is_empty() {
        let text = format!(
            "still there at the end of the main process, and gone after a signal: {}",
            short.join(", ")
        );
        return told(Word::Warn, text).because("wait for all children before the main process ends");
    }
    told(Word::Pass, "no process left".to_owned())
}

/// Processes that were still there at the time when nothing should be.
pub(super) fn lingering(options: &Options, seen: &Observed) -> Vec<String> {
    let is_allowed = |process: &&Process| {
        let name = process.name.as_deref().unwrap_or_default();
        options.allow.iter().any(|allowed| allowed.covers_process(name))
    };
    seen.left.processes.iter().filter(|process| !is_allowed(process)).map(ToString::to_string).collect()
}

pub(super) fn ports(options: &Options, seen: &Observed, before: &Before) -> Verdict {
    let told = |word, text: String| Verdict::new("ports", word, text);
    if before.listeners.is_empty() {
        return told(Word::Skip, "it listens nowhere".to_owned());
    }
    let is_left =
        |listener: &&Listener| !options.allow.iter().any(|allowed| allowed.covers_listener(listener));
    let left: Vec<&str> =
        seen.left.listeners.iter().filter(is_left).map(|listener| listener.address.as_str()).collect();
    if left.is_empty() {
        let number = before.listeners.len();
        return told(Word::Pass, format!("{number} of {number} free again"));
    }
    told(Word::Fail, format!("still listening after the end: {}", left.join(", ")))
        .because("a process that is left behind holds it; the next start would fail")
}

pub(super) fn files(options: &Options, seen: &Observed) -> Verdict {
    let is_left = |file: &&LeftFile| !options.allow.iter().any(|allowed| allowed.covers_file(&file.path));
    let left: Vec<&LeftFile> = seen.left.files.iter().filter(is_left).collect();
    if left.is_empty() {
        return Verdict::new("files", Word::Pass, "no socket, lock or pid file left");
    }
    let word = if left.iter().any(|file| file.is_near) { Word::Fail } else { Word::Warn };
    let names: Vec<String> = left.iter().map(|file| format!("{} ({})", file.path, file.kind)).collect();
    Verdict::new("files", word, format!("left: {}", names.join(", ")))
        .because("remove what it made before it exits")
}

pub(super) fn output(seen: &Observed) -> Verdict {
    let told = |word, text: String| Verdict::new("output", word, text);
    if !seen.output.alarming.is_empty() {
        return told(Word::Fail, "it fell apart after the signal".to_owned()).said(&seen.output.alarming);
    }
    match seen.output.open_ms {
        Some(0..=OPEN_MS_MAX) => told(Word::Pass, "closed at the end, nothing alarming".to_owned()),
        _ if seen.is_starved() => told(Word::Inconclusive, "the machine starved it".to_owned()),
        open_ms => {
            let text = open_ms.map_or_else(|| "is still".to_owned(), |ms| format!("was {ms} ms longer"));
            told(Word::Fail, format!("stdout or stderr {text} open after the end"))
                .because("a process that is left behind holds it; whoever reads it would hang")
        }
    }
}
