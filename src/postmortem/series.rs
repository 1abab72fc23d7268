//! One process through all looks of a stop.

use super::look::{Call, File, Look, Moment, Seen, Thread};

/// What was seen of a process that was killed, and of those around it.
#[derive(Debug)]
pub(super) struct Series<'a> {
    /// In the last look that has it.
    pub(super) last: &'a Seen,
    /// Before it was asked, if it was looked at then.
    pub(super) before: Option<&'a Seen>,
    /// After it was asked, with the time in milliseconds; the last one too.
    pub(super) after: Vec<(f64, &'a Seen)>,
    /// Everybody in the last look.
    pub(super) all: &'a [Seen],
    /// What it was asked with, or would have been: a bit as in its own sets.
    pub(super) signal_bit: u64,
    /// That signal's name.
    pub(super) signal: &'a str,
    /// winddown itself was started with it ignored.
    pub(super) ignored_by_winddown: bool,
}

impl<'a> Series<'a> {
    /// Of one process of the last look.
    pub(super) fn of(
        last: &'a Seen,
        looks: &'a [Look],
        signal: &'a str,
        signal_bit: u64,
        ignored: u64,
    ) -> Self {
        let same =
            |look: &'a Look| look.processes.iter().find(|seen| seen.pid == last.pid && seen.is_same(last));
        let before = looks.iter().filter(|look| look.moment == Moment::Before).find_map(same);
        let after = looks.iter().filter(|look| look.moment != Moment::Before);
        Self {
            last,
            before,
            after: after.filter_map(|look| Some((look.at_ms, same(look)?))).collect(),
            all: looks.last().map_or(&[], |look| &look.processes),
            signal_bit,
            signal,
            ignored_by_winddown: ignored & signal_bit != 0,
        }
    }

    pub(super) fn catches(&self) -> bool {
        self.last.signals.caught.0 & self.signal_bit != 0
    }

    pub(super) fn ignores(&self) -> bool {
        self.last.signals.ignored.0 & self.signal_bit != 0
    }

    /// Sent, and delivered to nobody yet.
    pub(super) fn is_pending(&self) -> bool {
        let of_thread = |thread: &Thread| thread.pending.0 & self.signal_bit != 0;
        self.last.signals.pending.0 & self.signal_bit != 0 || self.last.threads.iter().any(of_thread)
    }

    /// No thread would take it.
    pub(super) fn is_blocked(&self) -> bool {
        let threads = &self.last.threads;
        !threads.is_empty() && threads.iter().all(|thread| thread.blocked.0 & self.signal_bit != 0)
    }

    /// The thread that the process began with.
    pub(super) fn main_thread(&self) -> Option<&'a Thread> {
        self.last.main_thread()
    }

    pub(super) fn main_call(&self) -> Option<&'a Call> {
        self.main_thread()?.call.as_ref()
    }

    /// The main thread is in the very call that it was in before the signal.
    pub(super) fn is_in_same_call(&self) -> bool {
        let before = self.before.and_then(|seen| seen.main_thread()?.call.as_ref());
        before.zip(self.main_call()).is_some_and(|(before, now)| now.is_same_as(before))
    }

    /// The main thread is in one of these calls.
    pub(super) fn main_is_in(&self, calls: &[&str]) -> bool {
        self.main_thread().is_some_and(|thread| thread.is_in(calls))
    }

    pub(super) fn file_of(&self, call: &Call) -> Option<&'a File> {
        let number = call.descriptor()?;
        self.last.files.iter().find(|file| file.number == number)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &'a Seen> {
        self.all.iter().filter(|seen| seen.parent == self.last.pid)
    }

    pub(super) fn parent(&self) -> Option<&'a Seen> {
        self.all.iter().find(|seen| seen.pid == self.last.parent)
    }
}

impl Thread {
    /// It is in one of these calls.
    pub(super) fn is_in(&self, calls: &[&str]) -> bool {
        self.call.as_ref().is_some_and(|call| calls.contains(&call.name.as_str()))
    }
}

impl Seen {
    /// An id can become another process's between two looks.
    fn is_same(&self, later: &Self) -> bool {
        self.age_ms <= later.age_ms
    }

    pub(super) fn main_thread(&self) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.tid == self.pid)
    }
}
