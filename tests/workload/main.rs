//! The misbehaving program that the tests supervise: it does what its flags say, in their order,
//! and reports what it sees as one line per fact, each by a single `write`.
//!
//! After the last action it exits with 0. `[ ACTIONS ]` is a list of these same flags, the brackets
//! being words of their own; `--` ends the actions (what follows is data, see `--say args`).
//! SIGNALS is a comma-separated list of names (`TERM`, `SIGTERM`, `15`, `RTMIN+3`, `all`).
//!
//! Facts, on stdout; a spawned process begins each line with its name:
//!
//! | flag | line |
//! |---|---|
//! | `--print WORD` | `WORD` |
//! | `--log FILE` | from here on every line is also appended to FILE (inherited by children) |
//! | `--say pid,ppid,pgid,sid,tpgid,uid,gid` | `pid 12`, ... |
//! | `--say mask,ignored` | `mask 0000000000004000`: as inherited, 16 hex digits |
//! | `--say fds` | `fds 0,1,2` |
//! | `--say fd:N` | `fd:1 pipe:[123]` |
//! | `--say cwd` | `cwd /tmp` |
//! | `--say args` | `args 6162 - ff`: what follows `--`, in hex; `-` is an empty word |
//! | `--say argv0` | `argv0 PATH` |
//! | `--say env:NAME` | `env:NAME VALUE`, or just `env:NAME` when it is not set |
//! | `--say status:FIELD` | `status:FIELD ...` from /proc/self/status |
//! | `--say now` | `now MS`, by the monotonic clock |
//!
//! Signals. Those under `--on` are blocked and taken one by one, so that the count is exact; each
//! prints `got 15 code 0 pid 123 value 7`, then its actions run:
//!
//! | flag | does |
//! |---|---|
//! | `--on SIGNALS [ ACTIONS ]` | what to do when one of them arrives; `[ ]` only reports it |
//! | `--ignore SIGNALS`, `--default SIGNALS`, `--block SIGNALS`, `--unblock SIGNALS` | as it says |
//! | `--die SIGNAL` | dies of this signal (default action, no core) |
//! | `--kill TARGET SIGNAL` | sends a signal; TARGET is `parent`, `self`, `group`, a pid or a child's name |
//! | `--serve` | takes signals until one of them ends the process |
//! | `--sleep MS` | takes signals for this long |
//! | `--busy MS` | the same, deaf: signals of `--on` wait |
//! | `--until FILE` | takes signals until FILE exists |
//! | `--wait NAME` | takes signals until this child has ended: `NAME ended exit 0`, `... signal 9` |
//! | `--wait-deaf NAME` | the same, deaf, like a shell that waits for a foreground child |
//! | `--stop` | sends itself SIGSTOP |
//! | `--exit N` | exits at once |
//!
//! Processes. A spawned process prints `NAME pid N` and starts with the inherited mask. The spawner
//! goes on only when the new process reaches its first `--serve`, `--sleep`, `--busy`, `--until`, `--wait`,
//! `--stop`, `--read-line` or its end: a line printed after `--spawn` means "all of them are ready".
//!
//! | flag | does |
//! |---|---|
//! | `--spawn KIND NAME [ ACTIONS ]` | KIND: `child`, `group` (own group), `session` (`setsid`), `daemon` (double fork), `daemon-session` |
//! | `--spawn KIND*N NAME [ ACTIONS ]` | N processes: NAME1 .. NAMEN |
//! | `--spawn chain*N NAME [ ACTIONS ]` | NAME1 is the parent of NAME2 ..., each runs ACTIONS |
//! | `--storm N` | N processes (`storm1`...) that fork short-lived children without end |
//! | `--chase N` | N chains in which each process forks, the child takes a new session, the parent exits |
//! | `--sprint N` | the same without a pause, one session per chain |
//! | `--orphans N` | makes N orphans that exit at once, then prints `orphans N` |
//! | `--dead-leader` | the main thread ends; a second thread runs the remaining actions |
//! | `--setuid UID` | becomes that user and group |
//! | `--groups N` | joins N supplementary groups |
//! | `--exec [ COMMAND ARG... ]` | becomes another program |
//! | `--cd DIR`, `--close FD` | as it says |
//! | `--life MS` | shortens the process's life, see below |
//!
//! Terminal (descriptor 0) and output:
//!
//! | flag | does |
//! |---|---|
//! | `--read-line` | reads a line: `line TEXT`, `line-end`, or `line-error ERRNO` |
//! | `--raw` | sets raw mode and the alternate screen, then prints `raw` |
//! | `--foreground` | makes a group of its own and puts it in the terminal's foreground |
//! | `--flood FD BYTES` | writes this many bytes, in lines of 64 |
//!
//! Messages and the token, by `NOTIFY_SOCKET` and `SHUTDOWN_FD`. In TEXT `;` ends a line, `~` is NUL, `%` a
//! byte that is not valid UTF-8, `SELF` the process's own pid:
//!
//! | flag | does |
//! |---|---|
//! | `--tell TEXT` | sends a message, deaf until there is room for it |
//! | `--tell-times N TEXT` | sends N messages |
//! | `--tell-size N` | sends a message of N bytes |
//! | `--tell-fds N TEXT` | sends a message with N descriptors |
//! | `--barrier` | sends a barrier and waits until it is closed: `barrier over` |
//! | `--await` | waits for the token, deaf: `token readable` |
//! | `--look` | checks the token: `readable true true`, by poll and by select |
//! | `--drain` | reads everything in the token: `drained N` bytes |
//!
//! What keeps a supervisor busy:
//!
//! | flag | does |
//! |---|---|
//! | `--forge TARGET SIGNAL` | queues a signal again and again, each time as if another process had sent it |
//! | `--locks FILE N` | holds N locks, a thousand each in FILE, FILE1, ... |
//! | `--lock FILE` | waits for the first of these locks, deaf |
//! | `--threads N` | starts N more threads |
//! | `--tell-lingering SECONDS TEXT` | sends a message with a socket that takes this long to close |
//!
//! No process lives longer than 60 s, no storm longer than 20 s: a kernel timer sends SIGKILL, whatever
//! is ignored or stopped, so that a failing supervisor can't harm the machine. For the same reason a
//! storm or chase ends when the reader of its stdout goes away, a chain forks once in 1 ms, and the
//! number of forks is limited: 100,000 for a storm, 8,000 for a chase (2 s of four chains), 16,000 for
//! a sprint. One that ends by itself prints `over`: a test that needs it to go on checks that there is
//! no such line.
#![no_main]

mod facts;
mod hostile;
mod life;
mod notify;
mod processes;
mod signals;
mod terminal;

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// What the program inherited, before it changed anything.
#[derive(Clone)]
struct Inherited {
    /// Blocked signals, as /proc writes them.
    mask: String,
    /// Ignored signals.
    ignored: String,
    argv0: String,
    /// The words behind `--`.
    data: Vec<Vec<u8>>,
}

/// One process of the program.
struct Process {
    /// Printed before each line; empty in the first process.
    name: String,
    log: Option<RawFd>,
    children: Vec<(String, libc::pid_t)>,
    signals: signals::Signals,
    inherited: Inherited,
    /// Closed when this process is ready, for which its spawner waits.
    ready: Option<OwnedFd>,
    /// When this process must be gone, by the monotonic clock.
    deadline: Duration,
}

/// Without Rust's start-up code, which would ignore SIGPIPE and open missing standard streams.
#[unsafe(no_mangle)]
extern "C" fn main(count: libc::c_int, words: *const *const libc::c_char) -> libc::c_int {
    let mut all = Vec::new();
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: there are `count` pointers, to strings that end with NUL.
        let word = unsafe { CStr::from_ptr(*words.add(index)) };
        all.push(word.to_bytes().to_vec());
    }
    let end = all.iter().position(|word| word == b"--");
    let data = end.map_or(Vec::new(), |end| all.split_off(end).split_off(1));
    let mut words: Vec<String> = all.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let argv0 = if words.is_empty() { String::new() } else { words.remove(0) };
    let mut process = Process {
        name: String::new(),
        log: None,
        children: Vec::new(),
        signals: signals::Signals::inherited(),
        inherited: Inherited { mask: facts::status("SigBlk"), ignored: facts::status("SigIgn"), argv0, data },
        ready: None,
        deadline: life::now() + life::USUAL,
    };
    life::end_at(process.deadline);
    process.run(&words);
    process.exit(0)
}

/// A list of flags that is being read.
struct Words<'a>(&'a [String]);

impl<'a> Words<'a> {
    /// The next word, which must be there.
    fn word(&mut self) -> &'a str {
        let Some((first, rest)) = self.0.split_first() else { usage("a word is missing at the end") };
        self.0 = rest;
        first
    }

    /// The next word as a number.
    fn number<T: std::str::FromStr>(&mut self) -> T {
        let word = self.word();
        word.parse().unwrap_or_else(|_| usage(&format!("{word} is not a number")))
    }

    /// The next word as milliseconds.
    fn milliseconds(&mut self) -> Duration {
        Duration::from_millis(self.number())
    }

    /// The words between the next `[` and its `]`.
    fn block(&mut self) -> &'a [String] {
        if self.word() != "[" {
            usage("a [ is missing");
        }
        let mut depth = 1;
        for (at, word) in self.0.iter().enumerate() {
            match word.as_str() {
                "[" => depth += 1,
                "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let (block, rest) = self.0.split_at(at);
                self.0 = &rest[1..];
                return block;
            }
        }
        usage("a ] is missing")
    }
}

/// Exits with 64 and says why: a mistake in a test must not look like a supervisor's.
fn usage(problem: &str) -> ! {
    write_all(2, format!("workload: {problem}\n").as_bytes());
    exit_now(64)
}

/// Exits without running anything else, which is also right in a forked process.
fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing is left to flush.
    unsafe { libc::_exit(code) }
}

/// Writes all of the text, or gives up when it can't be read.
fn write_all(fd: RawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a live slice.
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return,
        }
    }
}

/// The last call's error.
fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

impl Process {
    /// Runs the actions, in their order.
    fn run(&mut self, words: &[String]) {
        let mut words = Words(words);
        while !words.0.is_empty() {
            let flag = words.word();
            let known = self.fact_action(flag, &mut words)
                || self.signal_action(flag, &mut words)
                || self.process_action(flag, &mut words)
                || self.notify_action(flag, &mut words)
                || self.hostile_action(flag, &mut words)
                || terminal::action(self, flag, &mut words);
            if !known {
                usage(&format!("no such flag: {flag}"));
            }
        }
    }

    /// Writes one line, with the process's name in front.
    fn line(&self, text: &str) {
        let blank = if self.name.is_empty() { "" } else { " " };
        let line = format!("{}{blank}{text}\n", self.name);
        write_all(1, line.as_bytes());
        if let Some(log) = self.log {
            write_all(log, line.as_bytes());
        }
    }

    /// Descriptors of the program's own, which are not facts.
    fn is_own_descriptor(&self, fd: RawFd) -> bool {
        self.log == Some(fd) || self.ready.as_ref().is_some_and(|ready| ready.as_raw_fd() == fd)
    }

    /// Lets the spawner go on.
    fn is_ready(&mut self) {
        self.ready = None;
    }

    fn exit(&mut self, code: i32) -> ! {
        self.is_ready();
        exit_now(code)
    }
}
