//! The tree: the main process and all its living descendants, wherever they are.
//!
//! As a subreaper (or PID 1) we inherit every descendant whose parent has gone, so each is either our child
//! or below one. Children are signalled by id, which is theirs until we reap them; other descendants through
//! their directory in /proc, which is theirs for good.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::Signal;

use super::descendants::{nearest, walk};
use super::foreign::Foreign;
use super::pid_scan::Search;
use super::procfs::{self, Directory, Stat};
use super::reap;
use crate::os::clock::Clock;
use crate::os::signal::send;

mod asking;
mod killing;
mod reading;

use asking::Asked;
use reading::PipeReaders;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// The name of its main thread.
    pub(crate) name: String,
}

impl From<&Stat> for Process {
    fn from(stat: &Stat) -> Self {
        Self { pid: stat.pid, name: stat.name.clone() }
    }
}

/// What is left of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StillThere {
    /// Some of the workload, as far as is known: only `waitpid` can say that none is left.
    Workload,
    /// Only the keeper of a hook.
    Hook,
    /// No process that we wait for.
    Nobody,
}

/// A signal that was sent, and the result.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) target: Process,
    pub(crate) signal: Signal,
    /// Why it could not be sent, if so.
    pub(crate) error: Option<io::Error>,
}

/// The workload's processes, and which of them have been asked and killed.
#[derive(Debug)]
pub(crate) struct Tree {
    own_pid: i32,
    main: Main,
    /// Whether /proc can be read and shows our PID namespace.
    proc_is_usable: bool,
    /// Finds our children where /proc does not list them.
    search: Search,
    /// Processes that were below us before the main process, and our own helpers.
    foreign: Foreign,
    /// When SIGKILL is due. No walk may delay it; processes that a walk did not reach get SIGKILL then.
    kill_at: Option<(Clock, Duration)>,
    /// The keepers of hooks: the current one, and those that have not been reaped.
    keepers: HashSet<i32>,
    /// Asked first, in place of the main process.
    leader: Option<Stat>,
    /// The processes asked in this stop.
    asked: HashMap<i32, Asked>,
    /// When the main process was asked, in clock ticks since boot.
    asked_at_ticks: u64,
    /// The processes left to the last lines of others.
    readers: PipeReaders,
    /// Processes that were already our children when the stop began: they wait until the main process has
    /// gone.
    settled: HashSet<i32>,
    /// Processes sent SIGKILL and not known to have ended otherwise, with their start times.
    killed: HashMap<i32, (u64, Process)>,
    /// The killed processes that we have reaped.
    victims: Vec<Process>,
    /// Processes to which SIGKILL could not be sent.
    unkillable: HashMap<i32, Process>,
    /// Whether the whole tree is being killed.
    is_killing: bool,
}

/// The process that winddown started.
#[derive(Debug)]
struct Main {
    process: Process,
    /// Refers to the process, and its group, for good.
    descriptor: Option<OwnedFd>,
    has_own_group: bool,
    life: Life,
    was_killed: bool,
    /// The kernel is to kill it with its parent, unless it changes its user: then the kernel forgets that.
    dies_with_parent: bool,
}

/// As last reported by `waitpid`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Running,
    Stopped,
    Reaped,
}

impl Tree {
    /// The tree below a main process that has just been started.
    pub(crate) fn new(
        main: Process,
        descriptor: Option<OwnedFd>,
        has_own_group: bool,
        foreign: Foreign,
    ) -> Self {
        Self {
            own_pid: std::process::id().cast_signed(),
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
            kill_at: None,
            keepers: HashSet::new(),
            leader: None,
            asked: HashMap::new(),
            asked_at_ticks: 0,
            readers: PipeReaders::default(),
            settled: HashSet::new(),
            killed: HashMap::new(),
            victims: Vec::new(),
            unkillable: HashMap::new(),
            is_killing: false,
        }
    }

    pub(crate) const fn main(&self) -> &Process {
        &self.main.process
    }

    /// Takes the processes that are not the workload's, for the tree of the next try.
    pub(crate) fn take_foreign(&mut self) -> Foreign {
        std::mem::take(&mut self.foreign)
    }

    /// The process descriptor of the main process.
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        self.main.descriptor.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Sets when SIGKILL is due, if it is.
    pub(crate) fn set_kill_at(&mut self, clock: Clock, at: Option<Duration>) {
        self.kill_at = at.map(|at| (clock, at));
    }

    /// Whether there is time for anything but SIGKILL.
    fn has_time(&self) -> bool {
        self.kill_at.is_none_or(|(clock, at)| clock.now() < at)
    }

    /// Whether this is the main process.
    pub(crate) const fn is_main(&self, pid: i32) -> bool {
        self.main.process.pid == pid
    }

    /// Reads what a stop needs: whether /proc can be trusted, and the main process's name, which is lost once
    /// it is reaped.
    pub(crate) fn learn(&mut self) {
        self.proc_is_usable = procfs::is_ours();
        if let Some(stat) = self.proc_is_usable.then(|| procfs::stat(self.main.process.pid)).flatten() {
            self.main.process.name = stat.name;
        }
    }

    /// Notes that a child has been reaped: its id can be reused now.
    pub(crate) fn note_reaped(&mut self, pid: i32, exit: Exit) {
        let is_foreign = self.foreign.note_reaped(pid);
        self.keepers.remove(&pid);
        self.asked.remove(&pid);
        self.settled.remove(&pid);
        self.readers.note_reaped(pid);
        self.unkillable.remove(&pid);
        // Removed, so that it is not mistaken for a later process with this id.
        let killed = self.killed.remove(&pid).map(|(_, process)| process);
        // A signal to the group can have killed a process that was never listed.
        let unseen = || (self.is_killing && !is_foreign).then(|| unnamed(pid));
        if exit == Exit::Signal(Signal::KILL) {
            self.victims.extend(killed.or_else(unseen));
        }
        if self.is_main(pid) {
            self.main.life = Life::Reaped;
        }
    }

    /// Notes that the main process was stopped or continued.
    pub(crate) fn set_main_stopped(&mut self, is_stopped: bool) {
        if self.main_is_alive() {
            self.main.life = if is_stopped { Life::Stopped } else { Life::Running };
        }
    }

    /// Whether the main process is known to be stopped.
    pub(crate) fn main_is_stopped(&self) -> bool {
        self.main.life == Life::Stopped
    }

    fn main_is_alive(&self) -> bool {
        self.main.life != Life::Reaped
    }

    /// Excludes a helper process of ours from the tree, with everything below it. It is not waited for.
    pub(crate) fn set_aside(&mut self, pid: i32) {
        self.foreign.add_child(pid);
    }

    /// The same for the keeper of a hook. It is waited for, and told to kill its hook when the tree is
    /// killed.
    pub(crate) fn set_hook_aside(&mut self, keeper: i32) {
        self.set_aside(keeper);
        self.keepers.insert(keeper);
    }

    /// What is left besides children from before the start, if there are any.
    pub(crate) fn left(&self) -> StillThere {
        if self.foreign.is_empty() || self.main_is_alive() || !self.children().is_empty() {
            return StillThere::Workload;
        }
        if self.keepers.is_empty() { StillThere::Nobody } else { StillThere::Hook }
    }

    /// Whether a process belongs to the workload.
    pub(crate) fn contains(&self, pid: i32) -> bool {
        pid == self.main.process.pid
            || self.descendant(pid).is_some()
            || (!self.proc_is_usable && self.is_workload_child(pid))
    }

    /// The process with this id, if it is a descendant that belongs to the workload. The search goes upwards:
    /// a walk through the whole tree for each signal or message would let their sender decide how long it
    /// takes.
    pub(crate) fn descendant(&self, pid: i32) -> Option<Process> {
        const GENERATIONS_MAX: usize = 256;
        let known = procfs::stat(pid).filter(|_| self.proc_is_usable)?;
        let mut at = known.clone();
        for _ in 0..GENERATIONS_MAX {
            if self.foreign.contains(&at) {
                return None;
            }
            if at.parent == self.own_pid {
                return Some(Process::from(&known));
            }
            at = procfs::stat(at.parent).filter(|_| at.parent > 1)?;
        }
        None
    }

    /// Whether no process has this id any longer, as far as can be known.
    pub(crate) fn is_free_id(&self, pid: i32) -> bool {
        !send::exists(pid) || !self.proc_is_usable
    }

    /// Whether the main process, or winddown itself, runs as this user.
    pub(crate) fn is_user_of(&self, uid: u32) -> bool {
        uid == nix::unistd::geteuid().as_raw() || procfs::user(self.main.process.pid) == Some(uid)
    }

    /// Visits the main process and then those nearest to us, until the time is over or the visitor returns
    /// false. Returns the least number of processes that were not visited.
    pub(crate) fn visit_nearest(
        &self,
        has_time: &dyn Fn() -> bool,
        visit: impl FnMut(&Stat) -> bool,
    ) -> usize {
        if self.proc_is_usable {
            nearest(self.own_pid, self.main.process.pid, &self.foreign, has_time, visit)
        } else {
            0
        }
    }

    /// All living processes, the main process first. Zombies only wait to be reaped, and don't count.
    pub(crate) fn there(&self) -> Vec<Process> {
        let members = self.members();
        let mut there: Vec<Process> =
            members.iter().filter(|stat| !stat.has_exited()).map(Process::from).collect();
        there.sort_by_key(|process| (process.pid != self.main.process.pid, process.pid));
        if there.is_empty() && self.main_is_alive() {
            there.push(self.main.process.clone());
        }
        if !self.proc_is_usable {
            let others = self.search.near().filter(|pid| !self.is_main(*pid) && !self.foreign.has_id(*pid));
            there.extend(others.map(unnamed));
        }
        there
    }

    /// Signals the very process from which `stat` was read.
    fn signal_member(&self, stat: &Stat, signal: Signal) -> io::Result<()> {
        if stat.parent == self.own_pid {
            return send::send(stat.pid, signal);
        }
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let directory = Directory::open(stat.pid).ok_or_else(gone)?;
        let now = directory.stat().filter(|now| now.start_ticks == stat.start_ticks).ok_or_else(gone)?;
        match directory.signal(signal) {
            // EPERM may come from a container's profile or be real; `kill` shows which.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                send::send(now.pid, signal)
            }
            result => result,
        }
    }

    /// All descendants except those from before the start; fewer once SIGKILL is due.
    fn members(&self) -> Vec<Stat> {
        let mut found = Vec::new();
        if self.proc_is_usable {
            walk(self.own_pid, &self.foreign, &|| self.has_time(), |stat| found.push(stat.clone()));
        }
        found
    }

    /// The pids of the workload, for a helper process that has just been forked, and is not part of it.
    pub(crate) fn pids_beside_us(&self) -> Vec<i32> {
        let mut foreign = self.foreign.clone();
        foreign.add_child(std::process::id().cast_signed());
        let mut pids = vec![self.main.process.pid];
        walk(self.own_pid, &foreign, &|| true, |stat| pids.push(stat.pid));
        pids
    }

    /// Whether this is a living child of ours other than the main process, and not from before the start.
    fn is_workload_child(&self, pid: i32) -> bool {
        !self.is_main(pid) && !self.foreign.has_id(pid) && reap::is_living_child(pid)
    }

    /// Our children except those from before the start.
    fn children(&self) -> Vec<i32> {
        if !self.proc_is_usable {
            return self.search.near().filter(|pid| !self.foreign.has_id(*pid)).collect();
        }
        let children = procfs::children_of_self().unwrap_or_else(|| {
            let members = self.members();
            members.iter().filter(|stat| stat.parent == self.own_pid).map(|stat| stat.pid).collect()
        });
        children.into_iter().filter(|pid| !self.foreign.has_id(*pid)).collect()
    }
}

/// A process whose name /proc does not show.
const fn unnamed(pid: i32) -> Process {
    Process { pid, name: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_dies_of_sigkill_while_the_tree_is_killed_was_killed_by_us() {
        let main = Process { pid: 10, name: "main".to_owned() };
        let mut tree = Tree::new(main, None, false, Foreign::default());
        tree.set_aside(13);
        tree.note_reaped(11, Exit::Signal(Signal::KILL));
        assert_eq!(tree.killed().count(), 0, "by somebody else, before");
        tree.is_killing = true;
        tree.note_reaped(12, Exit::Signal(Signal::KILL));
        tree.note_reaped(13, Exit::Signal(Signal::KILL));
        tree.note_reaped(14, Exit::Signal(Signal::TERM));
        assert_eq!(tree.killed().collect::<Vec<_>>(), [&unnamed(12)], "no foreign one, no other end");
    }
}
