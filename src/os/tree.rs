//! The tree: the main process and all its living descendants, wherever they went.
//!
//! As a sub-reaper (or PID 1) we inherit every descendant whose parent has gone, so each is either a
//! child of ours or below one. Children are signalled by their id, which stays theirs until we reap
//! them; others through their directory of /proc, which stays theirs for good.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::Signal;

use super::by_id::{self, Search};
use super::descent::{nearest, walk};
use super::procfs::{self, Directory, Stat};
use super::{reap, signalling};

mod asking;
mod killing;

use asking::Asked;

/// A process by its id and name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// The name of its main thread.
    pub name: String,
}

impl From<&Stat> for Process {
    fn from(stat: &Stat) -> Self {
        Self { pid: stat.pid, name: stat.name.clone() }
    }
}

/// One signal that was sent, and what came of it.
#[derive(Debug)]
pub struct Sent {
    /// To whom.
    pub target: Process,
    /// Which one.
    pub signal: Signal,
    /// Why it was not delivered, if it was not.
    pub error: Option<io::Error>,
}

/// The workload's processes, and which of them were asked and killed.
#[derive(Debug)]
pub struct Tree {
    own_pid: i32,
    main: Main,
    /// Whether /proc can be read and shows our PID namespace.
    proc_is_usable: bool,
    /// Finds our children where it does not.
    search: Search,
    /// Processes that were below us before the main process was, and those of our own.
    foreign: HashSet<i32>,
    /// The processes of ours that keep hooks: one that runs, and those whose end is still to be seen.
    keepers: HashSet<i32>,
    /// Asked first, in the place of the main process.
    leader: Option<Stat>,
    /// Asked in this stop.
    asked: HashMap<i32, Asked>,
    /// When the main process was asked, in the kernel's count.
    asked_at_ticks: u64,
    /// Already children of ours when the stop began: they wait until the main process has gone.
    settled: HashSet<i32>,
    /// Sent SIGKILL, and not known to have ended otherwise; with their start times.
    killed: HashMap<i32, (u64, Process)>,
    /// Those of them that we have reaped.
    victims: Vec<Process>,
    /// Could not be sent SIGKILL.
    unkillable: HashMap<i32, Process>,
    /// The whole tree is being killed.
    is_killing: bool,
}

/// The process that winddown started.
#[derive(Debug)]
struct Main {
    process: Process,
    /// Names it, and its group, for good.
    descriptor: Option<OwnedFd>,
    has_own_group: bool,
    life: Life,
    was_killed: bool,
    /// Was to be killed by the kernel with its parent, which it forgets of one that changes its user.
    dies_with_parent: bool,
}

/// As far as `waitpid` has told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Running,
    Stopped,
    Reaped,
}

/// Takes note of processes that are already below us. They are never asked, killed or waited for.
#[must_use]
pub fn foreign() -> HashSet<i32> {
    let own_pid = own_pid();
    if own_pid == 1 {
        return HashSet::new();
    }
    if !procfs::is_ours() {
        return by_id::all().into_iter().collect();
    }
    let mut found = HashSet::new();
    walk(own_pid, &HashSet::new(), |stat| {
        found.insert(stat.pid);
    });
    found
}

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

impl Tree {
    /// The tree below a main process that was just started.
    #[must_use]
    pub fn new(
        main: Process,
        descriptor: Option<OwnedFd>,
        has_own_group: bool,
        foreign: HashSet<i32>,
    ) -> Self {
        Self {
            own_pid: own_pid(),
            search: Search::new(main.pid),
            main: Main {
                process: main,
                descriptor,
                has_own_group,
                life: Life::Running,
                was_killed: false,
                dies_with_parent: false,
            },
            proc_is_usable: procfs::is_ours(),
            foreign,
            keepers: HashSet::new(),
            leader: None,
            asked: HashMap::new(),
            asked_at_ticks: 0,
            settled: HashSet::new(),
            killed: HashMap::new(),
            victims: Vec::new(),
            unkillable: HashMap::new(),
            is_killing: false,
        }
    }

    /// The main process.
    #[must_use]
    pub const fn main(&self) -> &Process {
        &self.main.process
    }

    /// The descriptor that names the main process.
    #[must_use]
    pub fn descriptor(&self) -> Option<RawFd> {
        self.main.descriptor.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Whether this is the main process.
    #[must_use]
    pub const fn is_main(&self, pid: i32) -> bool {
        self.main.process.pid == pid
    }

    /// Reads what is needed for a stop: whether /proc can be trusted, and the main process's name,
    /// which is lost once it has been reaped.
    pub fn learn(&mut self) {
        self.proc_is_usable = procfs::is_ours();
        if let Some(stat) = self.proc_is_usable.then(|| procfs::stat(self.main.process.pid)).flatten() {
            self.main.process.name = stat.name;
        }
    }

    /// Notes that a child has been reaped: its id is no longer its own.
    pub fn reaped(&mut self, pid: i32, exit: Exit) {
        let is_foreign = self.foreign.remove(&pid);
        self.keepers.remove(&pid);
        self.asked.remove(&pid);
        self.settled.remove(&pid);
        self.unkillable.remove(&pid);
        // Out of the way of the next process with this id.
        let killed = self.killed.remove(&pid).map(|(_, process)| process);
        // What was sent to the group can have killed one that no list has shown.
        let unseen = || (self.is_killing && !is_foreign).then(|| unnamed(pid));
        if exit == Exit::Signal(Signal::KILL) {
            self.victims.extend(killed.or_else(unseen));
        }
        if self.is_main(pid) {
            self.main.life = Life::Reaped;
        }
    }

    /// Notes that the main process was stopped or goes on.
    pub fn main_stopped(&mut self, is_stopped: bool) {
        if self.main_is_alive() {
            self.main.life = if is_stopped { Life::Stopped } else { Life::Running };
        }
    }

    /// Whether the main process is known to be stopped.
    #[must_use]
    pub fn main_is_stopped(&self) -> bool {
        self.main.life == Life::Stopped
    }

    fn main_is_alive(&self) -> bool {
        self.main.life != Life::Reaped
    }

    /// Leaves a process of ours alone, with everything below it. It is not waited for.
    pub fn set_aside(&mut self, pid: i32) {
        self.foreign.insert(pid);
    }

    /// The same for one that keeps a hook; this one is waited for, and told to kill what it keeps when
    /// everybody is killed.
    pub fn set_hook_aside(&mut self, keeper: i32) {
        self.set_aside(keeper);
        self.keepers.insert(keeper);
    }

    /// Whether the only children left are those from before the start.
    #[must_use]
    pub fn is_empty_but_for_foreign(&self) -> bool {
        !self.foreign.is_empty()
            && self.keepers.is_empty()
            && !self.main_is_alive()
            && self.children().is_empty()
    }

    /// Whether a process belongs to the workload.
    #[must_use]
    pub fn contains(&self, pid: i32) -> bool {
        pid == self.main.process.pid
            || self.members().iter().any(|stat| stat.pid == pid)
            || (!self.proc_is_usable && self.is_untold(pid))
    }

    /// The process of this id, if it is a living descendant that belongs to the workload.
    #[must_use]
    pub fn descendant(&self, pid: i32) -> Option<Process> {
        const GENERATIONS_MAX: usize = 10_000;
        let known = procfs::stat(pid).filter(|_| self.proc_is_usable)?;
        let mut at = known.clone();
        for _ in 0..GENERATIONS_MAX {
            if self.foreign.contains(&at.pid) {
                return None;
            }
            if at.parent == self.own_pid {
                return Some(Process::from(&known));
            }
            at = procfs::stat(at.parent).filter(|_| at.parent > 1)?;
        }
        None
    }

    /// Whether nobody has this id any more, as far as can be known.
    #[must_use]
    pub fn is_gone(&self, pid: i32) -> bool {
        !signalling::exists(pid) || !self.proc_is_usable
    }

    /// Whether the main process, or winddown itself, runs as this user.
    #[must_use]
    pub fn is_user_of(&self, uid: u32) -> bool {
        uid == nix::unistd::geteuid().as_raw() || procfs::user(self.main.process.pid) == Some(uid)
    }

    /// What /proc tells of the main process, while it is there.
    #[must_use]
    pub fn main_stat(&self) -> Option<Stat> {
        let knows = self.proc_is_usable && self.main_is_alive();
        knows.then(|| procfs::stat(self.main.process.pid)).flatten()
    }

    /// Visits those nearest to us first, until the visit says that it is enough. The answer is how many more
    /// there are at least.
    pub fn visit_nearest(&self, visit: impl FnMut(&Stat) -> bool) -> usize {
        if self.proc_is_usable { nearest(self.own_pid, &self.foreign, visit) } else { 0 }
    }

    /// Everybody who is there, the main process first. Zombies are not: they only wait to be reaped.
    #[must_use]
    pub fn there(&self) -> Vec<Process> {
        let members = self.members();
        let mut there: Vec<Process> =
            members.iter().filter(|stat| !stat.is_gone()).map(Process::from).collect();
        there.sort_by_key(|process| (process.pid != self.main.process.pid, process.pid));
        if there.is_empty() && self.main_is_alive() {
            there.push(self.main.process.clone());
        }
        if !self.proc_is_usable {
            let others = self.search.near().filter(|pid| !self.is_main(*pid) && !self.foreign.contains(pid));
            there.extend(others.map(unnamed));
        }
        there
    }

    /// Signals the very process that `stat` was read of.
    fn signal_member(&self, stat: &Stat, signal: Signal) -> io::Result<()> {
        if stat.parent == self.own_pid {
            return signalling::send(stat.pid, signal);
        }
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let directory = Directory::open(stat.pid).ok_or_else(gone)?;
        let now = directory.stat().filter(|now| now.start_ticks == stat.start_ticks).ok_or_else(gone)?;
        match directory.signal(signal) {
            // EPERM: from a container's profile, or really; `kill` tells which.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                signalling::send(now.pid, signal)
            }
            result => result,
        }
    }

    /// All descendants but those from before the start.
    fn members(&self) -> Vec<Stat> {
        let mut found = Vec::new();
        if self.proc_is_usable {
            walk(self.own_pid, &self.foreign, |stat| found.push(stat.clone()));
        }
        found
    }

    /// Whether this is a living child of ours, but neither the main process nor from before the start.
    fn is_untold(&self, pid: i32) -> bool {
        !self.is_main(pid) && !self.foreign.contains(&pid) && reap::is_living_child(pid)
    }

    /// Our own children but those from before the start.
    fn children(&self) -> Vec<i32> {
        if !self.proc_is_usable {
            return self.search.near().filter(|pid| !self.foreign.contains(pid)).collect();
        }
        let children = procfs::children_of_self().unwrap_or_else(|| {
            let members = self.members();
            members.iter().filter(|stat| stat.parent == self.own_pid).map(|stat| stat.pid).collect()
        });
        children.into_iter().filter(|pid| !self.foreign.contains(pid)).collect()
    }
}

/// A process of which /proc does not tell the name.
const fn unnamed(pid: i32) -> Process {
    Process { pid, name: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_dies_of_sigkill_while_the_tree_is_killed_was_killed_by_us() {
        let main = Process { pid: 10, name: "main".to_owned() };
        let mut tree = Tree::new(main, None, false, HashSet::from([13]));
        tree.reaped(11, Exit::Signal(Signal::KILL));
        assert_eq!(tree.killed().count(), 0, "by somebody else, before");
        tree.is_killing = true;
        tree.reaped(12, Exit::Signal(Signal::KILL));
        tree.reaped(13, Exit::Signal(Signal::KILL));
        tree.reaped(14, Exit::Signal(Signal::TERM));
        assert_eq!(tree.killed().collect::<Vec<_>>(), [&unnamed(12)], "no foreign one, no other end");
    }
}
