//! The words for what a look shows.

use std::time::Duration;

use super::heard::Heard;
use super::look::{Call, File, Look, SeenProcess, Thread};
use super::series::Series;
use crate::text::{counted, short};

/// Calls by which an event loop waits for many descriptors at once.
pub(super) const LOOPS: [&str; 7] =
    ["epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6"];

/// `node (pid 4711)`.
pub(super) fn name(seen: &SeenProcess) -> String {
    format!("{} (pid {})", seen.name, seen.pid)
}

/// `250ms`, `16.8s`, as in log lines.
pub(super) fn time(ms: u64) -> String {
    short(Duration::from_millis(ms))
}

/// `its stdout, a pipe`, `127.0.0.1:5432`, `/run/lock`.
pub(super) fn target(file: &File) -> String {
    let stream = match file.number {
        0 => "its stdin, ",
        1 => "its stdout, ",
        2 => "its stderr, ",
        _ => "",
    };
    let what = match &file.socket {
        Some(socket) if socket.peer.is_empty() && socket.local.is_empty() => "a socket".to_owned(),
        Some(socket) if socket.peer.is_empty() => socket.local.clone(),
        Some(socket) => format!("{} (from {})", socket.peer, socket.local),
        None if file.target.starts_with("pipe:") => format!("a pipe ({})", file.target),
        None if file.target.starts_with("socket:") => "a socket".to_owned(),
        None => file.target.clone(),
    };
    format!("{stream}{what}")
}

/// `read on 127.0.0.1:5432`, `epoll_wait`, `futex`: the call, and what it is on.
pub(super) fn call(call: &Call, files: &[File]) -> String {
    let is_loop = LOOPS.contains(&call.name.as_str());
    let number = call.descriptor().filter(|_| !is_loop);
    let file = number.and_then(|number| files.iter().find(|file| file.number == number));
    match (file, number) {
        (Some(file), _) => format!("{} on {}", call.name, target(file)),
        (None, Some(number)) => format!("{} on descriptor {number}", call.name),
        (None, None) => call.name.clone(),
    }
}

/// What a thread does: `in epoll_wait`, `running`, `in the kernel's do_wait`.
pub(super) fn doing(thread: &Thread, files: &[File]) -> String {
    match (&thread.call, &thread.channel) {
        (Some(under_way), _) => format!("in {}", call(under_way, files)),
        (None, Some(channel)) => format!("in the kernel's {channel}"),
        (None, None) => state(thread.state).to_owned(),
    }
}

pub(super) const fn state(state: char) -> &'static str {
    match state {
        'R' => "running",
        'S' => "sleeping",
        'D' => "in uninterruptible sleep",
        'T' => "stopped",
        't' => "held by a tracer",
        'Z' | 'X' => "dead",
        'I' => "idle",
        _ => "in an unknown state",
    }
}

/// How a process treats the stop signal: `SIGTERM: caught, not pending`.
pub(super) fn treatment(series: &Series<'_>) -> String {
    let how = if series.ignores() {
        "ignored"
    } else if series.catches() {
        "caught"
    } else {
        "default"
    };
    let blocked = if series.is_blocked() { ", blocked" } else { "" };
    let pending = if series.is_pending() { ", pending" } else { "" };
    let asked = match series.heard() {
        _ if series.knows_who_was_asked() && series.last.asked_with.is_none() => ", not asked",
        Heard::No if !series.knows_who_was_asked() => ", not asked",
        _ => "",
    };
    format!("SIG{}: {how}{blocked}{pending}{asked}", series.signal)
}

/// One line for a process: its name, its age, what it does, how it treats the signal, what it has open and how that
/// changed during the stop.
pub(super) fn process(series: &Series<'_>) -> String {
    let seen = series.last;
    let change = series.change();
    let first = change.map_or(seen, |change| change.first);
    let does =
        series.main_thread().map_or_else(|| state(seen.state).to_owned(), |main| doing(main, &seen.files));
    let mut parts = vec![does, treatment(series)];
    parts.push(before_and_now(first.thread_count, seen.thread_count, "thread"));
    if let (Some(first), Some(last)) = (first.file_count, seen.file_count) {
        parts.push(before_and_now(first, last, "file"));
    }
    if first.sockets.connected + seen.sockets.connected > 0 {
        parts.push(before_and_now(first.sockets.connected, seen.sockets.connected, "connection"));
    }
    if let Some(change) = change {
        parts.push(format!("{} of CPU in {}", time(change.cpu_ms()), time(change.length_ms())));
    }
    format!("  {}, up {}: {}", name(seen), time(seen.age_ms), parts.join("; "))
}

/// The same of a single look, before any process is asked.
pub(super) fn process_alone(seen: &SeenProcess) -> String {
    let does =
        seen.main_thread().map_or_else(|| state(seen.state).to_owned(), |main| doing(main, &seen.files));
    let files = seen.file_count.map(|count| counted(count, "file", "s"));
    let connected = Some(seen.sockets.connected).filter(|count| *count > 0);
    let connected = connected.map(|count| counted(count, "connection", "s"));
    let first = [does, counted(seen.thread_count, "thread", "s")].into_iter();
    let parts: Vec<String> = first.chain(files).chain(connected).collect();
    let cpu = time(seen.cpu_ms);
    format!("  {}, up {}: {}; {cpu} of CPU", name(seen), time(seen.age_ms), parts.join("; "))
}

/// `7 threads`, `7 -> 5 threads`.
fn before_and_now(first: usize, last: usize, noun: &str) -> String {
    if first == last { counted(last, noun, "s") } else { format!("{first} -> {last} {noun}s") }
}

/// One line for each listening or connected socket: `tcp 127.0.0.1:8080 <-> 127.0.0.1:51234 established`.
pub(super) fn sockets(seen: &SeenProcess) -> impl Iterator<Item = String> {
    let sockets = seen.files.iter().filter_map(|file| file.socket.as_ref());
    let worth_it = sockets.filter(|socket| socket.state == "listen" || socket.is_connected());
    worth_it.map(|socket| {
        let peer = if socket.peer.is_empty() { String::new() } else { format!(" <-> {}", socket.peer) };
        let queue = |bytes: u64, what: &str| {
            if bytes == 0 { String::new() } else { format!(", {bytes} bytes {what}") }
        };
        let (unread, unsent) =
            (queue(socket.unread, "unread"), queue(socket.unsent, "not taken by the other end"));
        format!("    {} {}{peer} {}{unread}{unsent}", socket.protocol, socket.local, socket.state)
    })
}

/// What could not be read: of the first such process, with the number of others.
pub(super) fn unreadable(look: &Look) -> Option<String> {
    let affected: Vec<&SeenProcess> =
        look.processes.iter().filter(|seen| !seen.unreadable.is_empty()).collect();
    let first = affected.first()?;
    let others = affected.len() - 1;
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    Some(format!("  not readable for {}{more}: {}", name(first), first.unreadable.join(", ")))
}
