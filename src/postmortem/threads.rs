//! What the threads of a process show: what the main thread waits for, and which of the others may hold it up.

use super::look::{Call, Thread};
use super::runtime::Runtime;
use super::series::Series;

/// Calls by which an event loop waits for many descriptors at once.
pub(super) const LOOPS: [&str; 8] =
    ["epoll_wait", "epoll_pwait", "epoll_pwait2", "io_uring_enter", "poll", "ppoll", "select", "pselect6"];

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

    /// In these the first thread is one of many: what it waits for says nothing.
    pub(super) fn has_its_own_threads(&self) -> bool {
        matches!(self.last.runtime(), Some(Runtime::Go | Runtime::Jvm | Runtime::DotNet | Runtime::Erlang))
    }

    /// The only thread in a call other than futex, while the main one waits for threads: whatever the others wait for,
    /// they wait for it. An event loop is none: it may wait for any of them.
    pub(super) fn only_thread_in_a_call(&self) -> Option<&'a Thread> {
        let main_waits =
            self.main_waits_for_threads() && self.main_thread().is_some_and(|main| self.is_still(main));
        if !main_waits || self.last.threads.len() < self.last.thread_count {
            return None;
        }
        let is_idle = |thread: &&Thread| {
            thread.is_in(&["futex", "futex_waitv", "rt_sigtimedwait"]) || thread.name.starts_with("iou-")
        };
        let mut others = self.other_threads().filter(|thread| !is_idle(thread));
        let thread = others.next().filter(|_| others.next().is_none())?;
        // More than two descriptors are an event loop's.
        let waits_for_few =
            |call: &Call| ["poll", "ppoll"].contains(&call.name.as_str()) && call.arguments[1].0 <= 2;
        let call = thread.call.as_ref().filter(|call| !thread.is_in(&LOOPS) || waits_for_few(call));
        call.filter(|_| self.is_still(thread)).map(|_| thread)
    }

    /// One of its threads waited for signals (sigwait) in some look.
    pub(super) fn has_waited_for_signals(&self) -> bool {
        let all = self.before.into_iter().chain(self.after.iter().map(|(_, seen)| *seen));
        all.flat_map(|seen| &seen.threads).any(|thread| thread.is_in(&["rt_sigtimedwait"]))
    }

    /// A thread that waits for signals (sigwait), and not for this one.
    pub(super) fn waits_for_others(&self) -> Option<&'a Thread> {
        let is_it =
            |thread: &&Thread| thread.is_in(&["rt_sigtimedwait"]) && thread.blocked.0 & self.signal_bit != 0;
        self.last.threads.iter().find(is_it)
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
