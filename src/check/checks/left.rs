//! Checks of what the server leaves behind.

use super::check::{Case, Check, Judge, Profile};
use super::start;
use super::verdict::Verdict;
use crate::check::observed::{Before, LeftFile, Listener, Observed, ProcessRecord, Record};
use crate::check::options::Options;
use crate::check::runs::scenario::Scenario;
use crate::check::time::short;
use crate::text::counted;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[STRAGGLERS, PORTS, FILES, OUTPUT];

/// Output that stays open longer than this after the end is held by another process.
const OPEN_MS_MAX: u64 = 500;

const STRAGGLERS: Check = Check {
    id: "survivors",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "no process is left behind",
    more: "Fails when another of the server's processes lives on after the main process has ended: in a \
         container it would be killed in the middle of its work, elsewhere it would stay. Wait for all \
         children before exiting. Allow exceptions with --allow proc:NAME.",
    judge: Judge::Stop(survivors),
};

/// What a server that ended by itself has left is not left by a stop.
fn survivors(case: &Case<'_>) -> Verdict {
    let Case { options, seen, record, .. } = *case;
    if record.ended_unasked() {
        return start::ended_early(STRAGGLERS.id, options, seen, record).proves_nothing(false);
    }
    stragglers(options, seen, record)
}

pub(super) fn stragglers(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    const WAIT: &str = "wait for all children before the main process ends";
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
        // The shell does not wait, and the server behind it never got the signal.
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
        return Verdict::fail(STRAGGLERS.id, text, WAIT);
    }
    if !short.is_empty() {
        let text =
            format!("still there when the main process ended, gone after a signal: {}", short.join(", "));
        return Verdict::warn(STRAGGLERS.id, text, WAIT);
    }
    Verdict::pass(STRAGGLERS.id, "no process left")
}

/// Processes that are still there after `--settle`, but for those that are allowed.
pub(super) fn lingering(options: &Options, seen: &Observed) -> Vec<String> {
    let is_allowed = |process: &&ProcessRecord| {
        let name = process.name.as_deref().unwrap_or_default();
        options.allow.iter().any(|allowed| allowed.covers_process(name))
    };
    seen.left.processes.iter().filter(|process| !is_allowed(process)).map(ToString::to_string).collect()
}

const PORTS: Check = Check {
    id: "ports",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the server's ports are free again",
    more: "Fails when a listening socket of the server is still open --settle after the main process has \
         ended: the next start would fail with 'address already in use'. Allow exceptions with --allow \
         port:N.",
    judge: Judge::Stop(|case| ports(case.options, case.seen, case.before)),
};

fn ports(options: &Options, seen: &Observed, before: &Before) -> Verdict {
    if before.listeners.is_empty() {
        return Verdict::skip(PORTS.id, "the server listens nowhere");
    }
    let is_left =
        |listener: &&Listener| !options.allow.iter().any(|allowed| allowed.covers_listener(listener));
    let left: Vec<&str> =
        seen.left.listeners.iter().filter(is_left).map(|listener| listener.address.as_str()).collect();
    if left.is_empty() {
        let number = before.listeners.len();
        return Verdict::pass(PORTS.id, format!("{number} of {number} free again"));
    }
    Verdict::fail(
        PORTS.id,
        format!("still listening after the end: {}", left.join(", ")),
        "end every process that holds the socket: the next start would fail with 'address already in use'",
    )
}

pub(in crate::check) const FILES: Check = Check {
    id: "files",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the server removes its sockets, locks and pid files",
    more: "Fails when a unix socket, lock or pid file that the server made is left in its directory or in \
         --watch DIR; warns when one is left elsewhere, or when a file that no process holds is left in \
         /dev/shm; the verdict says where that file may be another program's. The next start may trip over \
         what is left. Allow exceptions with --allow file:GLOB.",
    judge: Judge::Stop(|case| files(case.options, case.seen)),
};

pub(super) fn files(options: &Options, seen: &Observed) -> Verdict {
    let is_left = |file: &&LeftFile| !options.allow.iter().any(|allowed| allowed.covers_file(&file.path));
    let (unclear, left): (Vec<&LeftFile>, Vec<&LeftFile>) =
        seen.left.files.iter().filter(is_left).partition(|file| file.kind == LeftFile::UNCLEAR);
    if let (Some(file), true) = (unclear.first(), left.is_empty()) {
        let text = format!("not seen in time: whether a process still holds {}", file.path);
        return Verdict::inconclusive(FILES.id, text);
    }
    if left.is_empty() {
        return Verdict::pass(FILES.id, "no socket, lock or pid file left");
    }
    let names: Vec<String> = left.iter().map(|file| format!("{} ({})", file.path, file.kind)).collect();
    let text = format!("left behind: {}", names.join(", "));
    let remedy = "remove these files before the server exits";
    if left.iter().any(|file| file.is_near) {
        Verdict::fail(FILES.id, text, remedy)
    } else {
        Verdict::warn(FILES.id, text, remedy)
    }
}

const OUTPUT: Check = Check {
    id: "output",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the server prints no panic, and its output is closed",
    more: "Fails when the server prints a panic, a traceback or a sanitizer's report after the signal, or \
         when another process holds its stdout or stderr open after the end: a reader (a CI job, a log \
         shipper) would hang.",
    judge: Judge::Stop(|case| output(case.seen)),
};

pub(super) fn output(seen: &Observed) -> Verdict {
    if !seen.output.alarming.is_empty() {
        let text = "the server printed a panic or a crash after the signal";
        let remedy =
            "stop the work first, then close what it needs; the first of these lines says where it failed";
        return Verdict::fail(OUTPUT.id, text, remedy).said(&seen.output.alarming);
    }
    match seen.output.open_ms {
        Some(0..=OPEN_MS_MAX) => Verdict::pass(OUTPUT.id, "closed at the end, nothing alarming"),
        _ if seen.is_starved() => Verdict::inconclusive(OUTPUT.id, "the machine was too busy to tell"),
        open_ms => {
            let text = open_ms.map_or_else(
                || "is still open after".to_owned(),
                |ms| format!("stayed open for {} after", short(ms)),
            );
            let text = format!("stdout or stderr {text} the end");
            Verdict::fail(
                OUTPUT.id,
                text,
                "end every process that holds it: a reader of the output would hang",
            )
        }
    }
}
