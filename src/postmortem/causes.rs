//! The causes that a post-mortem can find, each with a code that stays, and what people are told about it.

/// A cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    /// `W09`.
    pub code: &'static str,
    /// `draining`.
    pub name: &'static str,
    /// In one line.
    pub title: &'static str,
    /// How it comes about, and how it was recognised.
    pub explanation: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! causes {
    ($($id:ident = $code:literal $name:literal, $title:literal, $explanation:literal, $remedy:literal;)*) => {
        $(
            #[doc = $title]
            pub static $id: Cause = Cause {
                code: $code, name: $name, title: $title, explanation: $explanation, remedy: $remedy,
            };
        )*
        /// All of them, in the order of their codes.
        pub static CAUSES: [&Cause; 20] = [$(&$id),*];
    };
}

causes! {
    STOPPED = "W01" "stopped", "The process is stopped, or held by a debugger",
        "Its state is T (stopped by SIGSTOP, or by a terminal) or t (held by a tracer). A stopped process \
         keeps every signal but SIGKILL pending until it is continued. winddown sends SIGCONT after the stop \
         signal, so this one was stopped again, or a debugger holds it.",
        "find out who stops it; detach the debugger";
    UNINTERRUPTIBLE = "W02" "dstate", "The process waits in the kernel and can't be interrupted",
        "Its state is D. It waits for a disk, a network file system, a device, or for the child of a vfork \
         to call exec or exit. No handler can run before that wait is over, and even SIGKILL may have to wait.",
        "look at the device or the mount that it waits for; of a vfork, at its child";
    NAMESPACE_INIT = "W03" "ns-init", "The process is PID 1 of a namespace and has no handler",
        "The kernel drops a signal that PID 1 of a PID namespace has installed no handler for, when it comes \
         from inside the namespace: nothing is caught, ignored, blocked or pending. From outside, too, only \
         SIGKILL and SIGSTOP act by default.",
        "install a handler, or run the program under an init: winddown -- COMMAND";
    IGNORED = "W04" "ignored", "The process ignores the stop signal",
        "The signal is in its set of ignored signals. Ignored signals are inherited through exec, so it may \
         have been a parent who set it (nohup, `trap '' TERM`, a job in the background of a script).",
        "install a handler; or ask with another signal (--stop-signal); or start it without the signal ignored";
    BLOCKED = "W05" "blocked", "The process blocks the stop signal, and nobody takes it",
        "The signal is pending, every thread blocks it, and there is neither a signalfd nor a thread in \
         sigwait. A mask is inherited through fork and exec.",
        "unblock it (pthread_sigmask) in one thread, or start a thread that takes it (sigwait, signalfd)";
    LOOP_STUCK = "W06" "loop-stuck", "The event loop that is to read the stop signal does not turn",
        "The signal is pending and blocked, and there is a signalfd to read it from, but nobody does: the \
         thread of the event loop is busy with, or blocked in, something else.",
        "keep blocking calls out of the event loop's thread";
    NOT_SIGNALLED = "W07" "not-signalled", "The process was never asked to stop",
        "It would have died of the stop signal, nothing is pending, and it lives: nobody has sent it one. \
         winddown asks the main process first; a process is asked when its parent has gone.",
        "start it with `exec`; or have its parent pass the signal on; or use --to all";
    WAIT_CHILD = "W08" "wait-child", "The process waits for a child that lives on",
        "It has got the signal and sits in wait4 or waitid, or is a master whose workers are still there. A \
         shell runs its trap only after the command in the foreground has ended.",
        "see what the child does; behind a shell: `exec` the last command, or in a trap `COMMAND & wait`, or use --to all";
    DRAINING = "W09" "draining", "The server waits for clients that are still connected",
        "It listens no longer, waits in its event loop, and has connections open. A graceful shutdown often \
         has no end of its own: it waits until the last client has gone, and one that keeps its connection \
         alive, or has never sent a byte, never goes.",
        "close idle connections, and give the draining an end of its own, shorter than the time limit";
    LISTENING = "W10" "listening", "The server still listens",
        "It has got the signal, but its listening socket is as open as before: the handler did not tell the \
         server, or it is not the program's own but the runtime's (node and the JVM install one themselves).",
        "close the listener in the handler of the stop signal";
    THREAD_JOIN = "W11" "thread-join", "The process is on its way out and waits for its threads",
        "The main thread waits for others, and some are left that do not end: a thread that is no daemon \
         thread, a pool that is not shut down, a shutdown hook that takes its time.",
        "tell the threads to end, or make them daemon threads; give the join a limit";
    BLOCKED_IO = "W12" "blocked-io", "The process waits for input or output that does not come",
        "It is in a read, write or connect, which nobody on the other side completes.",
        "give the call a time limit";
    LOCK = "W13" "lock", "The process waits for a file lock",
        "It is in flock or fcntl, and another process holds the lock.",
        "see why the holder does not let go; try the lock without waiting, or with a time limit";
    STDOUT_FULL = "W14" "stdout-full", "Nobody reads what the process prints",
        "It is in a write to a pipe that is full. Whoever has the other end has stopped reading, or is \
         stuck itself.",
        "have the reader read on until the end; or write the log without blocking";
    SLEEPING = "W15" "sleeping", "The process sleeps",
        "It is in nanosleep: a fixed pause that the signal did not end, or that began after it.",
        "wait for the stop instead (a condition with a time limit, the token), not for time to pass";
    SPINNING = "W16" "spinning", "The process computes without end",
        "It runs at more than four fifths of a CPU, look after look: a busy loop, or long work that never \
         looks whether a stop was asked.",
        "look for the loop with a debugger: --on-timeout 'gdb ...'; check for the stop inside of it";
    RESTARTED_CALL = "W17" "restarted-call", "The handler ran, and the same call was taken up again",
        "The process is in the same call, with the same arguments, as before the signal. A handler that only \
         sets a flag does not end a blocking call: with SA_RESTART the kernel takes it up again.",
        "install the handler without SA_RESTART, or wake the loop by a pipe or an eventfd";
    PROGRESSING = "W18" "progressing", "The stop is slow, but it goes on",
        "What is open becomes less from look to look: connections, files, threads, processes. It was not \
         stuck when its time was over.",
        "give it more time (-t), or less to do";
    STARVED = "W19" "starved", "The machine had no time for it",
        "Its threads stood in the queue of the CPU for more than a fifth of the stop. What it did, or did \
         not do, says little about the program.",
        "give it more CPU, or more time (-t)";
    UNKNOWN = "W20" "unknown", "It is not known why",
        "None of the other causes fits what could be seen. The facts are told.",
        "have the program itself tell: --dump-signal for JVM and Go, --on-timeout for a debugger";
}

/// The cause of this code, in capitals or not.
#[must_use]
pub fn find(code: &str) -> Option<&'static Cause> {
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
