//! Words for what a record has: times, processes, senders, ends, outcomes.

use std::time::Duration;

use crate::record::schema::{ExitRecord, ProcessRecord, Record, SenderRecord, StopRecord};
use crate::text;
use crate::text::{counted, printable};

/// At most this many processes are named; the others are counted.
const NAMED_MAX: usize = 6;

/// A command is cut to this many characters: it may hold a whole script.
const COMMAND_MAX: usize = 400;

/// And what it is cut to in a table.
const COLUMN_MAX: usize = 40;

/// Signals that the kernel sends on behalf of a terminal.
const OF_TERMINALS: [&str; 6] = ["HUP", "INT", "QUIT", "CONT", "TSTP", "WINCH"];

/// As a duration, whatever number a record has.
pub(super) fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

/// `250ms`, `16.8s`, `2m 5s`.
pub(super) fn short(ms: f64) -> String {
    text::short(duration(ms))
}

/// An offset from the zero of a record: `-12.3s`, `0`, `+250ms`.
pub(super) fn offset(ms: f64) -> String {
    match short(ms.abs()).as_str() {
        "0ms" => "0".to_owned(),
        length if ms < 0.0 => format!("-{length}"),
        length => format!("+{length}"),
    }
}

/// `server (pid 4711)`.
pub(super) fn named(pid: i32, name: Option<&str>) -> String {
    text::named(pid, &printable(name.unwrap_or_default()))
}

/// `server (pid 4711), worker (pid 4720) and 3 more`.
pub(super) fn processes(list: &[ProcessRecord], left_out: usize) -> String {
    let first: Vec<String> =
        list.iter().take(NAMED_MAX).map(|one| named(one.pid, one.name.as_deref())).collect();
    text::and_more(&first, list.len().saturating_sub(NAMED_MAX).saturating_add(left_out))
}

/// `exited with 0`, `died of SIGTERM`.
pub(super) fn exit(exit: &ExitRecord) -> String {
    match (&exit.signal, exit.code) {
        (Some(name), _) => format!("died of {}", signal(name)),
        (None, Some(code)) => format!("exited with {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// `SIGTERM`, `signal 40`.
pub(super) fn signal(name: &str) -> String {
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("signal {}", printable(name))
    } else {
        format!("SIG{}", printable(name))
    }
}

/// `SIGTERM from systemd (pid 1)`, `SIGINT from the terminal`.
pub(super) fn signal_from(name: &str, sender: &SenderRecord) -> String {
    let process = sender.process.as_ref().map(|process| (process.pid, process.name.as_deref()));
    let sender = match (sender.kind.as_str(), process) {
        ("kernel", _) if OF_TERMINALS.contains(&name) => "the terminal".to_owned(),
        ("kernel", _) => "the kernel".to_owned(),
        (_, None | Some((0, _))) => "outside the container".to_owned(),
        (_, Some((pid, Some(name)))) => named(pid, Some(name)),
        (_, Some((pid, None))) => format!("a process that is gone (pid {pid})"),
    };
    format!("{} from {sender}", signal(name))
}

/// Why a stop began: `SIGTERM from systemd (pid 1)`, `the run limit`.
pub(super) fn cause(stop: &StopRecord) -> String {
    match stop.cause.as_str() {
        "hangup" => "the end of the terminal".to_owned(),
        "run-limit" => "the run limit".to_owned(),
        "stop-after" => "the end of its time (--stop-after)".to_owned(),
        "main-exited" => "the end of the main process".to_owned(),
        "winddown-killed" => "the end of winddown itself".to_owned(),
        "parent-ended" => "the end of winddown's parent".to_owned(),
        "start-limit" => "the end of its start limit (--start-limit)".to_owned(),
        "silent" => "the watchdog: nothing was heard".to_owned(),
        cause => match (&stop.signal, &stop.sender) {
            (Some(name), Some(sender)) => signal_from(name, sender),
            (Some(name), None) => signal(name),
            (None, _) => printable(cause),
        },
    }
}

/// `2s (-t)`, `none`.
pub(super) fn limit(record: &Record) -> String {
    let length = record.limit.ms.map_or_else(|| "none".to_owned(), short);
    if record.limit.origin.is_empty() {
        length
    } else {
        format!("{length} ({})", printable(&record.limit.origin))
    }
}

/// `2026-11-25 08:48:06 UTC`.
pub(super) fn started(record: &Record) -> String {
    let second = record.started.split_once('.').map(|(second, _)| second.replace('T', " ") + " UTC");
    printable(&second.unwrap_or_else(|| record.started.clone()))
}

/// The command as typed in a shell.
pub(super) fn command(record: &Record) -> String {
    let command = printable(&shell_words::join(&record.command));
    match command.char_indices().nth(COMMAND_MAX) {
        Some((end, _)) => format!("{}...", &command[..end]),
        None => command,
    }
}

/// The same where a column has to do.
pub(super) fn command_in_short(record: &Record) -> String {
    let command = command(record);
    match command.char_indices().nth(COLUMN_MAX) {
        Some(_) => command.chars().take(COLUMN_MAX - 1).chain(['…']).collect(),
        None => command,
    }
}

/// How the run went, in one sentence that begins with the outcome.
pub(super) fn verdict(record: &Record) -> String {
    let main = record
        .main
        .as_ref()
        .map_or_else(|| "the main process".to_owned(), |main| named(main.pid, record.name_of(main.pid)));
    let how = record.exit.as_ref().map_or_else(|| "did not end".to_owned(), exit);
    let length = record.stop_time_ms().map(short);
    let in_time = match (&length, record.limit.ms) {
        (Some(length), Some(limit)) => format!(" in {length} of {}", short(limit)),
        (Some(length), None) => format!(" in {length}"),
        (None, _) => String::new(),
    };
    match outcome(record) {
        "completed" | "failed" | "crashed" if record.stop.is_none() => {
            format!(
                "{}: {main} {how} after {}, without being asked",
                outcome(record),
                short(record.end_ms() - record.try_from_ms())
            )
        }
        "killed" => {
            let count = counted(record.killed_count().max(1), "process", "es");
            format!("killed after {}: {count} did not end", length.unwrap_or_default())
        }
        "stuck" => format!("stuck: {} outlived SIGKILL", survivors(record)),
        "not-started" => {
            let why = record.log.iter().find(|line| line.level == "error");
            format!("not started: {}", why.map_or_else(|| command(record), |line| printable(&line.message)))
        }
        other => format!("{}{in_time}: {main} {how}", printable(other)),
    }
}

fn survivors(record: &Record) -> String {
    let listed = record.survivors.iter().map(|one| {
        let why = if one.reason.is_empty() { String::new() } else { format!(", {}", printable(&one.reason)) };
        format!("{}{why}", named(one.process.pid, one.process.name.as_deref()))
    });
    listed.collect::<Vec<_>>().join("; ")
}

/// The word for the whole run.
pub(super) fn outcome(record: &Record) -> &str {
    record.outcome.as_deref().unwrap_or("unfinished")
}

/// `2.5ms of CPU, at most 3.6 MB of memory`; `None` for a run that was not started.
pub(super) fn resources(record: &Record) -> Option<String> {
    let used = record.resources.as_ref()?;
    let cpu = format!("{} of CPU", short(used.cpu_user_ms + used.cpu_system_ms));
    let memory = used.memory_peak_bytes.map(|bytes| format!("at most {} of memory", size(bytes)));
    let oom_kills = used.oom_kills.filter(|kills| *kills > 0);
    let oom_kills = oom_kills.map(|kills| format!("memory ran out (OOM kills: {kills})"));
    Some([Some(cpu), memory, oom_kills].into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// What the record has no room for: `left out of the record: 1200 received signals, 7 log lines`.
pub(super) fn left_out(record: &Record) -> Option<String> {
    let more = &record.left_out;
    let counts = [
        (more.extensions, "extension"),
        (more.received, "received signal"),
        (more.signals, "sent signal"),
        (more.ends, "end"),
        (more.log, "log line"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, noun)| counted(count, noun, "s")).collect();
    (!counts.is_empty()).then(|| format!("left out of the record: {}", counts.join(", ")))
}

/// `512 kB`, `3.6 MB`.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = bytes.saturating_mul(10) / unit;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::parts::Sending;

    #[test]
    fn offsets_have_a_sign_and_a_zero() {
        assert_eq!([-12_300.0, 0.2, -0.2, 250.0].map(offset), ["-12.3s", "0", "0", "+250ms"]);
    }

    #[test]
    fn no_number_is_too_strange() {
        assert_eq!([f64::NAN, f64::INFINITY, -1.0, 1e300].map(short), ["0ms"; 4]);
        assert!(!short(1e20).is_empty());
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        assert_eq!(named(7, Some("a\x1b[2Jb\n")), "a\\u{1b}[2Jb\\n (pid 7)");
        assert_eq!(named(7, Some("")), "pid 7");
    }

    #[test]
    fn senders_are_distinguished() {
        let sender = |kind: &str, pid, name: Option<&str>| SenderRecord {
            kind: kind.to_owned(),
            process: Some(Sending { pid, uid: 0, name: name.map(str::to_owned) }),
        };
        let from = |name, by: &SenderRecord| signal_from(name, by);
        assert_eq!(from("INT", &sender("kernel", 0, None)), "SIGINT from the terminal");
        assert_eq!(from("SEGV", &sender("kernel", 0, None)), "SIGSEGV from the kernel");
        assert_eq!(from("TERM", &sender("process", 0, None)), "SIGTERM from outside the container");
        assert_eq!(from("TERM", &sender("process", 1, Some("init"))), "SIGTERM from init (pid 1)");
        assert_eq!(from("40", &sender("process", 9, None)), "signal 40 from a process that is gone (pid 9)");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [999, 512_000, 3_661_000, 2_050_000_000].map(size),
            ["0 kB", "512 kB", "3.6 MB", "2.0 GB"]
        );
    }
}
