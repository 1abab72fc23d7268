//! SIGKILL to the whole tree, and which processes have received it.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::signal::killpg;
use nix::unistd::Pid;

use super::{Process, Sent, Tree, unnamed};
use crate::lifecycle::signal::Signal;
use crate::os::clock::cpu_time;
use crate::os::process::descendants::walk;
use crate::os::process::procfs::{self, Stat};
use crate::os::process::{hook, reap};
use crate::os::signal::send;

/// Flag of `pidfd_send_signal(2)`: to the process group, since Linux 6.9.
const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2;

/// How much CPU time goes into naming processes before the main process's group is killed at once.
const NAMING_TIME_MAX: Duration = Duration::from_millis(1);
/// At most this many times in a row new children get SIGKILL before anything else is done.
const ROUNDS_MAX: usize = 64;
/// The groups of at most this many processes that had already ended are checked.
const FUGITIVES_MAX: usize = 16;

impl Tree {
    /// Notes that the kernel sent SIGKILL to the main process when its parent died.
    pub(crate) fn note_main_dies_with_parent(&mut self) {
        self.main.dies_with_parent = true;
        self.note_kill(self.main.process.clone(), 0, None);
    }

    /// Sends SIGKILL to every process that has not received it. Returns the processes it was sent to.
    pub(crate) fn kill(&mut self) -> Vec<Sent> {
        let is_first = !std::mem::replace(&mut self.is_killing, true);
        // Nothing below a keeper is the workload's.
        for keeper in &self.keepers {
            hook::end(*keeper);
        }
        if self.own_pid == 1 {
            send::kill_namespace();
        }
        let mut sent = Vec::new();
        // Before its group: otherwise a waiting shell would reap a child that dies first, and that child's
        // name would be lost.
        if self.main_is_alive() && !self.main.was_killed {
            self.main.was_killed = true;
            let error = send::send(self.main.process.pid, Signal::KILL).err();
            sent.extend(self.note_kill(self.main.process.clone(), 0, error));
        }
        if is_first && self.proc_is_usable {
            sent.extend(self.kill_by_name());
        }
        self.kill_main_group();
        if self.proc_is_usable {
            let foreign = self.foreign.clone();
            walk(self.own_pid, &foreign, &|| true, |stat| sent.extend(self.kill_member(stat)));
            sent.extend(self.kill_orphans());
            // The list of children can miss a process while others exit, as they do now.
            sent.extend(self.kill_orphans());
        } else {
            sent.extend(self.kill_unlisted(self.search.near().chain(self.search.far())));
        }
        sent
    }

    /// Sends SIGKILL to one process after the other, parents first. When a whole group gets it at once, a parent that
    /// waits for a child may still reap it, and the child's name would be lost.
    fn kill_by_name(&mut self) -> Vec<Sent> {
        let start = cpu_time();
        let has_time = || cpu_time().saturating_sub(start) < NAMING_TIME_MAX;
        let foreign = self.foreign.clone();
        let mut sent = Vec::new();
        walk(self.own_pid, &foreign, &has_time, |stat| sent.extend(self.kill_member(stat)));
        sent
    }

    /// Sends SIGKILL to the processes that have become our children and have not received it.
    pub(crate) fn kill_orphans(&mut self) -> Vec<Sent> {
        if !self.proc_is_usable {
            return self.kill_unlisted(self.search.near());
        }
        // A process that forks and exits lives for microseconds. So signals come first, newest child first
        // and again at once, and names are read afterwards: a child keeps its id until we reap it.
        let mut errors: HashMap<i32, Option<io::Error>> = HashMap::new();
        for _ in 0..ROUNDS_MAX {
            let is_new = |pid: &i32| !errors.contains_key(pid) && !self.got_sigkill(*pid);
            let new: Vec<i32> = self.children().into_iter().rev().filter(is_new).collect();
            if new.is_empty() {
                break;
            }
            errors.extend(new.iter().map(|pid| (*pid, send::send(*pid, Signal::KILL).err())));
            self.kill_groups_of_fugitives(&new);
        }
        // A storm leaves thousands of zombies: reading a file of each takes longer than the next thousand.
        let found = errors.into_iter().filter(|(pid, _)| !reap::ended_by_itself(*pid));
        let killed = found.filter_map(|(pid, error)| Some((procfs::stat(pid)?, error)));
        let killed = killed.filter(|(stat, _)| !stat.ended_before_sigkill());
        killed
            .filter_map(|(stat, error)| self.note_kill(Process::from(&stat), stat.start_ticks, error))
            .collect()
    }

    /// A process that forks and exits without a pause is gone before its signal comes, but its group is not:
    /// the whole group gets SIGKILL at once. Only in sessions other than ours: there the group can only hold
    /// descendants.
    fn kill_groups_of_fugitives(&self, new: &[i32]) {
        if !self.foreign.is_empty() {
            return;
        }
        let gone = new.iter().take(FUGITIVES_MAX).filter(|pid| reap::ended_by_itself(**pid));
        // Until it is reaped it keeps its group, whose id can't be reused for as long.
        for stat in gone.filter_map(|pid| procfs::stat(*pid)) {
            if stat.group > 1 && nix::unistd::getsid(None).is_ok_and(|own| own.as_raw() != stat.session) {
                kill_group(stat.group);
            }
        }
    }

    /// Whether the child with this id was sent SIGKILL.
    pub(super) fn got_sigkill(&self, pid: i32) -> bool {
        self.killed.contains_key(&pid) || (self.main.was_killed && self.is_main(pid))
    }

    /// The processes that we have killed.
    pub(crate) fn killed(&self) -> impl Iterator<Item = &Process> {
        self.victims.iter().chain(self.killed.values().map(|(_, process)| process))
    }

    /// Whether the main process was sent SIGKILL.
    pub(crate) const fn main_was_killed(&self) -> bool {
        self.main.was_killed || self.main.dies_with_parent
    }

    /// Whether this process could not be sent SIGKILL.
    pub(crate) fn is_unkillable(&self, pid: i32) -> bool {
        self.unkillable.contains_key(&pid)
    }

    /// Kills the whole group of the main process at once, so that nothing in it can fork away.
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
        // Older kernels don't know the flag. Until we have reaped its leader, the id is the group's.
        if !sent && self.main_is_alive() && self.main.process.pid > 1 {
            kill_group(self.main.process.pid);
        }
    }

    /// Sends SIGKILL to a process that has not received it.
    fn kill_member(&mut self, stat: &Stat) -> Option<Sent> {
        let got_it = self.killed.get(&stat.pid).is_some_and(|(start, _)| *start == stat.start_ticks);
        if got_it || stat.ended_before_sigkill() || (self.main.was_killed && self.is_main(stat.pid)) {
            return None;
        }
        let error = self.signal_member(stat, Signal::KILL).err();
        self.note_kill(Process::from(stat), stat.start_ticks, error)
    }

    /// Every pass tries each process, but a process that may not be killed is reported once.
    pub(super) fn note_kill(
        &mut self,
        target: Process,
        start_ticks: u64,
        error: Option<io::Error>,
    ) -> Option<Sent> {
        let needs_no_report = match error.as_ref().map(io::Error::raw_os_error) {
            None => {
                self.unkillable.remove(&target.pid);
                self.killed.insert(target.pid, (start_ticks, target.clone()));
                false
            }
            Some(Some(libc::ESRCH)) => false,
            Some(_) => self.unkillable.insert(target.pid, target.clone()).is_some(),
        };
        (!needs_no_report).then_some(Sent { target, signal: Signal::KILL, error })
    }

    /// Sends SIGKILL to our children among those found, without /proc. Their own children become ours by it.
    /// Every pass signals all of them: an id may have been reused.
    fn kill_unlisted(&mut self, found: impl Iterator<Item = i32>) -> Vec<Sent> {
        let mut sent = Vec::new();
        for pid in found {
            if self.is_workload_child(pid) {
                let error = send::send(pid, Signal::KILL).err();
                if !self.killed.contains_key(&pid) {
                    sent.extend(self.note_kill(unnamed(pid), 0, error));
                }
            }
        }
        sent
    }
}

/// Sends SIGKILL to a whole group, whose id must be above 1.
fn kill_group(group: i32) {
    let _ = killpg(Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL);
}
