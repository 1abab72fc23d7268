//! Reads /proc about processes, only from files that can't block.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use crate::lifecycle::signal::{Signal, SignalSet};

/// The line of `/proc/PID/stat`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    /// The name of the main thread, at most 15 bytes.
    pub(crate) name: String,
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub(crate) state: char,
    /// The parent, to which its end is reported.
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// CPU time used, in clock ticks.
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u32,
    /// When it started, in clock ticks since boot: with the id, this identifies a process for good.
    pub(crate) start_ticks: u64,
    /// As `waitpid` will report it; 0 while the process lives, and if we may not know.
    pub(crate) exit_status: i32,
}

impl Stat {
    /// Whether the process is stopped (Ctrl+Z, SIGSTOP).
    pub(crate) const fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// Whether the process has ended and only waits to be reaped. If only its first thread has ended, it is
    /// in state `Z`, too, but lives.
    pub(crate) const fn has_exited(&self) -> bool {
        self.state == 'X' || (self.state == 'Z' && self.threads <= 1)
    }

    /// Whether the process ended other than by SIGKILL; a signal to its group may have killed it already.
    pub(crate) const fn ended_before_sigkill(&self) -> bool {
        self.has_exited() && self.exit_status != libc::SIGKILL
    }

    fn parse(text: &str) -> Option<Self> {
        // The name may contain blanks and parentheses; the last parenthesis ends it.
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
pub(crate) struct Status<'a>(&'a str);

impl<'a> Status<'a> {
    /// From the whole file.
    pub(crate) const fn parse(text: &'a str) -> Self {
        Self(text)
    }

    /// The value of a line.
    pub(crate) fn field(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.0.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.next().map(str::trim)
    }

    /// The value of a line that holds a set of signals.
    pub(crate) fn signals(&self, name: &str) -> Option<SignalSet> {
        u64::from_str_radix(self.field(name)?, 16).ok().map(SignalSet::from_bits)
    }
}

/// An open directory of /proc: it stays with the process for which it was opened, even if the id is reused.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

impl Directory {
    /// The directory of a process, if it exists.
    pub(crate) fn open(pid: i32) -> Option<Self> {
        Self::open_path(&format!("/proc/{pid}"))
    }

    /// The directory of a thread.
    pub(crate) fn open_thread(pid: i32, tid: i32) -> Option<Self> {
        Self::open_path(&format!("/proc/{pid}/task/{tid}"))
    }

    fn open_path(path: &str) -> Option<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).ok().map(Self)
    }

    /// The process's `stat`; nothing once it has been reaped.
    pub(crate) fn stat(&self) -> Option<Stat> {
        Stat::parse(&self.read("stat").ok()?)
    }

    /// The signals it ignores.
    pub(crate) fn ignored(&self) -> Option<SignalSet> {
        Status::parse(&self.read("status").ok()?).signals("SigIgn")
    }

    /// The signals it has handlers for.
    pub(crate) fn caught(&self) -> Option<SignalSet> {
        Status::parse(&self.read("status").ok()?).signals("SigCgt")
    }

    /// The signals that are pending.
    pub(crate) fn pending(&self) -> Option<SignalSet> {
        pending(&Status::parse(&self.read("status").ok()?))
    }

    /// The text of one of its files, up to 1 MB.
    ///
    /// # Errors
    /// As `open(2)` and `read(2)`; `EACCES` and `EPERM` if we may not read it, `ESRCH` once the process has
    /// gone.
    pub(crate) fn read(&self, name: &str) -> io::Result<String> {
        read(openat(&self.0, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?)
    }

    /// Signals exactly this process, even if its id has been reused.
    ///
    /// # Errors
    /// As `kill(2)`; `ENOSYS` before Linux 5.1, and that or `EPERM` where a profile refuses the call.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
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

/// The kernel produces a file of many entries in pieces of whole lines, of at most this length.
const PIECE: usize = 4096;
/// At most this much is read of a file that describes one process: the status of a process in 65,536 groups
/// is 720 kB.
const LONGEST: usize = 1 << 20;

fn open_path(path: &str) -> io::Result<OwnedFd> {
    Ok(open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// Reads a file that the kernel produces as a whole, such as `stat` and `status`: a short read is its end.
fn read(file: OwnedFd) -> io::Result<String> {
    let mut bytes = [0_u8; PIECE];
    let length = nix::unistd::read(&file, &mut bytes)?;
    let mut text = String::from_utf8_lossy(&bytes[..length]).into_owned();
    if length == PIECE {
        text.push_str(&read_while(file, &|| true)?);
    }
    Ok(text)
}

/// Reads the rest of a file, while there is time.
fn read_while(file: OwnedFd, has_time: &dyn Fn() -> bool) -> io::Result<String> {
    let (mut all, mut bytes) = (Vec::new(), [0_u8; PIECE]);
    while all.len() < LONGEST && has_time() {
        let length = nix::unistd::read(&file, &mut bytes)?;
        if length == 0 {
            break;
        }
        all.extend_from_slice(&bytes[..length]);
    }
    drop(file);
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// The `stat` of a process.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    Stat::parse(&read(open_path(&format!("/proc/{pid}/stat")).ok()?).ok()?)
}

fn pending(status: &Status<'_>) -> Option<SignalSet> {
    let (own, shared) = (status.signals("SigPnd")?, status.signals("ShdPnd")?);
    Some(SignalSet::from_bits(own.bits() | shared.bits()))
}

/// Whether a process waits, and for which signals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    /// The process waits or is stopped: it has dealt with every signal that it took.
    pub(crate) waits: bool,
    /// Signals that it has not taken yet.
    pub(crate) pending: SignalSet,
}

/// The state of a process with a single thread.
pub(crate) fn idle(pid: i32) -> Option<Idle> {
    let directory = Directory::open(pid)?;
    let text = directory.read("status").ok()?;
    let status = Status::parse(&text);
    let waits = status.field("State").is_some_and(|state| state.starts_with(['S', 'T', 't']));
    Some(Idle { waits, pending: pending(&status)? })
}

/// The ids of all visible processes; nothing if /proc can't be read.
pub(crate) fn all_pids() -> Option<Vec<i32>> {
    let entries = std::fs::read_dir("/proc").ok()?;
    Some(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The children of a process, as the kernel lists them for each of its threads, while there is time. Nothing
/// if the kernel was built without that file, or the process has gone.
pub(crate) fn children(stat: &Stat, has_time: &dyn Fn() -> bool) -> Option<Vec<i32>> {
    let task = format!("/proc/{}/task", stat.pid);
    if stat.threads == 1 {
        return children_of_first_thread(stat.pid, has_time);
    }
    let threads = std::fs::read_dir(&task).ok()?.filter_map(Result::ok).take_while(|_| has_time());
    let paths =
        threads.filter_map(|thread| Some(format!("{task}/{}/children", thread.file_name().to_str()?)));
    Some(paths.filter_map(|path| children_of_thread(&path, has_time)).flatten().collect())
}

/// The children of a process's first thread.
pub(crate) fn children_of_first_thread(pid: i32, has_time: &dyn Fn() -> bool) -> Option<Vec<i32>> {
    children_of_thread(&format!("/proc/{pid}/task/{pid}/children"), has_time)
}

/// The children of this process, which has a single thread.
pub(crate) fn children_of_self() -> Option<Vec<i32>> {
    children_of_thread("/proc/thread-self/children", &|| true)
}

fn children_of_thread(path: &str, has_time: &dyn Fn() -> bool) -> Option<Vec<i32>> {
    let text = read_while(open_path(path).ok()?, has_time).ok()?;
    Some(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// Whether /proc is mounted and shows our PID namespace: otherwise its ids are those of other processes.
pub(crate) fn is_ours() -> bool {
    let own = std::process::id().to_string();
    std::fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.as_str())
}

/// The effective user of a process, which owns its directory.
pub(crate) fn user(pid: i32) -> Option<u32> {
    nix::sys::stat::stat(format!("/proc/{pid}").as_str()).ok().map(|stat| stat.st_uid)
}

/// The name of a process, if it exists.
pub(crate) fn name(pid: i32) -> Option<String> {
    stat(pid).map(|stat| stat.name)
}

/// The names of a process's threads.
pub(crate) fn thread_names(pid: i32) -> impl Iterator<Item = String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| {
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        Some(name.trim_end().to_owned())
    })
}

/// The file name of the program that a process runs, if we may know it.
pub(crate) fn executable(pid: i32) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// Where a process waits in the kernel (`do_wait`, ...), if we may know it.
pub(crate) fn wait_channel(pid: i32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/wchan")).ok().filter(|name| name != "0")
}

/// Runs every parser in this file.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse_any(text: &str) {
    if let Some(stat) = Stat::parse(text) {
        let _ = (stat.is_stopped(), stat.ended_before_sigkill());
    }
    let _ = Status::parse(text).signals("SigIgn");
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
