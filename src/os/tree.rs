//! The tree: the main process and all its living descendants, wherever they went.
//!
//! As a sub-reaper (or PID 1) we inherit every descendant whose parent has gone, so each is either a
//! child of ours or below one. Children are signalled by their id, which stays theirs until we reap
//! them; others through their directory of /proc, which stays theirs for good.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::lifecycle::event::Orphans;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::{Signal, SignalSet};

use super::by_id::{self, Search};
use super::descent::walk;
use super::inbox::Delivery;
use super::procfs::{self, Directory, Stat};
use super::{clock, hook, reap, signalling};

/// `pidfd_send_signal(2)`: to the process group, since Linux 6.9.
const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2;

/// So often in a row new children are sent SIGKILL before anything else is done.
const ROUNDS_MAX: usize = 64;

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

/// What a process has been asked with.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Tells it from a later process of its id.
    start_ticks: u64,
    /// Since those asked before may be asked again.
    lately: bool,
    signals: SignalSet,
}

impl Asked {
    const fn is_done_with(self, signal: Signal) -> bool {
        self.lately || self.signals.contains(signal)
    }
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

    /// Notes that the main process was sent SIGKILL by the kernel, when its parent died.
    pub fn main_dies_with_parent(&mut self) {
        self.main.dies_with_parent = true;
        self.note_kill(self.main.process.clone(), 0, None);
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

    /// Has this process asked first, in the place of the one that was started.
    pub fn ask_first(&mut self, pid: i32) {
        self.leader = procfs::stat(pid).filter(|_| !self.is_main(pid));
    }

    /// Who is asked in the place of the process that was started, while it is there.
    fn leader(&self) -> Option<Stat> {
        let leader = self.leader.as_ref()?;
        let now = procfs::stat(leader.pid)?;
        (now.start_ticks == leader.start_ticks && !now.is_gone()).then_some(now)
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

    /// Signals the main process, with what came with the request, and lets it go on if it is stopped; not
    /// with a signal that it was asked with before.
    pub fn ask_main(&mut self, signal: Signal, request: Option<&Delivery>) -> Vec<Sent> {
        let mut sent = Vec::new();
        if self.asked.get(&self.main.process.pid).is_some_and(|asked| asked.is_done_with(signal)) {
            return sent;
        }
        if self.asked_at_ticks == 0 {
            self.asked_at_ticks = clock::ticks_since_boot();
            // Before the signal: whoever loses its parent by it is to be asked at once.
            self.settle();
        }
        if let Some(leader) = self.leader() {
            self.learn();
            return self.ask(&leader, signal);
        }
        if self.main_is_alive() {
            let error = signalling::forward(self.main.process.pid, signal, request).err();
            self.learn();
            sent.push(Sent { target: self.main.process.clone(), signal, error });
            let stat = procfs::stat(self.main.process.pid).filter(|_| self.proc_is_usable);
            let start_ticks = stat.as_ref().map_or(0, |stat| stat.start_ticks);
            self.note_asked(self.main.process.pid, start_ticks, signal);
            if self.main_is_stopped() || stat.is_some_and(|stat| stat.is_stopped()) {
                sent.extend(self.continue_main());
            }
        }
        sent
    }

    /// Notes who is a child of ours already.
    fn settle(&mut self) {
        if !self.proc_is_usable {
            return;
        }
        self.settled = self.children().into_iter().filter(|pid| *pid != self.main.process.pid).collect();
    }

    /// SIGCONT to the main process.
    pub fn continue_main(&mut self) -> Option<Sent> {
        self.main_stopped(false);
        self.main_is_alive().then(|| Sent {
            target: self.main.process.clone(),
            signal: Signal::CONT,
            error: signalling::send(self.main.process.pid, Signal::CONT).err(),
        })
    }

    /// Asks those who have become children of ours, each once.
    pub fn ask_orphans(&mut self, signal: Signal, which: Orphans) -> Vec<Sent> {
        if !self.proc_is_usable {
            // Who was a child of ours before is not known: all of them once the main process has gone.
            return if which == Orphans::All { self.ask_untold(signal) } else { Vec::new() };
        }
        let children = self.children();
        // The process that was started is one of them when another was asked first, and has gone.
        let main_waits = self.leader.is_none() || self.leader().is_some();
        let wanted = |pid: &i32| {
            (*pid != self.main.process.pid || !main_waits)
                && !self.asked.get(pid).is_some_and(|asked| asked.is_done_with(signal))
                && (which == Orphans::All || !self.settled.contains(pid))
        };
        let stats: Vec<Stat> = children.iter().copied().filter(wanted).filter_map(procfs::stat).collect();
        stats.iter().filter(|stat| !stat.is_gone()).flat_map(|stat| self.ask(stat, signal)).collect()
    }

    /// Asks the whole tree, each process once, the main process first.
    pub fn ask_everyone(&mut self, signal: Signal, request: Option<&Delivery>) -> Vec<Sent> {
        let mut sent = self.ask_main(signal, request);
        for stat in self.members().into_iter().filter(|stat| !stat.is_gone()) {
            let asked = self.asked.get(&stat.pid).filter(|asked| asked.start_ticks == stat.start_ticks);
            if !self.is_main(stat.pid) && !asked.is_some_and(|asked| asked.is_done_with(signal)) {
                sent.extend(self.ask(&stat, signal));
            }
        }
        sent
    }

    /// Counts everybody in our group as asked: the terminal's key reached them all, except those
    /// who ignore it.
    pub fn asked_by_terminal(&mut self, signal: Signal) {
        self.learn();
        let is_first = self.asked.is_empty();
        let own_group = nix::unistd::getpgrp().as_raw();
        for stat in self.members().iter().filter(|stat| stat.group == own_group) {
            let ignored = Directory::open(stat.pid).and_then(|process| process.ignored());
            if stat.pid == self.main.process.pid
                || !ignored.is_some_and(|ignored: SignalSet| ignored.contains(signal))
            {
                self.note_asked(stat.pid, stat.start_ticks, signal);
            }
        }
        if is_first {
            self.settle();
        }
    }

    /// From here on those asked before may be asked again, with a signal that they have not got yet.
    pub fn ask_again(&mut self) {
        for asked in self.asked.values_mut() {
            asked.lately = false;
        }
    }

    fn note_asked(&mut self, pid: i32, start_ticks: u64, signal: Signal) {
        let before = self.asked.get(&pid).filter(|asked| asked.start_ticks == start_ticks);
        let signals = before.map_or(SignalSet::default(), |asked| asked.signals).with(signal);
        self.asked.insert(pid, Asked { start_ticks, lately: true, signals });
    }

    /// SIGKILL to everybody who has not got it yet. Returns those it was sent to.
    pub fn kill(&mut self) -> Vec<Sent> {
        self.is_killing = true;
        // Nothing that is kept there is the workload's.
        for keeper in &self.keepers {
            hook::end(*keeper);
        }
        if self.own_pid == 1 {
            signalling::kill_namespace();
        }
        self.kill_main_group();
        let mut sent = Vec::new();
        if self.main_is_alive() && !self.main.was_killed {
            self.main.was_killed = true;
            let error = signalling::send(self.main.process.pid, Signal::KILL).err();
            sent.extend(self.note_kill(self.main.process.clone(), 0, error));
        }
        if self.proc_is_usable {
            let foreign = self.foreign.clone();
            walk(self.own_pid, &foreign, |stat| sent.extend(self.kill_member(stat)));
            sent.extend(self.kill_orphans());
        } else {
            sent.extend(self.kill_untold(self.search.near().chain(self.search.far())));
        }
        sent
    }

    /// SIGKILL to those who have become children of ours and have not got it yet.
    pub fn kill_orphans(&mut self) -> Vec<Sent> {
        if !self.proc_is_usable {
            return self.kill_untold(self.search.near());
        }
        // One that forks and exits lives for microseconds. So the signal comes first, to the newest first
        // and at once again, and who it was is read afterwards: a child's id is its own until we reap it.
        let mut errors: HashMap<i32, Option<io::Error>> = HashMap::new();
        for _ in 0..ROUNDS_MAX {
            let is_new = |pid: &i32| !errors.contains_key(pid) && !self.got_sigkill(*pid);
            let new: Vec<i32> = self.children().into_iter().rev().filter(is_new).collect();
            if new.is_empty() {
                break;
            }
            errors.extend(new.into_iter().map(|pid| (pid, signalling::send(pid, Signal::KILL).err())));
        }
        let found = errors.into_iter().filter_map(|(pid, error)| Some((procfs::stat(pid)?, error)));
        let killed = found.filter(|(stat, _)| !stat.ended_before_sigkill());
        killed
            .filter_map(|(stat, error)| self.note_kill(Process::from(&stat), stat.start_ticks, error))
            .collect()
    }

    /// Whether the child with this id was sent SIGKILL.
    fn got_sigkill(&self, pid: i32) -> bool {
        self.killed.contains_key(&pid) || (self.main.was_killed && self.is_main(pid))
    }

    /// Those who were killed by us.
    pub fn killed(&self) -> impl Iterator<Item = &Process> {
        self.victims.iter().chain(self.killed.values().map(|(_, process)| process))
    }

    /// Whether the main process was sent SIGKILL.
    #[must_use]
    pub const fn main_was_killed(&self) -> bool {
        self.main.was_killed || self.main.dies_with_parent
    }

    /// Whether this process could not be sent SIGKILL.
    #[must_use]
    pub fn is_unkillable(&self, pid: i32) -> bool {
        self.unkillable.contains_key(&pid)
    }

    /// A shell that waits for its foreground child, and that child: a trap of the shell can run only
    /// after the child, which nobody has asked.
    #[must_use]
    pub fn waiting_shell(&self) -> Option<(Process, Process)> {
        const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "busybox", "ksh", "zsh"];
        // A script that was executed itself has its own name; its interpreter is the shell.
        let program = procfs::executable(self.main.process.pid);
        let is_shell = SHELLS.contains(&program.as_ref().unwrap_or(&self.main.process.name).as_str());
        let waits = is_shell && procfs::wait_channel(self.main.process.pid)?.contains("wait");
        let members = self.members();
        // What a trap started after the signal is part of the shell's own stop.
        let was_there = |stat: &&Stat| stat.start_ticks <= self.asked_at_ticks;
        let mut children =
            members.iter().filter(|stat| stat.parent == self.main.process.pid && !stat.is_gone());
        let child = children.find(|stat| waits && !self.asked.contains_key(&stat.pid)).filter(was_there)?;
        Some((self.main.process.clone(), Process::from(child)))
    }

    /// The whole group of the main process at one moment, so that nothing in it can fork away.
    fn kill_main_group(&self) {
        if !self.main.has_own_group {
            return;
        }
        let sent = self.main.descriptor.as_ref().is_some_and(|descriptor| {
            // SAFETY: no memory is passed; the descriptor names our main process's group for good.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    descriptor.as_raw_fd(),
                    libc::SIGKILL,
                    std::ptr::null::<u8>(),
                    PIDFD_SIGNAL_PROCESS_GROUP,
                )
            };
            result == 0
        });
        // Older kernels don't know the flag; while we have not reaped its leader the id is the group's.
        if !sent && self.main_is_alive() && self.main.process.pid > 1 {
            // SAFETY: `killpg` touches no memory.
            unsafe { libc::killpg(self.main.process.pid, libc::SIGKILL) };
        }
    }

    /// SIGKILL to one that has not got it yet.
    fn kill_member(&mut self, stat: &Stat) -> Option<Sent> {
        let got_it = self.killed.get(&stat.pid).is_some_and(|(start, _)| *start == stat.start_ticks);
        if got_it || stat.ended_before_sigkill() || (self.main.was_killed && self.is_main(stat.pid)) {
            return None;
        }
        let error = self.signal_member(stat, Signal::KILL).err();
        self.note_kill(Process::from(stat), stat.start_ticks, error)
    }

    /// Each is tried in every pass, but that one may not be killed is told once.
    fn note_kill(&mut self, target: Process, start_ticks: u64, error: Option<io::Error>) -> Option<Sent> {
        let is_told = match error.as_ref().map(io::Error::raw_os_error) {
            None => {
                self.unkillable.remove(&target.pid);
                self.killed.insert(target.pid, (start_ticks, target.clone()));
                false
            }
            Some(Some(libc::ESRCH)) => false,
            Some(_) => self.unkillable.insert(target.pid, target.clone()).is_some(),
        };
        (!is_told).then_some(Sent { target, signal: Signal::KILL, error })
    }

    fn ask(&mut self, stat: &Stat, signal: Signal) -> Vec<Sent> {
        let target = Process::from(stat);
        let error = self.signal_member(stat, signal).err();
        self.note_asked(stat.pid, stat.start_ticks, signal);
        let mut sent = vec![Sent { target: target.clone(), signal, error }];
        if stat.is_stopped() {
            let error = self.signal_member(stat, Signal::CONT).err();
            sent.push(Sent { target, signal: Signal::CONT, error });
        }
        sent
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

    /// Asks our children, each once, without /proc. Whether one is stopped is not known then.
    fn ask_untold(&mut self, signal: Signal) -> Vec<Sent> {
        let mut sent = Vec::new();
        for pid in self.search.near() {
            let is_done = self.asked.get(&pid).is_some_and(|asked| asked.is_done_with(signal));
            if self.is_untold(pid) && !is_done {
                self.note_asked(pid, 0, signal);
                for signal in [signal, Signal::CONT] {
                    let error = signalling::send(pid, signal).err();
                    sent.push(Sent { target: unnamed(pid), signal, error });
                }
            }
        }
        sent
    }

    /// SIGKILL to our children among those found, without /proc. What is below one becomes a child of
    /// ours by it. Each time to all of them: an id may have become another process's.
    fn kill_untold(&mut self, found: impl Iterator<Item = i32>) -> Vec<Sent> {
        let mut sent = Vec::new();
        for pid in found {
            if self.is_untold(pid) {
                let error = signalling::send(pid, Signal::KILL).err();
                if !self.killed.contains_key(&pid) {
                    sent.extend(self.note_kill(unnamed(pid), 0, error));
                }
            }
        }
        sent
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
