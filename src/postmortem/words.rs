//! The words for what a look shows.

use std::time::Duration;

use super::heard::Heard;
use super::look::{Call, File, Holder, Look, SeenProcess, Socket, Thread, TimeOut, Timer};
use super::series::Series;
use super::threads::LOOPS;
use crate::text::{counted, short};

/// What the descriptor of a timer refers to.
const TIMERFD: &str = "anon_inode:[timerfd]";

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
        Some(socket) => format!("{} (from {})", peer(socket), socket.local),
        None if file.target == TIMERFD => timer(file),
        None if file.target.starts_with("pipe:") => format!("a pipe ({})", file.target),
        None if file.target.starts_with("socket:") => "a socket".to_owned(),
        None => file.target.clone(),
    };
    format!("{stream}{what}")
}

/// The other end: `127.0.0.1:5432, where postgres (pid 812) listens`.
pub(super) fn peer(socket: &Socket) -> String {
    match &socket.server {
        Some(Holder { pid, name }) => {
            let name = name.as_deref().unwrap_or("a process");
            format!("{}, where {name} (pid {pid}) listens", socket.peer)
        }
        None => socket.peer.clone(),
    }
}

/// `a timer with 33s left`.
pub(super) fn timer(file: &File) -> String {
    match file.timer {
        Some(Timer { left_ms, every_ms: 0 }) => format!("a timer with {} left", time(left_ms)),
        Some(Timer { left_ms, every_ms }) => {
            format!("a timer with {} left, then every {}", time(left_ms), time(every_ms))
        }
        None => "a timer that is not set".to_owned(),
    }
}

/// `read on 127.0.0.1:5432`, `epoll_wait`, `futex`: the call, and what it is on.
pub(super) fn call(call: &Call, files: &[File]) -> String {
    let is_loop = LOOPS.contains(&call.name.as_str());
    let number = call.descriptor().filter(|_| !is_loop);
    let file = number.and_then(|number| files.iter().find(|file| file.number == number));
    let socket = file.and_then(|file| file.socket.as_ref());
    let name = &call.name;
    match (file, number, call.time_out()) {
        (Some(_), _, _) if socket.is_some_and(Socket::is_connecting) => {
            format!("{name} to {}, which does not answer", socket.map_or(String::new(), peer))
        }
        (Some(file), _, _) => format!("{name} on {}", target(file)),
        (None, Some(number), _) => format!("{name} on descriptor {number}"),
        (None, None, TimeOut::Ms(ms)) => format!("{name} (time-out {})", time(ms)),
        (None, None, TimeOut::Never) => format!("{name} (no time-out)"),
        (None, None, TimeOut::Unseen) => name.clone(),
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

/// How a process treats the stop signal: `SIGTERM: caught, pending`.
pub(super) fn treatment(series: &Series<'_>) -> String {
    let how = if series.waits_for_it() {
        "taken by sigwait"
    } else if series.ignores() {
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
    let worth_it = sockets.filter(|socket| {
        socket.state == "listen" || socket.is_connected() || socket.is_connecting() || socket.looks_names_up()
    });
    worth_it.map(|socket| {
        let peer = if socket.peer.is_empty() { String::new() } else { format!(" <-> {}", socket.peer) };
        let queue = |bytes: u64, what: &str| {
            if bytes == 0 { String::new() } else { format!(", {bytes} bytes {what}") }
        };
        let (unread, unsent) =
            (queue(socket.unread, "unread"), queue(socket.unsent, "not taken by the other end"));
        let server = match &socket.server {
            Some(Holder { pid, name: Some(name) }) => format!("; {name} (pid {pid}) listens there"),
            _ => String::new(),
        };
        format!("    {} {}{peer} {}{unread}{unsent}{server}", socket.protocol, socket.local, socket.state)
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
