//! The runtimes that are known here, and how each shows where its threads are.

use super::look::SeenProcess;

/// The runtime of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Runtime {
    Go,
    Jvm,
    Node,
    DotNet,
    Erlang,
    Python,
}

/// Every signal that can be caught, except those of job control and of the C library: only Go catches them all.
const CAUGHT_BY_GO: u64 = 0xffff_fff8_7fc1_feff;

/// How threads begin that only this runtime has.
const THREADS: [(&str, Runtime); 7] = [
    ("VM Thread", Runtime::Jvm),
    ("VM Periodic Tas", Runtime::Jvm),
    ("Signal Dispatch", Runtime::Jvm),
    (".NET ", Runtime::DotNet),
    ("erts_", Runtime::Erlang),
    ("1_scheduler", Runtime::Erlang),
    ("DelayedTaskSche", Runtime::Node),
];

/// How the names of programs begin that are this runtime, before a version.
const PROGRAMS: [(&str, Runtime); 8] = [
    ("java", Runtime::Jvm),
    ("node", Runtime::Node),
    ("nodejs", Runtime::Node),
    ("dotnet", Runtime::DotNet),
    ("beam", Runtime::Erlang),
    ("beam.smp", Runtime::Erlang),
    ("python", Runtime::Python),
    ("pypy", Runtime::Python),
];

/// Parts of paths that only this runtime has open.
const FILES: [(&str, Runtime); 2] =
    [(SeenProcess::DOTNET_SOCKET, Runtime::DotNet), ("/lib/modules", Runtime::Jvm)];

impl SeenProcess {
    /// The runtime, by its signals, its threads, the name of its program and its open files.
    pub(super) fn runtime(&self) -> Option<Runtime> {
        let is_go = self.signals.caught.0 & CAUGHT_BY_GO == CAUGHT_BY_GO;
        is_go
            .then_some(Runtime::Go)
            .or_else(|| self.by_threads())
            .or_else(|| self.program.iter().chain([&self.name]).find_map(|name| by_name(name)))
            .or_else(|| self.by_files())
    }

    fn by_threads(&self) -> Option<Runtime> {
        let of = |name: &str| THREADS.iter().find(|(start, _)| name.starts_with(start));
        self.threads.iter().find_map(|thread| of(&thread.name)).map(|(_, runtime)| *runtime)
    }

    fn by_files(&self) -> Option<Runtime> {
        let sockets = self.files.iter().filter_map(|file| Some(&file.socket.as_ref()?.local));
        let mut all = self.files.iter().map(|file| &file.target).chain(sockets);
        all.find_map(|path| FILES.iter().find(|(part, _)| path.contains(part))).map(|(_, runtime)| *runtime)
    }
}

/// `python3.11` is Python, and `java` a JVM; `javac` is none.
fn by_name(name: &str) -> Option<Runtime> {
    let name = name.trim_end_matches(" (deleted)");
    let is_version = |rest: &str| rest.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
    let known = PROGRAMS.iter().find(|(program, _)| name.strip_prefix(program).is_some_and(is_version));
    known.map(|(_, runtime)| *runtime)
}

impl Runtime {
    /// How to see where it hangs, in the words of its users.
    pub(super) fn stacks(self, seen: &SeenProcess) -> String {
        let pid = seen.pid;
        let how = match self {
            Self::Go => format!("`kill -QUIT {pid}` prints its goroutines and ends it (--dump-signal auto)"),
            Self::Jvm => {
                format!("`kill -QUIT {pid}` prints its threads (--dump-signal auto), as does `jstack {pid}`")
            }
            Self::Node => format!("`kill -USR1 {pid}`, as `node --inspect`, lets `node inspect -p {pid}` in"),
            Self::DotNet => format!("`dotnet-stack report -p {pid}` prints its stacks"),
            Self::Erlang => format!("`kill -USR1 {pid}` writes erl_crash.dump and ends it"),
            Self::Python => format!("`py-spy dump --pid {pid}` prints its stacks"),
        };
        format!("while it hangs, {how}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postmortem::look::{Hex, Signals, Thread};

    fn named(name: &str) -> SeenProcess {
        SeenProcess { name: name.to_owned(), ..SeenProcess::default() }
    }

    #[test]
    fn a_program_shows_its_runtime() {
        for (name, runtime) in [
            ("java", Some(Runtime::Jvm)),
            ("javac", None),
            ("node", Some(Runtime::Node)),
            ("node20", Some(Runtime::Node)),
            ("node_exporter", None),
            ("dotnet", Some(Runtime::DotNet)),
            ("beam.smp", Some(Runtime::Erlang)),
            ("python3.11", Some(Runtime::Python)),
            ("pythonista", None),
            ("pypy3", Some(Runtime::Python)),
        ] {
            assert_eq!(named(name).runtime(), runtime, "{name}");
            let behind = SeenProcess { program: Some(name.to_owned()), ..named("gunicorn") };
            assert_eq!(behind.runtime(), runtime, "{name}");
        }
    }

    #[test]
    fn threads_and_signals_show_it_too() {
        for (name, runtime) in [
            ("VM Thread", Runtime::Jvm),
            (".NET SigHandler", Runtime::DotNet),
            ("erts_sched_1", Runtime::Erlang),
        ] {
            let thread = Thread { name: name.to_owned(), ..Thread::default() };
            let seen = SeenProcess { threads: vec![thread], ..named("app") };
            assert_eq!(seen.runtime(), Some(runtime));
        }
        let caught = Signals { caught: Hex(CAUGHT_BY_GO), ..Signals::default() };
        assert_eq!(SeenProcess { signals: caught, ..named("app") }.runtime(), Some(Runtime::Go));
    }
}
