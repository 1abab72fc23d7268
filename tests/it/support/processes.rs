//! The processes that belong to a test: found by a tag, signalled by it, and killed when the test ends.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::pinned::Pinned;
use super::{holds_within, unique};

/// The environment variable that every process of a run inherits.
pub(crate) const TAG: &str = "TEST_RUN";

/// What marks the processes of one run. Dropping it kills them.
///
/// Servers overwrite their environment with their title, so three more things count as marks: the session
/// in which the run began, a directory of its own, and descent from a marked process.
pub(crate) struct Tag {
    value: String,
    /// A process that started before this tick (of `ProcessInfo::start`) does not belong to the run.
    since: u64,
    session: Mutex<Option<i32>>,
    /// The processes in the session just before its leader was reaped.
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
    /// In clock ticks since boot: distinguishes two processes that had the same pid.
    pub(crate) start: u64,
}

/// Reads one process's line; `None` if there is no such process.
pub(crate) fn info(pid: i32) -> Option<ProcessInfo> {
    // One read, and no more than is needed: this is most of what the tests cost.
    let mut stat = [0; 512];
    let length = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut stat).ok()?;
    let stat = &stat[..length];
    // A name may have any characters, at most 64.
    let end = stat[..length.min(80)].iter().rposition(|&byte| byte == b')')?;
    let begin = stat[..end].iter().position(|&byte| byte == b'(')?;
    let mut fields = std::str::from_utf8(stat.get(end + 2..)?).ok()?.split(' ');
    Some(ProcessInfo {
        pid,
        name: String::from_utf8_lossy(&stat[begin + 1..end]).into_owned(),
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        session: fields.nth(1)?.parse().ok()?,
        start: fields.nth(15)?.parse().ok()?,
    })
}

/// The state letter of a process (`S`, `T`, `Z`, ...).
pub(crate) fn state(pid: i32) -> Option<char> {
    info(pid).map(|info| info.state)
}

/// Whether a signal is pending for a process.
pub(crate) fn has_pending(pid: i32, signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let masks =
        status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    masks
        .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .any(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Whether the process is alive. A zombie is not, unless only its first thread has ended.
pub(crate) fn is_alive(pid: i32) -> bool {
    info(pid).is_some_and(|info| runs(&info))
}

/// Direct children, zombies included.
pub(crate) fn children(pid: i32) -> Vec<ProcessInfo> {
    all().into_iter().filter(|process| process.parent == pid).collect()
}

/// The name of the process of winddown that callers see.
pub(crate) const OUTER: &str = "winddown";
/// The name of its second process, a child of the first.
pub(crate) const INNER: &str = "wd-supervisor";

/// Whether one of winddown's two processes has this name.
pub(crate) fn is_winddowns(name: &str) -> bool {
    [OUTER, INNER].contains(&name)
}

/// The second process of winddown, if there is one.
pub(crate) fn inner(outer: i32) -> Option<i32> {
    children(outer).into_iter().find(|child| child.name == INNER).map(|child| child.pid)
}

/// winddown's processes: the one that callers see, then the second one, if any. The last one supervises.
pub(crate) fn winddowns(outer: i32) -> Vec<i32> {
    std::iter::once(outer).chain(inner(outer)).collect()
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

/// Now, in the ticks of `ProcessInfo::start`: 10 ms each on every Linux.
fn ticks_since_boot() -> u64 {
    let uptime = fs::read_to_string("/proc/uptime").expect("a time");
    let (seconds, hundredths) =
        uptime.split(' ').next().and_then(|time| time.split_once('.')).expect("a time");
    format!("{seconds}{hundredths}").parse().expect("a time")
}

fn runs(process: &ProcessInfo) -> bool {
    match process.state {
        'X' => false,
        'Z' => living_thread(process.pid).is_some(),
        _ => true,
    }
}

/// A thread that is alive although the first thread has ended.
fn living_thread(pid: i32) -> Option<PathBuf> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    threads.map(|thread| thread.path()).find(|thread| {
        let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    })
}

impl ProcessInfo {
    /// Whether both are lines of one process, and not of two that had the same pid.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }
}

impl Tag {
    pub(crate) fn new() -> Self {
        Self {
            value: unique(),
            since: ticks_since_boot(),
            session: Mutex::new(None),
            known: Mutex::default(),
            directory: Mutex::new(None),
        }
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// Every process in this session belongs to the run.
    pub(crate) fn mark_session(&self, session: i32) {
        *self.session.lock().expect("no panic while it was held") = Some(session);
    }

    /// Call this before the session's leader is reaped: from then on another session may get its
    /// number, and its processes must not be taken for the run's.
    pub(crate) fn forget_session(&self) {
        let Some(session) = self.session.lock().expect("no panic while it was held").take() else {
            return;
        };
        let mut known = all();
        known.retain(|one| one.session == session);
        *self.known.lock().expect("no panic while it was held") = known;
    }

    /// Every process that works in this directory belongs to the run.
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

    /// Whether the process has a mark of the run, or descends from one that has.
    fn owns(&self, process: &ProcessInfo) -> bool {
        let above = std::iter::successors(Some(process.clone()), |one| info(one.parent));
        above.take_while(|one| one.start >= self.since).any(|one| self.marks(&one))
    }

    /// The process of the run that has this pid; `None` if it is a stranger's, or nobody's.
    pub(crate) fn find(&self, pid: i32) -> Option<Pinned> {
        Pinned::new(pid, |process| self.owns(process))
    }

    /// The same, for a process that must be there.
    #[track_caller]
    pub(crate) fn pin(&self, pid: i32) -> Pinned {
        self.find(pid).unwrap_or_else(|| panic!("{pid} is no process of this run"))
    }

    /// Sends a signal to a process of the run; returns the time before the call.
    #[track_caller]
    pub(crate) fn signal(&self, pid: i32, signal: i32) -> Instant {
        self.pin(pid).signal(signal)
    }

    /// The same, to the process group that a process of the run leads.
    #[track_caller]
    pub(crate) fn signal_group(&self, leader: i32, signal: i32) -> Instant {
        self.pin(leader).signal_group(signal)
    }

    /// The run's live processes, whether or not their parents are alive.
    pub(crate) fn living(&self) -> Vec<ProcessInfo> {
        let own = std::process::id().cast_signed();
        let everything: Vec<_> = all().into_iter().filter(|process| process.pid != own).collect();
        let mut found: HashSet<i32> = HashSet::new();
        // Checking every older process as well would be most of the work.
        let later = everything.iter().filter(|one| one.start >= self.since);
        // Once more: the marks may be those of a later process with the same pid.
        let is_marked =
            |one: &&ProcessInfo| self.marks(one) && info(one.pid).is_none_or(|now| now.is_same(one));
        found.extend(later.filter(is_marked).map(|one| one.pid));
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

    /// Panics if a process of the run is still alive; a process that is dying gets 5 s.
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
                if let Some(process) = Pinned::new(process.pid, |now| now.is_same(process)) {
                    // It may end by itself at this moment.
                    let _ = process.try_signal(libc::SIGKILL);
                }
            }
            living.is_empty()
        });
        if !gone {
            eprintln!("can't kill the processes with {TAG}={}", self.value);
        }
    }
}
