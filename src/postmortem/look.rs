//! What one look at the tree shows, as plain values. Part of the record, and read back from it.

use serde::{Deserialize, Serialize};

pub use crate::lifecycle::event::Moment;

/// At most this many descriptors of a process are looked at; the others are only counted.
pub(crate) const FILES_MAX: usize = 512;

/// The note for a process whose sockets could not all be looked up: some are taken from an earlier look.
pub(crate) const NO_TIME_FOR_SOCKETS: &str = "sockets: no time for all of them";

/// One look at the tree.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Look {
    /// Milliseconds since the start of the run.
    pub at_ms: f64,
    /// Which of the looks of a stop it is.
    pub moment: Moment,
    /// The processes, the main process first.
    pub processes: Vec<SeenProcess>,
    /// How many more processes there were, without time or room for them.
    pub left_out: usize,
}

/// One process as a look shows it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SeenProcess {
    /// Its id, as winddown sees it.
    pub pid: i32,
    /// Its parent's id.
    pub(crate) parent: i32,
    /// The name of its main thread.
    pub name: String,
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub(crate) state: char,
    /// Its age in milliseconds.
    pub(crate) age_ms: u64,
    /// The CPU time it has used, in milliseconds.
    pub cpu_ms: u64,
    /// How long its threads have waited for a CPU, in milliseconds; `None` where the kernel does not say.
    pub starved_ms: Option<u64>,
    /// The signal that winddown or the terminal asked it with; `None` if neither did.
    pub(crate) asked_with: Option<String>,
    /// How it treats signals.
    pub signals: Signals,
    /// Its id in its own PID namespace.
    pub own_pid: i32,
    /// The process that traces it; 0 for none.
    pub(crate) tracer: i32,
    /// How many threads it has.
    pub thread_count: usize,
    /// The main thread, and the youngest of the others, in the order in which they started.
    pub threads: Vec<Thread>,
    /// How many descriptors it has open; `None` if winddown may not read them.
    pub file_count: Option<usize>,
    /// The descriptors that matter: sockets, and what a thread waits for.
    pub(crate) files: Vec<File>,
    /// How many of its sockets listen, and how many are connected.
    pub sockets: Sockets,
    /// What could not be read, with the error: `fd: EACCES`.
    pub(crate) unreadable: Vec<String>,
}

/// A number in hexadecimal, as the kernel writes it in /proc: as a JSON number it might exceed what readers
/// can hold. In a set of signals bit 0 is signal 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hex(pub u64);

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        format!("{:x}", hex.0)
    }
}

impl TryFrom<String> for Hex {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

/// How a process treats signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Signals {
    /// Signals with a handler.
    pub caught: Hex,
    /// Ignored signals.
    pub ignored: Hex,
    /// Signals sent to the process, and not delivered yet.
    pub(crate) pending: Hex,
}

/// One thread.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Thread {
    /// As in /proc/PID/task.
    pub tid: i32,
    pub(crate) name: String,
    /// Its state, as for a process.
    pub(crate) state: char,
    /// Signals that it blocks.
    pub(crate) blocked: Hex,
    /// Signals sent to this thread alone, and not delivered yet.
    pub(crate) pending: Hex,
    /// The system call it is in; `None` if it runs, or if winddown may not read it.
    pub call: Option<Call>,
    /// Where it waits in the kernel (`do_wait`, ...).
    pub(crate) channel: Option<String>,
    /// The process that holds the file lock it waits for.
    pub(crate) lock_holder: Option<Holder>,
    /// Its context switches: an unchanged number means that the thread has not run since.
    #[serde(default)]
    pub switches: Option<u64>,
    /// How long it has waited for a CPU, in milliseconds; `None` where the kernel does not say.
    #[serde(default)]
    pub starved_ms: Option<u64>,
}

/// A system call in progress.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// `wait4`, `epoll_wait`; `syscall 999` for a call whose name is not known here.
    pub(crate) name: String,
    /// Its arguments as passed to the kernel.
    pub arguments: [Hex; 6],
}

impl Call {
    /// Whether it is the same call with the same first argument. Registers beyond a call's arguments hold
    /// arbitrary values.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.name == other.name && self.arguments[0] == other.arguments[0]
    }

    /// The descriptor that it waits on, if the call takes one.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        const TAKE_ONE: [&str; 25] = [
            "read",
            "write",
            "readv",
            "writev",
            "pread64",
            "pwrite64",
            "recvfrom",
            "recvmsg",
            "recvmmsg",
            "sendto",
            "sendmsg",
            "sendfile",
            "accept",
            "accept4",
            "connect",
            "ioctl",
            "flock",
            "fcntl",
            "fsync",
            "fdatasync",
            "epoll_wait",
            "epoll_pwait",
            "epoll_pwait2",
            "ftruncate",
            "fallocate",
        ];
        let number = TAKE_ONE.contains(&self.name.as_str()).then_some(self.arguments[0].0)?;
        i32::try_from(number).ok()
    }
}

/// The holder of a lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) pid: i32,
    /// Its name; `None` where it can't be looked up.
    pub(crate) name: Option<String>,
}

/// One open descriptor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) number: i32,
    /// What it refers to, as /proc shows it: a path, `pipe:[4711]`, `socket:[4711]`, `anon_inode:[signalfd]`.
    pub(crate) target: String,
    /// More about it, if it is a socket.
    pub(crate) socket: Option<Socket>,
}

/// A socket with both ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Socket {
    /// `tcp`, `udp`, `unix`.
    pub(crate) protocol: String,
    /// `127.0.0.1:8080`, `[::1]:8080`, a path, `@name`.
    pub(crate) local: String,
    /// The other end; empty if there is none.
    pub(crate) peer: String,
    /// `listen`, `established`, `close-wait`, ...
    pub(crate) state: String,
    /// Bytes that the process has not read yet.
    pub(crate) unread: u64,
    /// Bytes that the other end has not taken yet.
    pub(crate) unsent: u64,
}

impl Socket {
    /// Whether it has a peer, or had one until just now. Among connected Unix sockets only accepted ones have a
    /// name.
    pub(crate) fn is_connected(&self) -> bool {
        let is_open = ["established", "close-wait", "fin-wait-1", "last-ack"].contains(&self.state.as_str());
        is_open && (self.protocol != "unix" || !self.local.is_empty())
    }
}

/// How many sockets there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sockets {
    /// Listening sockets.
    pub listening: usize,
    /// Connected sockets whose other end does not belong to the tree.
    pub(crate) connected: usize,
}
