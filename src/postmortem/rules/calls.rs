//! System calls that show a cause by themselves, if they last.

use super::{Hit, Rule, Strength, alike, does, hit, name, who};
use crate::postmortem::causes;
use crate::postmortem::heard::Heard;
use crate::postmortem::look::{SeenProcess, Thread};
use crate::postmortem::series::Series;
use crate::postmortem::words::target;
use crate::text::counted;

pub(super) const RULES: &[(Strength, Rule)] = &[
    (Strength::Sure, lock),
    (Strength::Sure, full_pipe),
    (Strength::Sure, waits_for_child),
    (Strength::Likely, restarted_call),
    (Strength::Likely, blocked_io),
    (Strength::Likely, thread_join),
    (Strength::Weak, waits_for_signals),
    (Strength::Weak, sleeping),
    (Strength::Last, thread_for_signals),
];

/// A thread may wait for a lock by design, as in a leader election: it counts only when the main thread waits for
/// threads.
fn lock(series: &Series<'_>) -> Option<Hit> {
    let is_lock = |thread: &&Thread| {
        let matters = thread.tid == series.last.pid || series.main_waits_for_threads();
        let in_call = thread.call.as_ref().is_some_and(|call| {
            call.name == "flock" || (call.name == "fcntl" && thread.lock_holder.is_some())
        });
        in_call && matters && series.is_still(thread)
    };
    let thread = series.last.threads.iter().find(is_lock)?;
    let call = thread.call.as_ref()?;
    let file = series.file_of(call).map_or_else(|| "a file".to_owned(), target);
    let holder = thread.lock_holder.as_ref().map(|holder| match &holder.name {
        Some(name) => format!(", held by {name} (pid {})", holder.pid),
        None => format!(", held by pid {}", holder.pid),
    });
    Some(hit(
        &causes::LOCK,
        format!("{} waits for the lock on {file}{}", who(series), holder.unwrap_or_default()),
    ))
}

/// The thread has to be still: a slow reader lets the write continue from time to time.
fn full_pipe(series: &Series<'_>) -> Option<Hit> {
    let writes = |thread: &&Thread| {
        thread.state == 'S' && thread.is_in(&["write", "writev"]) && series.is_still(thread)
    };
    let call = series.last.threads.iter().find(writes)?.call.as_ref()?;
    let file = series.file_of(call).filter(|file| file.target.starts_with("pipe:"))?;
    let is_stream = matches!(file.number, 1 | 2);
    let what = target(file);
    let text = format!("{} writes to {what}, which is full: nothing reads it", who(series));
    if is_stream { Some(hit(&causes::STDOUT_FULL, text)) } else { Some(hit(&causes::BLOCKED_IO, text)) }
}

pub(super) const WAITS: [&str; 2] = ["wait4", "waitid"];

fn waits_for_child(series: &Series<'_>) -> Option<Hit> {
    let child = awaited_child(series)?;
    let other = series.of_another(child);
    let unasked = match other.heard() {
        Heard::No if other.began_in_stop() => ", which it started during the stop",
        Heard::No => ", which was not asked",
        Heard::Perhaps => ", which winddown has not asked",
        Heard::Yes | Heard::Unknown => "",
    };
    let got = if series.heard() == Heard::Yes { "got the signal and " } else { "" };
    let text = format!("{} {got}waits for its child {}{unasked}", who(series), name(child));
    Some(hit(&causes::WAIT_CHILD, text).about(child.pid))
}

/// The child that the main thread waits for in wait4 or waitid: the child that the call names, or any.
fn awaited_child<'a>(series: &Series<'a>) -> Option<&'a SeenProcess> {
    /// `P_PID` of waitid.
    const ONE: u64 = 1;
    let call = series.main_call().filter(|call| WAITS.contains(&call.name.as_str()))?;
    let [first, second, ..] = call.arguments.map(|argument| argument.0);
    let named = if call.name == "wait4" { Some(first) } else { (first == ONE).then_some(second) };
    // The id is the low half of its register; -1 and 0 mean any child.
    let named = named.and_then(|id| i32::try_from(id & 0xffff_ffff).ok()).filter(|id| *id > 0);
    let is_it = |child: &&SeenProcess| named.is_none_or(|id| id == child.own_pid || id == child.pid);
    series.children().find(is_it)
}

const BLOCKING_IO: [&str; 15] = [
    "read", "readv", "pread64", "recvfrom", "recvmsg", "recvmmsg", "accept", "accept4", "connect", "write",
    "writev", "sendto", "sendmsg", "sendfile", "ioctl",
];

/// Only a handler that ran in the main thread makes the kernel restart its call.
fn restarted_call(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread().filter(|_| series.main_is_in(&BLOCKING_IO))?;
    let ran = series.catches() && !series.is_pending() && main.blocked.0 & series.signal_bit == 0;
    let text =
        format!("{} is {} as before: its handler ran without ending it", who(series), does(series, main));
    (ran && series.is_in_same_call()).then(|| hit(&causes::RESTARTED_CALL, text))
}

/// A process that waits for new clients, or for signals from a signalfd, is not blocked.
fn blocked_io(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread().filter(|_| series.main_is_in(&BLOCKING_IO))?;
    if series.listens() && series.main_is_in(&ACCEPTS) || series.reads_signals() {
        return None;
    }
    series
        .is_still(main)
        .then(|| hit(&causes::BLOCKED_IO, format!("{} is {}", who(series), does(series, main))))
}

/// A `pthread_join` names the thread that it waits for. Any other wait without a timeout that began after the
/// signal counts too, and is reported as a guess: it may be for a lock.
fn thread_join(series: &Series<'_>) -> Option<Hit> {
    let others: Vec<&Thread> = series.other_threads().collect();
    if others.is_empty() || series.has_its_own_threads() {
        return None;
    }
    if let Some(thread) = series.joined_thread() {
        let text = format!("{} waits for its thread {}, {}", who(series), thread.name, does(series, thread));
        return Some(hit(&causes::THREAD_JOIN, text));
    }
    let waits = match series.main_thread()? {
        main if main.state == 'Z' => "has ended its main thread, but not",
        main if series.is_in_same_call() || !series.waits_without_limit() || !series.is_still(main) => {
            return None;
        }
        _ if series.before.is_some() || series.heard() == Heard::Unknown => "seems to wait for",
        _ => return None,
    };
    let threads = counted(series.last.thread_count.saturating_sub(1), "thread", "s");
    let doing = alike(others.iter().map(|thread| match &thread.name {
        name if *name == series.last.name => does(series, thread),
        name => format!("{name} {}", does(series, thread)),
    }));
    Some(hit(&causes::THREAD_JOIN, format!("{} {waits} its {threads}: {doing}", who(series))))
}

pub(super) const ACCEPTS: [&str; 2] = ["accept", "accept4"];

pub(super) const SIGNAL_WAITS: [&str; 3] = ["rt_sigtimedwait", "rt_sigsuspend", "pause"];

/// It took the signal in its wait for signals, or in a handler meanwhile, and waits for the next signal.
fn waits_for_signals(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread()?;
    let by_wait = (series.main_is_in(&["rt_sigtimedwait"]) || series.reads_signals()) && !series.catches();
    // If the signal is blocked here, the handler runs in another thread, and may still be running.
    let is_open = main.blocked.0 & series.signal_bit == 0;
    let by_handler =
        series.main_is_in(&SIGNAL_WAITS) && series.is_in_same_call() && series.catches() && is_open;
    if series.is_pending() || series.heard() != Heard::Yes || !(by_wait || by_handler) {
        return None;
    }
    let text = format!(
        "{} took SIG{} and waits for the next signal, {}",
        who(series),
        series.signal,
        does(series, main)
    );
    let remedy = "leave the loop around that wait once the stop signal has arrived";
    Some(hit(&causes::RESTARTED_CALL, text).with(remedy.to_owned()))
}

/// A thread other than the main one takes the signals, took this one, and waits for the next.
fn thread_for_signals(series: &Series<'_>) -> Option<Hit> {
    let thread = series.other_threads().find(|thread| thread.is_in(&["rt_sigtimedwait"]))?;
    // The signal is blocked everywhere but there, and pending nowhere: it was taken.
    let is_taken = series.heard() == Heard::Yes && series.takes();
    if series.is_pending() || series.catches() || series.ignores() || !is_taken {
        return None;
    }
    let text = format!(
        "{} took SIG{} in its thread {}, which waits for the next signal",
        who(series),
        series.signal,
        thread.name
    );
    let remedy = "have that thread end the others once the stop signal has arrived";
    Some(hit(&causes::RESTARTED_CALL, text).with(remedy.to_owned()))
}

/// It has to be one and the same sleep: a process that sleeps repeatedly may check for something in between.
fn sleeping(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread().filter(|_| series.main_is_in(&["nanosleep", "clock_nanosleep"]))?;
    let text = format!("{} sleeps, {}", who(series), does(series, main));
    series.is_still(main).then(|| hit(&causes::SLEEPING, text))
}
