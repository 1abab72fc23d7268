//! The rules by which a cause is recognised: the first that fits is the finding. Those about the signal come
//! first, then calls that tell a cause by themselves, then what a program as a whole looks like.

use super::causes::{self, Cause};
use super::look::{FILES_MAX, Seen, Thread};
use super::series::Series;
use super::words::{self, LOOPS, doing, name, target};
use crate::observe::message::counted;

/// What one rule has found.
pub(super) struct Hit {
    pub(super) cause: &'static Cause,
    /// In one line.
    pub(super) text: String,
    /// A better one than the cause's own, if there is one.
    pub(super) remedy: Option<String>,
    /// It tells less than what is found of another process.
    pub(super) is_minor: bool,
}

type Rule = fn(&Series<'_>) -> Option<Hit>;

/// In this order.
const RULES: [Rule; 21] = [
    stopped,
    vfork,
    uninterruptible,
    ignored,
    blocked,
    namespace_init,
    spinning_or_starved,
    lock,
    full_pipe,
    waits_for_child,
    not_signalled,
    shutdown_hooks,
    draining,
    restarted_call,
    blocked_io,
    thread_join,
    serving,
    progressing,
    has_children,
    sleeping,
    listening,
];

/// The finding about one process.
pub(super) fn apply(series: &Series<'_>) -> Hit {
    RULES.iter().find_map(|rule| rule(series)).unwrap_or_else(|| unknown(series))
}

const fn hit(cause: &'static Cause, text: String) -> Hit {
    Hit { cause, text, remedy: None, is_minor: false }
}

impl Hit {
    fn with(self, remedy: String) -> Self {
        Self { remedy: Some(remedy), ..self }
    }
}

fn stopped(series: &Series<'_>) -> Option<Hit> {
    match series.last.state {
        't' => Some(hit(
            &causes::STOPPED,
            format!("{} is held by its tracer, pid {}", who(series), series.last.tracer),
        )),
        'T' => Some(hit(&causes::STOPPED, format!("{} is stopped (SIGSTOP or a terminal)", who(series)))),
        _ => None,
    }
}

fn vfork(series: &Series<'_>) -> Option<Hit> {
    let waits = series.main_is_in(&["vfork", "clone", "clone3"]) && series.last.state == 'D';
    let child = series.children().next().filter(|_| waits)?;
    let text = format!("{} waits in vfork for {}, which has not called exec yet", who(series), name(child));
    let remedy = "look at that child: it keeps its parent from every handler";
    Some(hit(&causes::UNINTERRUPTIBLE, text).with(remedy.to_owned()))
}

fn uninterruptible(series: &Series<'_>) -> Option<Hit> {
    let thread = series.last.threads.iter().find(|thread| thread.state == 'D')?;
    // Every disk access is such a sleep for a moment; one that lasts was there before.
    let lasts = |seen: &&Seen| seen.threads.iter().any(|one| one.tid == thread.tid && one.state == 'D');
    series.after.iter().rev().nth(1).map(|(_, seen)| *seen).filter(lasts)?;
    let place = thread.channel.as_deref().unwrap_or("the kernel");
    Some(hit(&causes::UNINTERRUPTIBLE, format!("{} is in uninterruptible sleep in {place}", who(series))))
}

fn ignored(series: &Series<'_>) -> Option<Hit> {
    if !series.ignores() {
        return None;
    }
    let since = match series.parent() {
        _ if series.ignored_by_winddown => ": winddown itself was started with it ignored",
        Some(parent) if parent.signals.ignored.0 & series.signal_bit != 0 => ", as its parent does",
        _ => "",
    };
    Some(hit(&causes::IGNORED, format!("{} ignores SIG{}{since}", who(series), series.signal)))
}

fn blocked(series: &Series<'_>) -> Option<Hit> {
    if !series.is_pending() || !series.is_blocked() {
        return None;
    }
    let signal = series.signal;
    let reads_them = series.last.files.iter().any(|file| file.target == "anon_inode:[signalfd]");
    if reads_them {
        let main =
            series.main_thread().map_or(String::new(), |main| format!(": it is {}", does(series, main)));
        return Some(hit(
            &causes::LOOP_STUCK,
            format!(
                "{} has SIG{signal} waiting in a signalfd, and its event loop does not read it{main}",
                who(series)
            ),
        ));
    }
    Some(hit(
        &causes::BLOCKED,
        format!("{} blocks SIG{signal} in every thread, and nobody takes it", who(series)),
    ))
}

fn namespace_init(series: &Series<'_>) -> Option<Hit> {
    let is_init = series.last.own_pid == 1 && series.last.pid != 1;
    if !is_init || series.catches() || series.is_pending() {
        return None;
    }
    let text = format!(
        "{} is PID 1 of a namespace without a handler: the kernel has dropped SIG{}",
        who(series),
        series.signal
    );
    Some(hit(&causes::NAMESPACE_INIT, text))
}

fn spinning_or_starved(series: &Series<'_>) -> Option<Hit> {
    let change = series.change()?;
    if change.starves() {
        let text = format!(
            "{} stood in the queue of the CPU for {}, and ran for {}",
            who(series),
            words::time(change.starved_ms()),
            words::time(change.cpu_ms())
        );
        return Some(hit(&causes::STARVED, text));
    }
    let text = format!("{} used {} of CPU since it was asked", who(series), words::time(change.cpu_ms()));
    change.spins().then(|| hit(&causes::SPINNING, text))
}

fn lock(series: &Series<'_>) -> Option<Hit> {
    let is_lock = |thread: &&Thread| {
        thread.call.as_ref().is_some_and(|call| {
            call.name == "flock" || (call.name == "fcntl" && thread.lock_holder.is_some())
        })
    };
    let thread = series.last.threads.iter().find(is_lock)?;
    let call = thread.call.as_ref()?;
    let file = series.file_of(call).map_or_else(|| "a file".to_owned(), target);
    let holder = thread.lock_holder.as_ref().map(|holder| match &holder.name {
        Some(name) => format!(", which {name} (pid {}) holds", holder.pid),
        None => format!(", which pid {} has taken", holder.pid),
    });
    Some(hit(
        &causes::LOCK,
        format!("{} waits for the lock on {file}{}", who(series), holder.unwrap_or_default()),
    ))
}

fn full_pipe(series: &Series<'_>) -> Option<Hit> {
    let writes = |thread: &&Thread| thread.state == 'S' && thread.is_in(&["write", "writev"]);
    let call = series.last.threads.iter().find(writes)?.call.as_ref()?;
    let file = series.file_of(call).filter(|file| file.target.starts_with("pipe:"))?;
    let is_stream = matches!(file.number, 1 | 2);
    let what = target(file);
    let text = format!("{} writes to {what}, which is full: nobody reads it", who(series));
    if is_stream { Some(hit(&causes::STDOUT_FULL, text)) } else { Some(hit(&causes::BLOCKED_IO, text)) }
}

fn waits_for_child(series: &Series<'_>) -> Option<Hit> {
    let waits = series.last.threads.iter().any(|thread| thread.is_in(&["wait4", "waitid"]));
    let child = series.children().next().filter(|_| waits)?;
    let got = if series.last.asked_with.is_some() { "got the signal and " } else { "" };
    let unasked = if child.asked_with.is_none() { ", which was not asked" } else { "" };
    Some(hit(
        &causes::WAIT_CHILD,
        format!("{} {got}waits for its child {}{unasked}", who(series), name(child)),
    ))
}

fn not_signalled(series: &Series<'_>) -> Option<Hit> {
    if series.last.asked_with.is_some() || series.catches() || series.is_pending() {
        return None;
    }
    let parent = series.parent().map_or_else(|| "its parent".to_owned(), name);
    Some(hit(
        &causes::NOT_SIGNALLED,
        format!("{} was never asked: {parent} lives on and did not pass the signal on", who(series)),
    ))
}

/// The JVM runs its shutdown hooks in threads of their own, while this one waits.
fn shutdown_hooks(series: &Series<'_>) -> Option<Hit> {
    let handler = format!("SIG{} handler", series.signal);
    let threads = &series.last.threads;
    // The kernel keeps 15 bytes of a name.
    threads.iter().find(|thread| handler.starts_with(&thread.name) && thread.name.len() >= 10)?;
    let was_there =
        |tid| series.before.is_some_and(|seen| seen.threads.iter().any(|thread| thread.tid == tid));
    let own: Vec<String> = threads
        .iter()
        .filter(|thread| {
            !was_there(thread.tid) && !handler.starts_with(&thread.name) && !is_of_jvm(&thread.name)
        })
        .take(3)
        .map(|thread| format!("{} {}", thread.name, does(series, thread)))
        .collect();
    let hooks = if own.is_empty() { String::new() } else { format!(": {}", own.join(", ")) };
    let text = format!("{} runs its shutdown hooks{hooks}", who(series));
    let remedy = "give the shutdown hook a limit of its own; --dump-signal QUIT shows where it is";
    Some(hit(&causes::THREAD_JOIN, text).with(remedy.to_owned()))
}

fn is_of_jvm(name: &str) -> bool {
    const OWN: [&str; 9] = [
        "GC Thread",
        "VM ",
        "G1 ",
        "C1 Compiler",
        "C2 Compiler",
        "Signal Dispat",
        "Common-Cleaner",
        "DestroyJavaVM",
        "Attach",
    ];
    OWN.iter().any(|own| name.starts_with(own))
}

fn is_in_loop(series: &Series<'_>) -> bool {
    let in_loop = |thread: &Thread| thread.is_in(&LOOPS);
    series.last.threads.iter().any(in_loop)
}

fn draining(series: &Series<'_>) -> Option<Hit> {
    let sockets = series.last.sockets;
    if !is_in_loop(series) || sockets.listening > 0 || sockets.connected == 0 {
        return None;
    }
    let at_least = if series.last.file_count > Some(FILES_MAX) { "at least " } else { "" };
    let clients = counted(sockets.connected, "connection", "s");
    let first = series.last.files.iter().filter_map(|file| file.socket.as_ref());
    let peer = first
        .filter(|socket| socket.is_connected())
        .map(|socket| socket.peer.as_str())
        .find(|peer| !peer.is_empty());
    let peer = peer.map_or(String::new(), |peer| format!(", e.g. of {peer}"));
    let declined =
        series.change().and_then(|change| change.decline()).filter(|(what, ..)| *what == "connections");
    let before = declined.map_or(String::new(), |(_, first, _)| format!(" ({first} at first)"));
    Some(hit(
        &causes::DRAINING,
        format!("{} listens no longer and waits for {at_least}{clients}{before}{peer}", who(series)),
    ))
}

const BLOCKING_IO: [&str; 15] = [
    "read", "readv", "pread64", "recvfrom", "recvmsg", "recvmmsg", "accept", "accept4", "connect", "write",
    "writev", "sendto", "sendmsg", "sendfile", "ioctl",
];

fn restarted_call(series: &Series<'_>) -> Option<Hit> {
    let same = series.is_in_same_call() && series.catches() && !series.is_pending();
    let main = series.main_thread().filter(|_| same && series.main_is_in(&BLOCKING_IO))?;
    Some(hit(
        &causes::RESTARTED_CALL,
        format!("{} is {} as before: its handler ran and ended nothing", who(series), does(series, main)),
    ))
}

fn blocked_io(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread().filter(|_| series.main_is_in(&BLOCKING_IO))?;
    Some(hit(&causes::BLOCKED_IO, format!("{} is {}", who(series), does(series, main))))
}

fn thread_join(series: &Series<'_>) -> Option<Hit> {
    let joins =
        series.main_is_in(&["futex", "futex_waitv"]) && !series.is_in_same_call() && series.before.is_some();
    let others: Vec<&Thread> =
        series.last.threads.iter().filter(|thread| thread.tid != series.last.pid && joins).collect();
    if others.is_empty() {
        return None;
    }
    let threads = counted(series.last.thread_count.saturating_sub(1), "thread", "s");
    let told = alike(others.iter().map(|thread| match &thread.name {
        name if *name == series.last.name => does(series, thread),
        name => format!("{name} {}", does(series, thread)),
    }));
    Some(hit(&causes::THREAD_JOIN, format!("{} waits for {threads}: {}", who(series), told)))
}

/// It still waits for new clients.
fn serving(series: &Series<'_>) -> Option<Hit> {
    let accepts = |thread: &Thread| thread.is_in(&["accept", "accept4"]);
    let goes_on = is_in_loop(series) || series.last.threads.iter().any(accepts);
    listening(series).filter(|_| goes_on)
}

fn listening(series: &Series<'_>) -> Option<Hit> {
    if series.last.sockets.listening == 0 || !series.catches() {
        return None;
    }
    let socket = series
        .last
        .files
        .iter()
        .filter_map(|file| file.socket.as_ref())
        .find(|socket| socket.state == "listen");
    let place = socket.map_or(String::new(), |socket| format!(" on {}", socket.local));
    Some(hit(
        &causes::LISTENING,
        format!("{} catches SIG{} and still listens{place}", who(series), series.signal),
    ))
}

fn progressing(series: &Series<'_>) -> Option<Hit> {
    let change = series.change()?;
    let (what, first, last) = change.decline()?;
    let left_for_each = change.length_ms().saturating_mul(last as u64);
    let more_ms = left_for_each / ((first - last) as u64).max(1);
    let more = words::time(more_ms.div_ceil(1000).saturating_mul(1000));
    let text = format!("{} is slow, not stuck: {what} {first} -> {last}", who(series));
    let remedy = format!("give it more time: about {more} more at this pace (-t)");
    Some(hit(&causes::PROGRESSING, text).with(remedy))
}

/// A master that has heard of the stop has passed it on in a way of its own, and looks after its workers from
/// time to time.
fn has_children(series: &Series<'_>) -> Option<Hit> {
    let children = series.children().count();
    let child = series.children().next().filter(|_| series.catches())?;
    let others = if children > 1 { format!(" and {} more", children - 1) } else { String::new() };
    let text = format!("{} is still there, as its child {} is{others}", who(series), name(child));
    Some(Hit { is_minor: true, ..hit(&causes::WAIT_CHILD, text) })
}

fn sleeping(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread().filter(|_| series.main_is_in(&["nanosleep", "clock_nanosleep"]))?;
    Some(hit(&causes::SLEEPING, format!("{} sleeps, {}", who(series), does(series, main))))
}

fn unknown(series: &Series<'_>) -> Hit {
    let main = series.main_thread();
    let does = main.map_or_else(|| words::state(series.last.state).to_owned(), |main| does(series, main));
    let text = format!("{} is {does}; nothing that winddown can see tells why", who(series));
    Hit { is_minor: true, ..hit(&causes::UNKNOWN, text) }
}

/// `2 in nanosleep, worker in futex`: each once, three kinds at most.
fn alike(all: impl Iterator<Item = String>) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for one in all {
        match kinds.iter_mut().find(|(kind, _)| *kind == one) {
            Some((_, count)) => *count += 1,
            None => kinds.push((one, 1)),
        }
    }
    let told = kinds.iter().take(3).map(|(kind, count)| match count {
        1 => kind.clone(),
        count => format!("{count} {kind}"),
    });
    let told: Vec<String> = told.collect();
    told.join(", ")
}

fn who(series: &Series<'_>) -> String {
    name(series.last)
}

fn does(series: &Series<'_>, thread: &Thread) -> String {
    doing(thread, &series.last.files)
}
