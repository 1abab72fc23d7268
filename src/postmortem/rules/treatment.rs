//! Rules about the state of a process, how it treats the signal, and whether it got it.

use super::{Hit, Rule, Strength, does, hit, name, who};
use crate::postmortem::causes;
use crate::postmortem::heard::Heard;
use crate::postmortem::look::Thread;
use crate::postmortem::series::Series;
use crate::postmortem::threads::SIGNALFD;

pub(super) const RULES: &[(Strength, Rule)] = &[
    (Strength::State, stopped),
    (Strength::State, vfork),
    (Strength::State, uninterruptible),
    (Strength::State, ignored),
    (Strength::State, blocked),
    (Strength::State, not_signalled),
    (Strength::State, namespace_init),
];

fn stopped(series: &Series<'_>) -> Option<Hit> {
    match series.last.state {
        // Under strace a process is held for a moment at every call.
        't' if series.main_thread().is_none_or(|main| series.is_still(main)) => Some(hit(
            &causes::STOPPED,
            format!("{} is held by its tracer, pid {}", who(series), series.last.tracer),
        )),
        'T' => Some(hit(&causes::STOPPED, format!("{} is stopped (SIGSTOP or a terminal)", who(series)))),
        _ => None,
    }
}

fn vfork(series: &Series<'_>) -> Option<Hit> {
    let waits = series.main_is_in(&["vfork", "clone", "clone3"]) && series.last.state == 'D';
    let child = series.children().min_by_key(|child| child.age_ms).filter(|_| waits)?;
    let text = format!("{} waits in vfork for {}, which has not called exec yet", who(series), name(child));
    let remedy = "look at that child: until it calls exec or exits, its parent runs no handler";
    Some(hit(&causes::UNINTERRUPTIBLE, text).with(remedy.to_owned()).about(child.pid))
}

/// Every disk access is such a sleep for a moment. It has to last, in the main thread or in a thread that the
/// main one may be waiting for.
fn uninterruptible(series: &Series<'_>) -> Option<Hit> {
    let lasts = |thread: &&Thread| {
        let matters = thread.tid == series.last.pid || series.main_waits_for_threads();
        thread.state == 'D' && matters && series.has_previous() && series.is_still(thread)
    };
    let thread = series.last.threads.iter().find(lasts)?;
    let place = thread.channel.as_deref().unwrap_or("the kernel");
    Some(hit(&causes::UNINTERRUPTIBLE, format!("{} is in uninterruptible sleep in {place}", who(series))))
}

fn ignored(series: &Series<'_>) -> Option<Hit> {
    // A signal that is blocked as well is kept for a thread in sigwait.
    if !series.ignores() || series.is_blocked() {
        return None;
    }
    let since = match series.parent() {
        _ if series.ignored_by_winddown => ": winddown itself was started with it ignored",
        Some(parent) if parent.signals.ignored.0 & series.signal_bit != 0 => ", as its parent does",
        _ => "",
    };
    let unasked = if series.knows_who_was_asked() && series.last.asked_with.is_none() {
        ", and winddown has not asked it"
    } else {
        ""
    };
    Some(hit(&causes::IGNORED, format!("{} ignores SIG{}{since}{unasked}", who(series), series.signal)))
}

/// The signal is pending, and no thread takes it. While the process runs its handler, it is blocked only briefly.
fn blocked(series: &Series<'_>) -> Option<Hit> {
    let signal = series.signal;
    if !series.is_pending() && !series.knows_who_was_asked() && series.keeps_what_is_sent() {
        let text = format!("{} blocks SIG{signal} in every thread: it would stay pending", who(series));
        return Some(hit(&causes::BLOCKED, text));
    }
    if !series.is_pending() || !series.is_blocked() || series.runs_its_handler() {
        return None;
    }
    let main = series.main_thread().map_or(String::new(), |main| format!(": it is {}", does(series, main)));
    if series.last.files.iter().any(|file| file.target == SIGNALFD) {
        let text = format!(
            "{} has SIG{signal} pending in a signalfd, and its event loop does not read it{main}",
            who(series)
        );
        return Some(hit(&causes::LOOP_STUCK, text));
    }
    if series.has_waited_for_signals() {
        let text = format!(
            "{} has SIG{signal} pending, and its thread for signals (sigwait) does not take it{main}",
            who(series)
        );
        let remedy = "keep other work out of the thread that takes the signals";
        return Some(hit(&causes::LOOP_STUCK, text).with(remedy.to_owned()));
    }
    let text = format!("{} blocks SIG{signal} in every thread, and no thread takes it", who(series));
    Some(hit(&causes::BLOCKED, text))
}

/// Nothing else is said of a process that may not have got the signal: whatever it does, it may do because it was
/// never asked to stop.
fn not_signalled(series: &Series<'_>) -> Option<Hit> {
    let (signal, parent) = (series.signal, series.parent().map(name));
    let (why, remedy) = match (series.heard(), parent) {
        (Heard::Yes | Heard::Unknown, _) => return None,
        (Heard::No, _) if !series.knows_who_was_asked() => (
            format!("was not asked: SIG{signal} would end it at once"),
            Some(format!(
                "ask it (kill -{signal} {}), or have its parent pass the signal on",
                series.last.pid
            )),
        ),
        (Heard::Perhaps, parent) => {
            let parent = parent.unwrap_or_else(|| "its parent".to_owned());
            (
                format!("was not asked by winddown; whether {parent} passed SIG{signal} on can't be seen"),
                Some(format!("check that {parent} passes the signal on, or use --to all")),
            )
        }
        (Heard::No, _) if series.last.asked_with.is_some() => (
            format!("never got SIG{signal}: it would have died of it"),
            Some("check where the signal was sent; it did not reach this process".to_owned()),
        ),
        (Heard::No, Some(parent)) if series.began_in_stop() => (
            format!("was never asked: {parent} started it during the stop"),
            Some(format!("see what {parent} starts during its stop; give that a time limit of its own")),
        ),
        (Heard::No, Some(parent)) => {
            (format!("was never asked: {parent} has not ended and did not pass the signal on"), None)
        }
        (Heard::No, None) => match series.main().filter(|main| main.pid != series.last.pid) {
            Some(main) => (
                format!("was never asked: winddown asks it once {} has ended", name(main)),
                Some("use --to all, which asks every process at once".to_owned()),
            ),
            None => ("was never asked: it started too late, or winddown may not signal it".to_owned(), None),
        },
    };
    let found = hit(&causes::NOT_SIGNALLED, format!("{} {why}", who(series)));
    Some(Hit { remedy, ..found })
}

fn namespace_init(series: &Series<'_>) -> Option<Hit> {
    if !series.is_namespace_init() || series.takes() || series.is_pending() {
        return None;
    }
    let drops = if series.knows_who_was_asked() { "dropped" } else { "would drop" };
    let text = format!(
        "{} is PID 1 of a namespace without a handler: the kernel {drops} SIG{}",
        who(series),
        series.signal
    );
    Some(hit(&causes::NAMESPACE_INIT, text))
}
