//! Which processes to ask, with which signal, and which have been asked.

use std::io;

use super::{Process, Sent, Tree, unnamed};
use crate::lifecycle::cause::Reach;
use crate::lifecycle::event::{Orphans, Readers};
use crate::lifecycle::plan::Dump;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::clock;
use crate::os::process::procfs::{self, Directory, Stat};
use crate::os::process::shell;
use crate::os::signal::receive::Delivery;
use crate::os::signal::send;

/// How a process has been asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Distinguishes it from a later process with the same id.
    pub(super) start_ticks: u64,
    /// Asked since the last `ask_again`.
    lately: bool,
    signals: SignalSet,
    latest: Signal,
    /// The signal could not be sent: the process runs as another user.
    is_unreached: bool,
}

impl Asked {
    const fn is_done_with(self, signal: Signal) -> bool {
        self.lately || self.signals.contains(signal)
    }
}

/// Go's runtime catches all of these: every signal that can be caught, except those of terminal job control
/// and of the C library. No other program does.
const CAUGHT_BY_GO: u64 = 0xffff_fff8_7fc1_feff;
/// Names of threads that every JVM has.
const OF_JVM: [&str; 2] = ["VM Thread", "VM Periodic Tas"];

/// Whether a process prints the stacks of its threads on SIGQUIT: a JVM, which goes on, or a Go program,
/// which exits. Any other program would just die of it.
fn answers_quit(stat: &Stat, has_time: &dyn Fn() -> bool) -> bool {
    let caught = Directory::open(stat.pid).and_then(|process| process.caught()).unwrap_or_default();
    let is_go = caught.bits() & CAUGHT_BY_GO == CAUGHT_BY_GO;
    is_go
        || (caught.contains(Signal::QUIT)
            && procfs::thread_names(stat.pid)
                .take_while(|_| has_time())
                .any(|name| OF_JVM.contains(&name.as_str())))
}

impl Tree {
    /// Asks this process first, in place of the main process.
    pub(crate) fn ask_first(&mut self, pid: i32) {
        self.leader = procfs::stat(pid).filter(|_| !self.is_main(pid));
    }

    /// The process to ask in place of the main process, while it lives.
    fn leader(&self) -> Option<Stat> {
        let leader = self.leader.as_ref()?;
        let now = procfs::stat(leader.pid)?;
        (now.start_ticks == leader.start_ticks && !now.has_exited()).then_some(now)
    }

    /// Asks the main process, with the value that came with the request, and continues it if it is stopped.
    /// Does not send a signal with which it has already been asked.
    pub(crate) fn ask_main(&mut self, signal: Signal, request: Option<&Delivery>) -> Vec<Sent> {
        let mut sent = Vec::new();
        if self.asked.get(&self.main.process.pid).is_some_and(|asked| asked.is_done_with(signal)) {
            return sent;
        }
        if self.asked_at_ticks == 0 {
            self.asked_at_ticks = clock::ticks_since_boot();
            // Before the signal: a process that loses its parent by it must be asked at once.
            self.settle();
        }
        if let Some(leader) = self.leader() {
            self.learn();
            return self.ask(&leader, signal);
        }
        if self.main_is_alive() {
            let has_it = self.has_pending(self.main.process.pid, signal);
            let error =
                if has_it { None } else { send::forward(self.main.process.pid, signal, request).err() };
            self.learn();
            let stat = procfs::stat(self.main.process.pid).filter(|_| self.proc_is_usable);
            let start_ticks = stat.as_ref().map_or(0, |stat| stat.start_ticks);
            self.note_asked(self.main.process.pid, start_ticks, signal);
            self.note_unreached(self.main.process.pid, error.as_ref());
            sent.extend((!has_it).then(|| Sent { target: self.main.process.clone(), signal, error }));
            if self.main_is_stopped() || stat.is_some_and(|stat| stat.is_stopped()) {
                sent.extend(self.continue_main());
            }
        }
        sent
    }

    /// Whether this signal is already pending for a process, sent by someone else. Another copy could reach
    /// it as a second request.
    fn has_pending(&self, pid: i32, signal: Signal) -> bool {
        let pending =
            Directory::open(pid).filter(|_| self.proc_is_usable).and_then(|process| process.pending());
        pending.is_some_and(|pending| pending.contains(signal))
    }

    /// Notes which processes are already our children.
    fn settle(&mut self) {
        if !self.proc_is_usable {
            return;
        }
        self.settled = self.children().into_iter().filter(|pid| *pid != self.main.process.pid).collect();
    }

    /// Sends SIGCONT to the main process.
    pub(crate) fn continue_main(&mut self) -> Option<Sent> {
        self.set_main_stopped(false);
        self.main_is_alive().then(|| Sent {
            target: self.main.process.clone(),
            signal: Signal::CONT,
            error: send::send(self.main.process.pid, Signal::CONT).err(),
        })
    }

    /// Asks the processes that have become our children, each once, except those left to their pipes.
    pub(crate) fn ask_orphans(&mut self, signal: Signal, which: Orphans, readers: Readers) -> Vec<Sent> {
        if !self.proc_is_usable {
            // Which ones were our children before is unknown: all of them are asked, once the main process
            // has gone.
            return if which == Orphans::All { self.ask_unlisted(signal) } else { Vec::new() };
        }
        let children = self.children();
        // The main process is one of them if another process was asked first and has gone.
        let main_waits = self.leader.is_none() || self.leader().is_some();
        let wanted = |pid: &i32| {
            (*pid != self.main.process.pid || !main_waits)
                && !self.asked.get(pid).is_some_and(|asked| asked.is_done_with(signal))
                && (which == Orphans::All || !self.settled.contains(pid))
        };
        let wanted: Vec<i32> = children.into_iter().filter(wanted).collect();
        let kill_at = self.kill_at;
        let has_time = || kill_at.is_none_or(|(clock, at)| clock.now() < at);
        let mut sent = Vec::new();
        for stat in wanted.into_iter().filter_map(procfs::stat).filter(|stat| !stat.has_exited()) {
            if !has_time() {
                break;
            }
            if self.is_main(stat.pid) || !self.readers.leave_to_pipe(&stat, readers, &has_time) {
                sent.extend(self.ask(&stat, signal));
            }
        }
        sent
    }

    /// Asks the whole tree, each process once, the main process first.
    pub(crate) fn ask_everyone(&mut self, signal: Signal, request: Option<&Delivery>) -> Vec<Sent> {
        let mut sent = self.ask_main(signal, request);
        for stat in self.members().into_iter().filter(|stat| !stat.has_exited()) {
            if !self.has_time() {
                break;
            }
            let asked = self.asked.get(&stat.pid).filter(|asked| asked.start_ticks == stat.start_ticks);
            if !self.is_main(stat.pid) && !asked.is_some_and(|asked| asked.is_done_with(signal)) {
                sent.extend(self.ask(&stat, signal));
            }
        }
        sent
    }

    /// Counts as asked every process that was sent the signal that we got: our group, or the whole tree;
    /// except processes that ignore it.
    pub(crate) fn asked_by_others(&mut self, signal: Signal, reach: Reach) {
        self.learn();
        let is_first = self.asked.is_empty();
        let own_group = nix::unistd::getpgrp().as_raw();
        let is_reached = |stat: &&Stat| reach == Reach::Everyone || stat.group == own_group;
        for stat in self.members().iter().filter(is_reached) {
            if !self.has_time() {
                break;
            }
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

    /// The last signal with which a process was asked in this stop; nothing if it was not reached.
    pub(crate) fn asked_with(&self, stat: &Stat) -> Option<Signal> {
        let asked = self.asked.get(&stat.pid).filter(|asked| asked.start_ticks == stat.start_ticks)?;
        (!asked.is_unreached).then_some(asked.latest)
    }

    /// Lets processes that were asked before be asked again, with a signal that they have not been sent yet.
    pub(crate) fn ask_again(&mut self) {
        for asked in self.asked.values_mut() {
            asked.lately = false;
        }
    }

    fn note_asked(&mut self, pid: i32, start_ticks: u64, signal: Signal) {
        let before = self.asked.get(&pid).filter(|asked| asked.start_ticks == start_ticks);
        let signals = before.map_or(SignalSet::default(), |asked| asked.signals).with(signal);
        self.asked
            .insert(pid, Asked { start_ticks, lately: true, signals, latest: signal, is_unreached: false });
    }

    /// Notes that a signal could not be sent to a process that was asked.
    fn note_unreached(&mut self, pid: i32, error: Option<&io::Error>) {
        if let Some(asked) = self.asked.get_mut(&pid).filter(|_| error.is_some()) {
            asked.is_unreached = true;
        }
    }

    /// Has the processes that are left dump their state, by a signal that is no request. Skips processes that
    /// were asked with that signal.
    pub(crate) fn dump(&self, dump: Dump) -> Vec<Sent> {
        let mut members = self.members();
        let got = |stat: &Stat, signal| {
            self.asked.get(&stat.pid).is_some_and(|asked| asked.signals.contains(signal))
        };
        let signal = match dump {
            Dump::Auto => {
                members.retain(|stat| self.has_time() && answers_quit(stat, &|| self.has_time()));
                Signal::QUIT
            }
            Dump::Signal(signal) => signal,
        };
        let send = |stat: &Stat| {
            let error = self.signal_member(stat, signal).err();
            Sent { target: Process::from(stat), signal, error }
        };
        let wanted = members.iter().filter(|stat| !stat.has_exited() && !got(stat, signal));
        wanted.take_while(|_| self.has_time()).map(send).collect()
    }

    /// A shell that waits for its foreground child, and that child: the shell can run a trap only after the
    /// child, which no process has asked.
    pub(crate) fn waiting_shell(&self) -> Option<(Process, Process)> {
        let is_shell = shell::program(self.main.process.pid, &self.main.process.name).is_some();
        let waits = is_shell && procfs::wait_channel(self.main.process.pid)?.contains("wait");
        let members = self.members();
        // A child that a trap started after the signal is part of the shell's own stop.
        let was_there = |stat: &&Stat| stat.start_ticks <= self.asked_at_ticks;
        let mut children =
            members.iter().filter(|stat| stat.parent == self.main.process.pid && !stat.has_exited());
        let child = children.find(|stat| waits && !self.asked.contains_key(&stat.pid)).filter(was_there)?;
        Some((self.main.process.clone(), Process::from(child)))
    }

    fn ask(&mut self, stat: &Stat, signal: Signal) -> Vec<Sent> {
        let target = Process::from(stat);
        let mut sent = Vec::new();
        if self.has_pending(stat.pid, signal) {
            self.note_asked(stat.pid, stat.start_ticks, signal);
        } else {
            let error = self.signal_member(stat, signal).err();
            self.note_asked(stat.pid, stat.start_ticks, signal);
            self.note_unreached(stat.pid, error.as_ref());
            sent.push(Sent { target: target.clone(), signal, error });
        }
        if stat.is_stopped() {
            let error = self.signal_member(stat, Signal::CONT).err();
            sent.push(Sent { target, signal: Signal::CONT, error });
        }
        sent
    }

    /// Asks our children, each once, without /proc. Whether a child is stopped is unknown then.
    fn ask_unlisted(&mut self, signal: Signal) -> Vec<Sent> {
        let mut sent = Vec::new();
        for pid in self.search.near() {
            let is_done = self.asked.get(&pid).is_some_and(|asked| asked.is_done_with(signal));
            if self.is_workload_child(pid) && !is_done {
                self.note_asked(pid, 0, signal);
                for signal in [signal, Signal::CONT] {
                    let error = send::send(pid, signal).err();
                    sent.push(Sent { target: unnamed(pid), signal, error });
                }
            }
        }
        sent
    }
}
