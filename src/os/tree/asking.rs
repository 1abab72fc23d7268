//! Who is asked, with which signal, and who has been.

use super::{Process, Sent, Tree, unnamed};
use crate::lifecycle::event::Orphans;
use crate::lifecycle::plan::Dump;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::inbox::Delivery;
use crate::os::procfs::{self, Directory, Stat};
use crate::os::{clock, signalling};

/// What a process has been asked with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Tells it from a later process of its id.
    pub(super) start_ticks: u64,
    /// Since those asked before may be asked again.
    lately: bool,
    signals: SignalSet,
}

impl Asked {
    const fn is_done_with(self, signal: Signal) -> bool {
        self.lately || self.signals.contains(signal)
    }
}

/// Go's runtime catches all of these: whatever it can, but for the signals of a terminal's job control and
/// those of the C library. Nothing else does.
const CAUGHT_BY_GO: u64 = 0xffff_fff8_7fc1_feff;
/// Threads that every JVM has.
const OF_JVM: [&str; 2] = ["VM Thread", "VM Periodic Tas"];

/// Whether a process prints the stacks of its threads at SIGQUIT: a JVM, which goes on, or a Go program,
/// which exits. Others would just die of it.
fn answers_quit(stat: &Stat) -> bool {
    let caught = Directory::open(stat.pid).and_then(|process| process.caught()).unwrap_or_default();
    let is_go = caught.bits() & CAUGHT_BY_GO == CAUGHT_BY_GO;
    is_go
        || (caught.contains(Signal::QUIT)
            && procfs::thread_names(stat.pid).any(|name| OF_JVM.contains(&name.as_str())))
}

impl Tree {
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

    /// What a process was asked with in this stop: the first of several in the kernel's order.
    #[must_use]
    pub fn asked_with(&self, stat: &Stat) -> Option<Signal> {
        let asked = self.asked.get(&stat.pid).filter(|asked| asked.start_ticks == stat.start_ticks)?;
        (1..=64).filter_map(Signal::new).find(|signal| asked.signals.contains(*signal))
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

    /// Has those who are left say what they do, by a signal that is no request; not those whom it has asked.
    pub fn dump(&self, dump: Dump) -> Vec<Sent> {
        let mut members = self.members();
        let got = |stat: &Stat, signal| {
            self.asked.get(&stat.pid).is_some_and(|asked| asked.signals.contains(signal))
        };
        let signal = match dump {
            Dump::Auto => {
                members.retain(answers_quit);
                Signal::QUIT
            }
            Dump::Signal(signal) => signal,
        };
        let send = |stat: &Stat| {
            let error = self.signal_member(stat, signal).err();
            Sent { target: Process::from(stat), signal, error }
        };
        members.iter().filter(|stat| !stat.is_gone() && !got(stat, signal)).map(send).collect()
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
}
