//! The JVM: it handles a signal in a thread named after it, which starts the shutdown hooks and waits for them.

use super::{Hit, Rule, Strength, does, hit, who};
use crate::postmortem::causes;
use crate::postmortem::look::Thread;
use crate::postmortem::series::Series;
use crate::postmortem::threads::is_handler;

pub(super) const RULES: &[(Strength, Rule)] = &[(Strength::Sure, shutdown_hooks), (Strength::Weak, handler)];

/// The handler starts every hook in a thread of its own. Threads are listed in the order in which they started,
/// so those after the handler's are hooks, and threads that hooks started.
fn shutdown_hooks(series: &Series<'_>) -> Option<Hit> {
    let mut younger: Vec<&Thread> =
        younger_than_handler(series)?.filter(|thread| !is_of_jvm(&thread.name)).collect();
    let at_first = threads_at_first(series);
    let was_there = |thread: &Thread| {
        at_first.iter().any(|before| before.tid == thread.tid && before.name == thread.name)
    };
    // A server may keep starting a thread for each request. Hooks all start at once.
    if younger.iter().any(|thread| was_there(thread)) {
        younger.retain(|thread| was_there(thread));
    }
    let hooks: Vec<String> =
        younger.iter().take(3).map(|thread| format!("{} {}", thread.name, does(series, thread))).collect();
    if hooks.is_empty() {
        return None;
    }
    let text = format!("{} runs its shutdown hooks: {}", who(series), hooks.join(", "));
    let remedy = "give the shutdown hook a time limit of its own; --dump-signal QUIT shows where it is";
    Some(hit(&causes::THREAD_JOIN, text).with(remedy.to_owned()))
}

/// The handler is there, but no hook: it may be a handler of the program's own.
fn handler(series: &Series<'_>) -> Option<Hit> {
    let _ = younger_than_handler(series)?;
    let text = format!("{} is still in its SIG{} handler, and runs no hook", who(series), series.signal);
    Some(hit(&causes::UNKNOWN, text).with("--dump-signal QUIT shows where it is".to_owned()))
}

/// The threads that started after the handler's; `None` without a handler.
fn younger_than_handler<'a>(series: &Series<'a>) -> Option<impl Iterator<Item = &'a Thread>> {
    let signal = series.signal;
    let threads = &series.last.threads;
    let at = threads.iter().position(|thread| is_handler(thread, signal))?;
    Some(threads[at + 1..].iter().filter(move |thread| !is_handler(thread, signal)))
}

/// The threads in the first look that has the handler.
fn threads_at_first<'a>(series: &Series<'a>) -> &'a [Thread] {
    let looks = series.after.iter().map(|(_, seen)| &seen.threads[..]);
    let mut with_handler =
        looks.filter(|threads| threads.iter().any(|thread| is_handler(thread, series.signal)));
    with_handler.next().unwrap_or_default()
}

fn is_of_jvm(name: &str) -> bool {
    const OWN: [&str; 10] = [
        "GC Thread",
        "VM ",
        "G1 ",
        "C1 Compiler",
        "C2 Compiler",
        "Signal Dispat",
        "Common-Cleaner",
        "DestroyJavaVM",
        "Attach",
        "Finalizer",
    ];
    OWN.iter().any(|own| name.starts_with(own))
}
