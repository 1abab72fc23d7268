//! What /proc tells about processes, read only from files that can't block.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use crate::lifecycle::signal::{Signal, SignalSet};

/// One line of `/proc/PID/stat`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Process id.
    pub pid: i32,
    /// The name of its main thread, at most 15 bytes.
    pub name: String,
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub state: char,
    /// Who is told when it ends.
    pub parent: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// Clock ticks of CPU time that it has used.
    pub cpu_ticks: u64,
    /// How many threads it has.
    pub threads: u32,
    /// Clock ticks since boot: with the id, this names a process for good.
    pub start_ticks: u64,
    /// As `waitpid` will tell it; 0 while it lives, and when it is not ours to know.
    pub exit_status: i32,
}

impl Stat {
    /// Whether it is stopped (Ctrl+Z, SIGSTOP).
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// Whether it has ended and only waits to be reaped. One whose first thread alone has ended is in
    /// state `Z` too, but lives.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.state == 'X' || (self.state == 'Z' && self.threads <= 1)
    }

    /// Whether it ended otherwise than by SIGKILL; what was sent to its group may have killed it already.
    #[must_use]
    pub const fn ended_before_sigkill(&self) -> bool {
        self.is_gone() && self.exit_status != libc::SIGKILL
    }

    fn parse(text: &str) -> Option<Self> {
        // The name may hold blanks and parentheses; the last one ends it.
        let (pid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
            // The 14th and 15th field; the session is the sixth.
            cpu_ticks: ticks(fields.nth(7)?, fields.next()?)?,
            // The 20th and the 22nd.
            threads: fields.nth(4)?.parse().ok()?,
            start_ticks: fields.nth(1)?.parse().ok()?,
            // The 52nd and last field.
            exit_status: fields.nth(29).and_then(|field| field.trim_end().parse().ok()).unwrap_or(0),
        })
    }
}

/// User and system time.
fn ticks(user: &str, system: &str) -> Option<u64> {
    Some(user.parse::<u64>().ok()?.saturating_add(system.parse().ok()?))
}

/// The lines of `/proc/PID/status`.
#[derive(Debug)]
pub struct Status<'a>(&'a str);

impl<'a> Status<'a> {
    /// Out of the whole file.
    #[must_use]
    pub const fn parse(text: &'a str) -> Self {
        Self(text)
    }

    /// What a line says.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.0.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.next().map(str::trim)
    }

    /// A line that holds a set of signals.
    #[must_use]
    pub fn signals(&self, name: &str) -> Option<SignalSet> {
        u64::from_str_radix(self.field(name)?, 16).ok().map(SignalSet::from_bits)
    }
}

/// An open directory of /proc: it stays with the process it was opened for, also when the id is
/// used again.
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Directory {
    /// The directory of a process, if there is one.
    #[must_use]
    pub fn open(pid: i32) -> Option<Self> {
        Self::open_path(format!("/proc/{pid}"))
    }

    /// The directory of a thread.
    #[must_use]
    pub fn open_thread(pid: i32, tid: i32) -> Option<Self> {
        Self::open_path(format!("/proc/{pid}/task/{tid}"))
    }

    fn open_path(path: String) -> Option<Self> {
        let path = CString::new(path).ok()?;
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: `path` is a valid C string for the whole call.
        let descriptor = unsafe { libc::open(path.as_ptr(), flags) };
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        (descriptor >= 0).then(|| Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Its line of facts; nothing once the process has been reaped.
    #[must_use]
    pub fn stat(&self) -> Option<Stat> {
        Stat::parse(&self.read("stat").ok()?)
    }

    /// The signals it ignores.
    #[must_use]
    pub fn ignored(&self) -> Option<SignalSet> {
        Status::parse(&self.read("status").ok()?).signals("SigIgn")
    }

    /// The signals it has handlers for.
    #[must_use]
    pub fn caught(&self) -> Option<SignalSet> {
        Status::parse(&self.read("status").ok()?).signals("SigCgt")
    }

    /// What one of its files says, as far as it is worth reading.
    ///
    /// # Errors
    /// As `open(2)` and `read(2)`; `EACCES` and `EPERM` where we may not know, `ESRCH` of one that has gone.
    pub fn read(&self, name: &str) -> io::Result<String> {
        read(openat(&self.0, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?)
    }

    /// Signals just this process, whoever has its id by now.
    ///
    /// # Errors
    /// As `kill(2)`; `ENOSYS` before Linux 5.1, and that or `EPERM` where a profile refuses the call.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: no memory is passed; a directory of /proc is taken as a process descriptor.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal.number(),
                std::ptr::null::<u8>(),
                0,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Files here are short, and what is longer is not looked at.
const LONGEST: usize = 4096;

fn read_path(path: &str) -> io::Result<String> {
    read(open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?)
}

fn read(file: OwnedFd) -> io::Result<String> {
    let mut bytes = [0_u8; LONGEST];
    let length = nix::unistd::read(&file, &mut bytes)?;
    drop(file);
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// The facts about one process.
#[must_use]
pub fn stat(pid: i32) -> Option<Stat> {
    Stat::parse(&read_path(&format!("/proc/{pid}/stat")).ok()?)
}

/// The ids of all processes to be seen; nothing when /proc can't be read.
#[must_use]
pub fn all_pids() -> Option<Vec<i32>> {
    let entries = std::fs::read_dir("/proc").ok()?;
    Some(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The processes whose parent is this one, as the kernel lists them for each of its threads. Nothing
/// when the kernel was built without that file, or the process has gone.
#[must_use]
pub fn children(stat: &Stat) -> Option<Vec<i32>> {
    let task = format!("/proc/{}/task", stat.pid);
    if stat.threads == 1 {
        return children_of_thread(&format!("{task}/{}/children", stat.pid));
    }
    let threads = std::fs::read_dir(&task).ok()?.filter_map(Result::ok);
    let paths =
        threads.filter_map(|thread| Some(format!("{task}/{}/children", thread.file_name().to_str()?)));
    Some(paths.filter_map(|path| children_of_thread(&path)).flatten().collect())
}

/// The children of this process, which has but one thread.
#[must_use]
pub fn children_of_self() -> Option<Vec<i32>> {
    children_of_thread("/proc/thread-self/children")
}

fn children_of_thread(path: &str) -> Option<Vec<i32>> {
    // Longer than any other file here: 2,000 children are 12 kB.
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// Whether /proc is there and belongs to our PID namespace: in the other case its numbers are
/// those of strangers.
#[must_use]
pub fn is_ours() -> bool {
    let own = std::process::id().to_string();
    std::fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.as_str())
}

/// The effective user of a process: the owner of its directory.
#[must_use]
pub fn user(pid: i32) -> Option<u32> {
    nix::sys::stat::stat(format!("/proc/{pid}").as_str()).ok().map(|stat| stat.st_uid)
}

/// The name of a process, if it is there.
#[must_use]
pub fn name(pid: i32) -> Option<String> {
    stat(pid).map(|stat| stat.name)
}

/// The names of its threads.
pub fn thread_names(pid: i32) -> impl Iterator<Item = String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| {
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        Some(name.trim_end().to_owned())
    })
}

/// The file name of the program that a process runs, as far as we may know.
#[must_use]
pub fn executable(pid: i32) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// Where a process waits in the kernel (`do_wait`, ...), as far as we may know.
#[must_use]
pub fn wait_channel(pid: i32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/wchan")).ok().filter(|name| name != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_is_read() {
        let line = "42 (a) b (c) S 1 2 3 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 987654 1 2 3";
        let last = "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 9\n";
        assert_eq!(Stat::parse(&format!("{line} {last}")).expect("a line").exit_status, 9);
        let stat = Stat::parse(line).expect("a line");
        assert_eq!((stat.name.as_str(), stat.parent, stat.group, stat.session), ("a) b (c", 1, 2, 3));
        assert_eq!((stat.threads, stat.start_ticks), (3, 987_654));
    }

    #[test]
    fn a_short_line_is_nothing() {
        assert_eq!(Stat::parse("42 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn our_own_facts_are_there() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(stat(pid).expect("our own").pid, pid);
        assert!(is_ours());
        assert!(all_pids().expect("a readable /proc").contains(&pid));
    }
}
