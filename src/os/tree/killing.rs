//! SIGKILL to the whole tree, and who has got it.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;

use super::{Process, Sent, Tree, unnamed};
use crate::lifecycle::signal::Signal;
use crate::os::descent::walk;
use crate::os::procfs::{self, Stat};
use crate::os::{hook, signalling};

/// `pidfd_send_signal(2)`: to the process group, since Linux 6.9.
const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2;

/// So often in a row new children are sent SIGKILL before anything else is done.
const ROUNDS_MAX: usize = 64;

impl Tree {
    /// Notes that the main process was sent SIGKILL by the kernel, when its parent died.
    pub fn main_dies_with_parent(&mut self) {
        self.main.dies_with_parent = true;
        self.note_kill(self.main.process.clone(), 0, None);
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
            // The list of children can miss one while others end, as they do now.
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
    pub(super) fn got_sigkill(&self, pid: i32) -> bool {
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
    pub(super) fn note_kill(
        &mut self,
        target: Process,
        start_ticks: u64,
        error: Option<io::Error>,
    ) -> Option<Sent> {
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
}
