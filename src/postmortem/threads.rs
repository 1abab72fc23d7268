//! What the threads of a process show: what the main thread waits for, and whether a runtime manages them.

use super::look::Thread;
use super::series::Series;

/// What the descriptor of a signalfd refers to.
pub(super) const SIGNALFD: &str = "anon_inode:[signalfd]";

/// The thread in which a JVM handles a signal. The kernel keeps only 15 bytes of a name.
pub(super) fn is_handler(thread: &Thread, signal: &str) -> bool {
    thread.name.len() >= 10 && format!("SIG{signal} handler").starts_with(&thread.name)
}

impl<'a> Series<'a> {
    /// The main thread has ended, or waits in a futex: for another thread, or for something only another can do.
    pub(super) fn main_waits_for_threads(&self) -> bool {
        self.main_thread().is_some_and(|main| main.state == 'Z' || main.is_in(&["futex", "futex_waitv"]))
    }

    /// The thread whose end the main one waits for: `pthread_join` waits for its id to become zero.
    pub(super) fn joined_thread(&self) -> Option<&'a Thread> {
        /// `FUTEX_WAIT` and `FUTEX_WAIT_BITSET`, with any flags.
        const WAITS: [u64; 2] = [0, 9];
        let call = self.main_call().filter(|call| call.name == "futex")?;
        let [_, operation, value, ..] = call.arguments.map(|argument| argument.0);
        // In another PID namespace the ids differ.
        let is_wait = WAITS.contains(&(operation & 0x7f)) && self.last.own_pid == self.last.pid;
        self.other_threads().find(|thread| is_wait && u64::try_from(thread.tid) == Ok(value))
    }

    /// The main thread waits in a futex without a timeout.
    pub(super) fn waits_without_limit(&self) -> bool {
        self.main_call().is_some_and(|call| call.name == "futex" && call.arguments[3].0 == 0)
    }

    /// In a JVM or a Go program the first thread is one of many: what it waits for says nothing.
    pub(super) fn has_its_own_threads(&self) -> bool {
        /// Every signal that can be caught, except those of job control and of the C library.
        const CAUGHT_BY_GO: u64 = 0xffff_fff8_7fc1_feff;
        let is_go = self.last.signals.caught.0 & CAUGHT_BY_GO == CAUGHT_BY_GO;
        is_go
            || self
                .other_threads()
                .any(|thread| ["VM Thread", "Signal Dispatch"].contains(&thread.name.as_str()))
    }

    /// One of its threads waited for signals (sigwait) in some look.
    pub(super) fn has_waited_for_signals(&self) -> bool {
        let all = self.before.into_iter().chain(self.after.iter().map(|(_, seen)| *seen));
        all.flat_map(|seen| &seen.threads).any(|thread| thread.is_in(&["rt_sigtimedwait"]))
    }

    /// The main thread reads a signalfd.
    pub(super) fn reads_signals(&self) -> bool {
        let file = self.main_call().filter(|call| call.name == "read").and_then(|call| self.file_of(call));
        file.is_some_and(|file| file.target == SIGNALFD)
    }

    /// Every thread that could take the signal waits for it (sigwait), and there is at least one.
    pub(super) fn waits_for_it(&self) -> bool {
        let is_open = |thread: &Thread| thread.blocked.0 & self.signal_bit == 0;
        let (mut open, threads) = (0, &self.last.threads);
        let all_wait = threads.iter().filter(|thread| is_open(thread)).all(|thread| {
            open += 1;
            thread.is_in(&["rt_sigtimedwait"])
        });
        all_wait && open > 0
    }

    /// It catches the signal, and blocks it now but did not before: the kernel blocks a signal while its handler
    /// runs.
    pub(super) fn runs_its_handler(&self) -> bool {
        let was_open = |thread: &Thread| thread.blocked.0 & self.signal_bit == 0;
        // Without a look from before the signal, a single thread may block it for that reason.
        let may_run_it = !self.knows_who_was_asked() && self.last.thread_count == 1;
        self.catches() && (may_run_it || self.before.is_some_and(|seen| seen.threads.iter().any(was_open)))
    }
}
