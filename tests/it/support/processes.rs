//! Processes that belong to one test: found by a tag, ended with it.

use std::collections::HashSet;
use std::fs;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::{holds_within, unique};

/// The environment variable that every process of a run inherits.
pub(crate) const TAG: &str = "TEST_RUN";

/// What marks the processes of one run; kills them when it is dropped.
///
/// Servers overwrite their environment with their title, so three more things count: the session
/// the run began in, a directory of its own, and being a descendant of a marked process.
pub(crate) struct Tag {
    value: String,
    session: Mutex<Option<i32>>,
    /// What was in the session when its leader was about to be reaped.
    known: Mutex<Vec<ProcessInfo>>,
    directory: Mutex<Option<PathBuf>>,
}

/// One line of the process table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProcessInfo {
    pub(crate) pid: i32,
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// In clock ticks since boot: tells two processes with one pid apart.
    pub(crate) start: u64,
}

/// Reads one process's line; `None` if there is no such process.
pub(crate) fn info(pid: i32) -> Option<ProcessInfo> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (before, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(ProcessInfo {
        pid,
        name: before.split_once('(')?.1.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// The state letter of a process (`S`, `T`, `Z`, ...).
pub(crate) fn state(pid: i32) -> Option<char> {
    info(pid).map(|info| info.state)
}

/// Whether it lives: a zombie does not, unless only its first thread has ended.
pub(crate) fn is_alive(pid: i32) -> bool {
    info(pid).is_some_and(|info| runs(&info))
}

/// Direct children, zombies included.
pub(crate) fn children(pid: i32) -> Vec<ProcessInfo> {
    all().into_iter().filter(|process| process.parent == pid).collect()
}

/// Whether one of winddown's two processes is called so: at a terminal the inner one has another name.
pub(crate) fn is_winddowns(name: &str) -> bool {
    ["winddown", "wd-supervisor"].contains(&name)
}

/// The whole process table.
pub(crate) fn all() -> Vec<ProcessInfo> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| info(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// The pid that a process has in its innermost pid namespace.
pub(crate) fn inner_pid(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    pids.split_whitespace().last()?.parse().ok()
}

fn runs(process: &ProcessInfo) -> bool {
    match process.state {
        'X' => false,
        'Z' => living_thread(process.pid).is_some(),
        _ => true,
    }
}

/// A thread that lives though the first one has ended.
fn living_thread(pid: i32) -> Option<PathBuf> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    threads.map(|thread| thread.path()).find(|thread| {
        let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    })
}

impl ProcessInfo {
    fn is_same(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }
}

/// SIGKILL to this process, never to another one that got its pid: the pidfd holds on to whatever
/// has the pid now, and only then it is compared.
fn kill_exactly(process: &ProcessInfo) {
    let Some(fd) = open_pidfd(process.pid) else {
        return;
    };
    if !info(process.pid).is_some_and(|now| now.is_same(process)) {
        return;
    }
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open; without a siginfo the kernel makes one, as kill does.
    unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), libc::SIGKILL, nothing, 0);
    }
}

/// A descriptor for the process that has this pid now.
pub(super) fn open_pidfd(pid: i32) -> Option<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0)?;
    // SAFETY: the descriptor was just made and has no other owner.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Tag {
    pub(crate) fn new() -> Self {
        Self {
            value: unique(),
            session: Mutex::new(None),
            known: Mutex::default(),
            directory: Mutex::new(None),
        }
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// Whatever is in this session belongs to the run.
    pub(crate) fn mark_session(&self, session: i32) {
        *self.session.lock().expect("no panic while it was held") = Some(session);
    }

    /// To be called before the session's leader is reaped: from then on its number may become
    /// another session's, and strangers must not be taken for the run's processes.
    pub(crate) fn forget_session(&self) {
        let Some(session) = self.session.lock().expect("no panic while it was held").take() else {
            return;
        };
        let mut known = all();
        known.retain(|one| one.session == session);
        *self.known.lock().expect("no panic while it was held") = known;
    }

    /// Whatever works in this directory belongs to the run.
    pub(crate) fn mark_directory(&self, directory: &Path) {
        *self.directory.lock().expect("no panic while it was held") = Some(directory.into());
    }

    fn marks(&self, process: &ProcessInfo) -> bool {
        if *self.session.lock().expect("no panic while it was held") == Some(process.session) {
            return true;
        }
        let known = self.known.lock().expect("no panic while it was held");
        if known.iter().any(|one| one.is_same(process)) {
            return true;
        }
        drop(known);
        let mut place = PathBuf::from(format!("/proc/{}", process.pid));
        if process.state == 'Z' {
            place = living_thread(process.pid).unwrap_or(place);
        }
        let entry = format!("{TAG}={}", self.value);
        let environment = fs::read(place.join("environ")).unwrap_or_default();
        if environment.split(|&byte| byte == 0).any(|found| found == entry.as_bytes()) {
            return true;
        }
        let directory = self.directory.lock().expect("no panic while it was held");
        let Some(directory) = directory.as_ref() else {
            return false;
        };
        fs::read_link(place.join("cwd")).is_ok_and(|place| place.starts_with(directory))
    }

    /// The run's living processes, whatever has become of their parents.
    pub(crate) fn living(&self) -> Vec<ProcessInfo> {
        let own = std::process::id().cast_signed();
        let everything: Vec<_> = all().into_iter().filter(|process| process.pid != own).collect();
        let mut found: HashSet<i32> = HashSet::new();
        found.extend(everything.iter().filter(|one| self.marks(one)).map(|one| one.pid));
        loop {
            let before = found.len();
            let heirs = everything.iter().filter(|one| found.contains(&one.parent));
            found.extend(heirs.map(|one| one.pid).collect::<Vec<_>>());
            if found.len() == before {
                break;
            }
        }
        everything.into_iter().filter(|one| found.contains(&one.pid) && runs(one)).collect()
    }

    /// Panics if a process of the run lives on; one that is just dying has 5 s for it.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let mut left = Vec::new();
        let gone = holds_within(Duration::from_secs(5), || {
            left = self.living();
            left.is_empty()
        });
        assert!(gone, "left behind: {left:#?}");
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        let gone = holds_within(Duration::from_secs(20), || {
            let living = self.living();
            for process in &living {
                kill_exactly(process);
            }
            living.is_empty()
        });
        if !gone {
            eprintln!("can't kill the processes with {TAG}={}", self.value);
        }
    }
}
