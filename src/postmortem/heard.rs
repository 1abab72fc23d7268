//! Whether a process got the stop signal, as far as that can be known of a process that winddown has not asked.

use super::look::{FILES_MAX, Look, Moment, SeenProcess, Thread};
use super::series::Series;
use super::threads::{SIGNALFD, is_handler};

/// How many parents up the tree are followed; a look has no more processes anyway.
const GENERATIONS_MAX: usize = 32;

/// Whether a process got the stop signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    Yes,
    /// Its parent may have passed the signal on; nothing shows whether it did.
    Perhaps,
    /// Somebody may have sent it: nothing shows that.
    Unknown,
    No,
}

impl<'a> Series<'a> {
    /// Unless this is [`Heard::Yes`], what the process does says nothing about its stop.
    pub(super) fn heard(&self) -> Heard {
        self.heard_within(GENERATIONS_MAX)
    }

    fn heard_within(&self, generations: usize) -> Heard {
        if self.is_pending() {
            return Heard::Yes;
        }
        if self.would_have_died() {
            return Heard::No;
        }
        if self.last.asked_with.is_some() || self.has_acted() {
            return Heard::Yes;
        }
        if !self.knows_who_was_asked() {
            return if self.keeps_what_is_sent() { Heard::No } else { Heard::Unknown };
        }
        let parent = self.parent().filter(|_| generations > 0).map(|seen| self.of_another(seen));
        match parent {
            Some(parent) if parent.can_pass_on(generations - 1) => Heard::Perhaps,
            _ => Heard::No,
        }
    }

    /// The signal has its default action, had no other one during this stop, and the process is alive. Only PID 1
    /// of a namespace survives that.
    fn would_have_died(&self) -> bool {
        // A process asked before the first look may have had a handler then that is gone by now.
        let is_whole = self.before.is_some() || self.last.asked_with.is_none();
        let dies = |seen: &SeenProcess| {
            let takes = |set: u64| set & self.signal_bit != 0;
            // A thread that waits for signals unblocks them while it waits.
            let is_open = |thread: &Thread| !takes(thread.blocked.0) && !thread.is_in(&["rt_sigtimedwait"]);
            let is_readable = !seen.unreadable.iter().any(|what| what.starts_with("syscall"));
            is_readable
                && seen.threads.iter().any(is_open)
                && !takes(seen.signals.caught.0)
                && !takes(seen.signals.ignored.0)
        };
        is_whole && !self.is_namespace_init() && dies(self.last) && self.earlier().all(dies)
    }

    /// PID 1 of its namespace: signals that it has no handler for never reach it.
    pub(super) fn is_namespace_init(&self) -> bool {
        self.last.own_pid == 1
    }

    /// It blocks the signal, and nothing takes it: what is sent stays pending.
    pub(super) fn keeps_what_is_sent(&self) -> bool {
        let has_signalfd = self.last.files.iter().any(|file| file.target == SIGNALFD);
        let last = self.last;
        let is_whole = last.file_count <= Some(FILES_MAX) && last.thread_count <= last.threads.len();
        last.file_count.is_some()
            && is_whole
            && self.is_blocked()
            && !self.catches()
            && !has_signalfd
            && !self.has_waited_for_signals()
    }

    /// It did what only the signal can explain: it removed its handler (not by executing another program), it
    /// stopped listening, or it runs a thread that handles the signal.
    fn has_acted(&self) -> bool {
        let handles = self.last.threads.iter().any(|thread| is_handler(thread, self.signal));
        let had_handler = |seen: &SeenProcess| self.is_caught_by(seen) && seen.name == self.last.name;
        let handler_is_gone = !self.catches() && self.earlier().any(had_handler);
        handles || !self.began_in_stop() && (handler_is_gone || self.has_stopped_listening())
    }

    /// It may have the signal, and nothing keeps its handler from running.
    fn can_pass_on(&self, generations: usize) -> bool {
        !self.is_pending() && self.takes() && self.heard_within(generations) != Heard::No
    }

    /// It has a handler, or takes the signal where it waits for signals (sigwait, signalfd).
    pub(super) fn takes(&self) -> bool {
        self.catches()
            || self.is_blocked()
            || self.waits_for_it()
            || self.earlier().any(|seen| self.is_caught_by(seen))
    }

    fn is_caught_by(&self, seen: &SeenProcess) -> bool {
        seen.signals.caught.0 & self.signal_bit != 0
    }

    /// It listened in an earlier look, and does not now. A socket that there was no time to look up counts as
    /// unchanged.
    pub(super) fn has_stopped_listening(&self) -> bool {
        self.last.sockets.listening == 0 && self.earlier().any(|seen| seen.sockets.listening > 0)
    }

    /// The process in all looks but the last.
    fn earlier(&self) -> impl Iterator<Item = &'a SeenProcess> {
        let last: *const SeenProcess = self.last;
        let after = self.after.iter().map(|(_, seen)| *seen);
        self.before.into_iter().chain(after).filter(move |seen| !std::ptr::eq(*seen, last))
    }

    /// It was started after the signal had been sent: a complete look from before the signal does not have it.
    pub(super) fn began_in_stop(&self) -> bool {
        let all = self.looks.iter().find(|look| look.moment == Moment::Before && look.left_out == 0);
        let has = |look: &Look, pid| look.processes.iter().any(|seen| seen.pid == pid);
        all.is_some_and(|look| has(look, self.last.parent)) && self.before.is_none()
    }
}
