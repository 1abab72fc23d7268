//! What one look at the tree has shown, as plain values. Part of the record, and read back from it.

use serde::{Deserialize, Serialize};

pub use crate::lifecycle::event::Moment;

/// Of a process with more descriptors only so many are looked at; the others are counted.
pub const FILES_MAX: usize = 512;

/// One look at the tree.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Look {
    /// When, in milliseconds since the start of the run.
    pub at_ms: f64,
    /// Which of the looks of a stop it is.
    pub moment: Moment,
    /// Who was there, the main process first.
    pub processes: Vec<Seen>,
    /// How many were there beside these: there was no time for them, or no room.
    pub left_out: usize,
}

/// One process as a look has shown it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Its id.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// The name of its main thread.
    pub name: String,
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub state: char,
    /// For how long it has been there, in milliseconds.
    pub age_ms: u64,
    /// The CPU time it has used, in milliseconds.
    pub cpu_ms: u64,
    /// How long its threads have waited for a CPU, in milliseconds; nothing where the kernel does not tell.
    pub starved_ms: Option<u64>,
    /// What winddown or the terminal has asked it with; nothing if nobody has.
    pub asked_with: Option<String>,
    /// How it treats signals.
    pub signals: Signals,
    /// Its id in its own PID namespace.
    pub own_pid: i32,
    /// Who traces it; 0 for nobody.
    pub tracer: i32,
    /// How many threads it has.
    pub thread_count: usize,
    /// The first of them.
    pub threads: Vec<Thread>,
    /// How many descriptors it has open; nothing if winddown may not know.
    pub file_count: Option<usize>,
    /// Those worth a look: sockets, and what a thread waits for.
    pub files: Vec<File>,
    /// How many sockets of it listen, and how many have somebody at the other end.
    pub sockets: Sockets,
    /// What could not be read, with the error: `fd: EACCES`.
    pub unreadable: Vec<String>,
}

/// A number as the kernel writes it in /proc, in hexadecimal: as a number it could be more than JSON's
/// readers can hold. Of a set of signals bit 0 is signal 1.
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
    /// Handlers are installed.
    pub caught: Hex,
    /// Ignored.
    pub ignored: Hex,
    /// Sent to the process, and not delivered yet.
    pub pending: Hex,
}

/// One thread.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Thread {
    /// Its id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// As of a process.
    pub state: char,
    /// Signals that it blocks.
    pub blocked: Hex,
    /// Sent to just this thread, and not delivered yet.
    pub pending: Hex,
    /// The system call it is in; nothing if it runs, or winddown may not know.
    pub call: Option<Call>,
    /// Where it waits in the kernel (`do_wait`, ...).
    pub channel: Option<String>,
    /// Who holds the file lock that it waits for.
    pub lock_holder: Option<Holder>,
}

/// A system call under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// `wait4`, `epoll_wait`; `syscall 999` for one that has no name here.
    pub name: String,
    /// Its arguments as the kernel got them.
    pub arguments: [Hex; 6],
}

impl Call {
    /// The same call on the same thing. What a call does not take stands in its registers by chance.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.name == other.name && self.arguments[0] == other.arguments[0]
    }

    /// The descriptor that it waits on, if it is one that takes one.
    #[must_use]
    pub fn descriptor(&self) -> Option<i32> {
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

/// Who holds a lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Its id.
    pub pid: i32,
    /// Its name; nothing where it can't be looked up.
    pub name: Option<String>,
}

/// One open descriptor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct File {
    /// Its number.
    pub number: i32,
    /// What it leads to, as /proc shows it: a path, `pipe:[4711]`, `socket:[4711]`, `anon_inode:[signalfd]`.
    pub target: String,
    /// What is known of it beside that, if it is a socket.
    pub socket: Option<Socket>,
}

/// A socket with its ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Socket {
    /// `tcp`, `udp`, `unix`.
    pub protocol: String,
    /// `127.0.0.1:8080`, `[::1]:8080`, a path, `@name`.
    pub local: String,
    /// The other end; empty for a socket that has none.
    pub peer: String,
    /// `listen`, `established`, `close-wait`, ...
    pub state: String,
    /// Bytes that the process has not read yet.
    pub unread: u64,
    /// Bytes that the other end has not taken yet.
    pub unsent: u64,
}

impl Socket {
    /// Whether somebody is, or was until just now, at the other end. Of the Unix sockets only those that a
    /// server has accepted have a name.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let is_open = ["established", "close-wait", "fin-wait-1", "last-ack"].contains(&self.state.as_str());
        is_open && (self.protocol != "unix" || !self.local.is_empty())
    }
}

/// How many sockets there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sockets {
    /// Listening ones.
    pub listening: usize,
    /// Connected ones whose other end belongs to nobody in the tree.
    pub connected: usize,
}
