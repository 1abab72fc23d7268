//! One process in all looks of a stop.

use super::evidence::Evidence;
use super::look::{Call, File, Look, Moment, NO_TIME_FOR_SOCKETS, SeenProcess, Thread};
use crate::lifecycle::signal::Signal;

/// What was seen of a process that was killed, and of the processes around it.
#[derive(Debug)]
pub(super) struct Series<'a> {
    /// The process in the last look.
    pub(super) last: &'a SeenProcess,
    /// The process before it was asked, if a look has it.
    pub(super) before: Option<&'a SeenProcess>,
    /// The process after it was asked, with the time in milliseconds, up to the last look.
    pub(super) after: Vec<(f64, &'a SeenProcess)>,
    /// All looks, with all processes.
    pub(super) looks: &'a [Look],
    case: Evidence<'a>,
    /// The signal that it was asked with, or would have been: a bit as in its own sets.
    pub(super) signal_bit: u64,
    /// The name of that signal.
    pub(super) signal: &'a str,
    /// winddown itself was started with that signal ignored.
    pub(super) ignored_by_winddown: bool,
}

impl<'a> Series<'a> {
    /// The series of a process in the last look, judged by the signal that it was itself asked with.
    pub(super) fn of(last: &'a SeenProcess, case: Evidence<'a>) -> Self {
        let same =
            |look: &'a Look| look.processes.iter().find(|seen| seen.pid == last.pid && seen.is_same(last));
        let looks = case.looks;
        let before = looks.iter().filter(|look| look.moment == Moment::Before).find_map(same);
        let after = looks.iter().filter(|look| look.moment > Moment::Before);
        let own = last.asked_with.as_deref();
        let own = own.and_then(|name| Some((name.parse::<Signal>().ok()?.number(), name)));
        let (number, signal) = own.unwrap_or(case.signal);
        let shift = u32::try_from(number - 1).ok();
        let signal_bit = shift.and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or_default();
        Self {
            last,
            before,
            after: after.filter_map(|look| Some((look.at_ms, same(look)?))).collect(),
            looks,
            case,
            signal_bit,
            signal,
            ignored_by_winddown: case.ignored_by_winddown & signal_bit != 0,
        }
    }

    /// Whether winddown knows which processes were asked.
    pub(super) const fn knows_who_was_asked(&self) -> bool {
        self.case.knows_who_was_asked
    }

    pub(super) fn catches(&self) -> bool {
        self.last.signals.caught.0 & self.signal_bit != 0
    }

    pub(super) fn ignores(&self) -> bool {
        self.last.signals.ignored.0 & self.signal_bit != 0
    }

    /// Sent, and not delivered to any thread yet.
    pub(super) fn is_pending(&self) -> bool {
        let of_thread = |thread: &Thread| thread.pending.0 & self.signal_bit != 0;
        self.last.signals.pending.0 & self.signal_bit != 0 || self.last.threads.iter().any(of_thread)
    }

    /// Every thread blocks it.
    pub(super) fn is_blocked(&self) -> bool {
        let threads = &self.last.threads;
        !threads.is_empty() && threads.iter().all(|thread| thread.blocked.0 & self.signal_bit != 0)
    }

    /// The thread that the process started with.
    pub(super) fn main_thread(&self) -> Option<&'a Thread> {
        self.last.main_thread()
    }

    pub(super) fn main_call(&self) -> Option<&'a Call> {
        self.main_thread()?.call.as_ref()
    }

    /// The main thread is in the same call as before the signal.
    pub(super) fn is_in_same_call(&self) -> bool {
        let before = self.before.and_then(|seen| seen.main_thread()?.call.as_ref());
        before.zip(self.main_call()).is_some_and(|(before, now)| now.is_same_as(before))
    }

    /// The main thread is in one of these calls.
    pub(super) fn main_is_in(&self, calls: &[&str]) -> bool {
        self.main_thread().is_some_and(|thread| thread.is_in(calls))
    }

    /// Its threads other than the main one.
    pub(super) fn other_threads(&self) -> impl Iterator<Item = &'a Thread> {
        self.last.threads.iter().filter(|thread| thread.tid != self.last.pid)
    }

    /// The main process, if it is still there.
    pub(super) fn main(&self) -> Option<&'a SeenProcess> {
        let first = self.looks.first()?.processes.first()?;
        self.all().iter().find(|seen| seen.pid == first.pid && first.is_same(seen))
    }

    pub(super) fn file_of(&self, call: &Call) -> Option<&'a File> {
        let number = call.descriptor()?;
        self.last.files.iter().find(|file| file.number == number)
    }

    /// All processes in the last look.
    pub(super) fn all(&self) -> &'a [SeenProcess] {
        self.looks.last().map_or(&[], |look| &look.processes)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &'a SeenProcess> {
        self.all().iter().filter(|seen| seen.parent == self.last.pid)
    }

    pub(super) fn parent(&self) -> Option<&'a SeenProcess> {
        self.all().iter().find(|seen| seen.pid == self.last.parent)
    }

    /// The series of another process in the last look.
    pub(super) fn of_another(&self, seen: &'a SeenProcess) -> Self {
        Self::of(seen, self.case)
    }

    /// It listens, and a look in which all its sockets were looked up confirms it.
    pub(super) fn listens(&self) -> bool {
        let is_known = |seen: &SeenProcess| !seen.unreadable.iter().any(|what| what == NO_TIME_FOR_SOCKETS);
        let mut known = self.after.iter().rev().map(|(_, seen)| *seen).filter(|seen| is_known(seen));
        self.last.sockets.listening > 0 && known.next().is_some_and(|seen| seen.sockets.listening > 0)
    }

    /// There are at least two looks at it after it was asked.
    pub(super) fn has_previous(&self) -> bool {
        self.after.len() > 1
    }

    /// The thread has not run since the previous look: it is still in its call, not in the same one again. Without
    /// a previous look it counts as still.
    pub(super) fn is_still(&self, thread: &Thread) -> bool {
        let Some((_, previous)) = self.after.iter().rev().nth(1) else { return true };
        let is_it = |before: &&Thread| before.tid == thread.tid && before.state == thread.state;
        previous.threads.iter().find(is_it).is_some_and(|before| {
            let is_same = match (&before.call, &thread.call) {
                (Some(before), Some(now)) => now.is_same_as(before),
                _ => before.call == thread.call && before.channel == thread.channel,
            };
            is_same && before.switches.zip(thread.switches).is_none_or(|(before, now)| before == now)
        })
    }

    /// The main thread keeps waking up: in at least two of the intervals between looks.
    pub(super) fn keeps_waking(&self) -> bool {
        let switches = |seen: &SeenProcess| seen.main_thread()?.switches;
        let moved = |pair: &[(f64, &SeenProcess)]| {
            switches(pair[0].1).zip(switches(pair[1].1)).is_some_and(|(before, now)| before != now)
        };
        self.after.windows(2).filter(|pair| moved(pair)).count() >= 2
    }
}

impl Thread {
    /// It is in one of these calls.
    pub(super) fn is_in(&self, calls: &[&str]) -> bool {
        self.call.as_ref().is_some_and(|call| calls.contains(&call.name.as_str()))
    }
}

impl SeenProcess {
    /// Between two looks an id can pass to another process.
    fn is_same(&self, later: &Self) -> bool {
        self.age_ms <= later.age_ms
    }

    pub(super) fn main_thread(&self) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.tid == self.pid)
    }
}
