//! The causes that a post-mortem can find, each with a stable code and the texts that users read.

/// One cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownCause {
    /// `W09`.
    pub code: &'static str,
    /// `draining`.
    pub name: &'static str,
    /// In one line.
    pub title: &'static str,
    /// How it comes about, and how it is recognised.
    pub explanation: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! causes {
    ($($id:ident = $code:literal $name:literal, $title:literal, $explanation:literal, $remedy:literal;)*) => {
        $(
            #[doc = $title]
            pub static $id: KnownCause = KnownCause {
                code: $code, name: $name, title: $title, explanation: $explanation, remedy: $remedy,
            };
        )*
        /// All causes, in the order of their codes.
        pub static CAUSES: [&KnownCause; 20] = [$(&$id),*];
    };
}

causes! {
    STOPPED = "W01" "stopped", "The process is stopped, or held by a debugger",
        "Its state is T (stopped by SIGSTOP, or by a terminal) or t (held by a tracer). A stopped process \
         keeps every signal but SIGKILL pending until it is continued. winddown sends SIGCONT after the stop \
         signal, so something stopped the process again, or a debugger holds it.",
        "find out what stops it; detach the debugger";
    UNINTERRUPTIBLE = "W02" "dstate", "The process is in uninterruptible sleep in the kernel",
        "Its state is D. It waits for a disk, a network file system or a device, or for a vfork child to call \
         exec or exit. No handler runs before that wait is over, and even SIGKILL may have to wait.",
        "check the device or the mount that it waits for; after a vfork, check the child";
    NAMESPACE_INIT = "W03" "ns-init", "The process is PID 1 of a namespace and has no handler",
        "The kernel drops a signal from inside a PID namespace to its PID 1 if PID 1 has no handler for it: \
         nothing is caught, ignored, blocked or pending. From outside, too, only SIGKILL and SIGSTOP take \
         their default action.",
        "install a handler, or run the program under an init: winddown -- COMMAND";
    IGNORED = "W04" "ignored", "The process ignores the stop signal",
        "The signal is in its set of ignored signals. Ignored signals stay ignored across exec, so a parent \
         may have set this (nohup, `trap '' TERM`, a background job of a script).",
        "install a handler, ask with another signal (--stop-signal), or start it with the signal not ignored";
    BLOCKED = "W05" "blocked", "The process blocks the stop signal, and no thread takes it",
        "The signal is pending, every thread blocks it, and there is neither a signalfd nor a thread in \
         sigwait. A signal mask is inherited across fork and exec.",
        "unblock it (pthread_sigmask) in one thread, or start a thread that takes it (sigwait, signalfd)";
    LOOP_STUCK = "W06" "loop-stuck", "The event loop that should read the stop signal is stuck",
        "The signal is pending and blocked. There is a signalfd to read it from, or there was a thread in \
         sigwait, but nothing takes it: the thread that should is busy, or blocked in another call.",
        "keep blocking calls out of the event loop's thread";
    NOT_SIGNALLED = "W07" "not-signalled", "The process was never asked to stop",
        "It would have died of the stop signal, none is pending, and it is alive: it was never sent one. Or it \
         has a handler, but winddown has not asked it, and whether its parent has can't be seen. winddown asks \
         the main process first, and another process once its parent is gone.",
        "start it with `exec`, have its parent pass the signal on, or use --to all";
    WAIT_CHILD = "W08" "wait-child", "The process waits for a child that has not ended",
        "It got the signal and sits in wait4 or waitid, keeps waking up as if to poll its child, or waits for \
         signals. A shell runs its trap only after the foreground command has ended.",
        "see what the child is doing; behind a shell, `exec` the last command, run it as `COMMAND & wait` \
         if there is a trap, or use --to all";
    DRAINING = "W09" "draining", "The server waits for clients that are still connected",
        "It no longer listens, waits in its event loop, and has client connections open. A graceful shutdown \
         often has no time limit of its own: it waits until the last client disconnects, and a client that keeps \
         its connection alive, or has never sent a byte, never does.",
        "close idle connections, and give the draining a time limit of its own, shorter than winddown's (-t)";
    LISTENING = "W10" "listening", "The server is still listening",
        "It got the signal, but its listening socket is still open: the handler does not stop the server, or \
         it is the runtime's handler and not the program's (node and the JVM install one themselves).",
        "close the listener in the handler of the stop signal";
    THREAD_JOIN = "W11" "thread-join", "The process is exiting and waits for its threads",
        "The main thread waits for other threads, and some of them do not end: a non-daemon thread, a pool \
         that is not shut down, a slow shutdown hook. A wait without a timeout that began after the signal \
         counts as such a wait, and is reported as a guess.",
        "tell the threads to end, or make them daemon threads; give the join a timeout";
    BLOCKED_IO = "W12" "blocked-io", "The process waits for input or output that does not come",
        "It is in a read, write or connect that the other side does not complete.",
        "give the call a timeout";
    LOCK = "W13" "lock", "The process waits for a file lock",
        "It has been in flock or fcntl since the previous snapshot, and another process holds the lock.",
        "see why the holder keeps the lock; try the lock without waiting, or with a timeout";
    STDOUT_FULL = "W14" "stdout-full", "Nothing reads what the process prints",
        "It is blocked in one write to a full pipe. The process at the other end has stopped reading, or is \
         stuck itself.",
        "have the reader read to the end, or write the log without blocking";
    SLEEPING = "W15" "sleeping", "The process sleeps",
        "It has been in the same nanosleep all along: a fixed pause that the signal did not interrupt, or that \
         began after it.",
        "wait for the stop (a condition with a timeout, the token) instead of sleeping";
    SPINNING = "W16" "spinning", "The process computes and does not stop",
        "It got the signal, and uses more than four fifths of a CPU: a busy loop, or long work that never \
         checks whether it should stop.",
        "find the loop with a debugger (--on-timeout 'gdb ...'), and check for the stop inside it";
    RESTARTED_CALL = "W17" "restarted-call", "The handler ran, and the same call was restarted",
        "The process is in the same call, with the same arguments, as before the signal. A handler that only \
         sets a flag does not end a blocking call: with SA_RESTART the kernel restarts it. A loop around \
         sigwait, a signalfd or pause has the same effect.",
        "install the handler without SA_RESTART, or wake the loop through a pipe or an eventfd";
    PROGRESSING = "W18" "progressing", "The stop is slow, but it makes progress",
        "There are fewer connections, files, threads or processes in each snapshot than in the one before. It \
         was not stuck when its time ran out.",
        "give it more time (-t), or less to do";
    STARVED = "W19" "starved", "The process got too little CPU time",
        "One of its threads waited for a CPU for more than a fifth of the stop. What it did, or did not do, \
         says little about the program.",
        "give it more CPU, or more time (-t)";
    UNKNOWN = "W20" "unknown", "The cause is unknown",
        "None of the other causes fits what winddown could see. The facts are listed.",
        "have the program itself report: --dump-signal for JVM and Go, --on-timeout for a debugger";
}

/// The cause with this code, in upper or lower case.
#[must_use]
pub fn find(code: &str) -> Option<&'static KnownCause> {
    CAUSES.iter().copied().find(|cause| cause.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_and_found() {
        for (index, cause) in CAUSES.iter().enumerate() {
            assert_eq!(cause.code, format!("W{:02}", index + 1));
            assert_eq!(find(&cause.code.to_lowercase()), Some(*cause));
            assert!(!cause.explanation.contains("  "), "{}", cause.explanation);
        }
        assert_eq!(find("W21"), None);
    }
}
