//! Signals from outside: whom each was sent to, and whether the main process has it already.

use std::time::Duration;

use super::{BATCH, Supervisor};
use crate::lifecycle::cause::{Reach, Received};
use crate::lifecycle::event::Event;
use crate::lifecycle::plan::Action;
use crate::lifecycle::signal::{Origin, Signal, SignalSet};
use crate::os::guard::channel::InnerEnd;
use crate::os::io::terminal;
use crate::os::signal::receive::{self, Delivery};
use crate::os::signal::wake::WAKE;

/// How a signal reached us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// It was sent to this process.
    Direct,
    /// It was sent to the outer process, which passed it on.
    Relayed,
}

impl Supervisor {
    /// Takes stop signals first: the kernel hands out low numbers first, so a flood of SIGUSR1 would hold up
    /// SIGTERM for ever.
    pub(super) fn take_stop_signals(&mut self) {
        self.take_direct(self.machine.plan().stop_on);
    }

    /// Takes signals of the set that were sent to this process, up to a batch; false if something else is due.
    fn take_direct(&mut self, set: SignalSet) -> bool {
        for _ in 0..BATCH {
            let Some(delivery) = receive::take(set, Some(Duration::ZERO)) else { break };
            self.receive(&delivery, Way::Direct, self.clock.now());
            if self.batch_is_over() {
                return false;
            }
        }
        true
    }

    /// Takes what the outer process has passed on, up to a batch, and checks whether it is still there; true
    /// if there may be more.
    pub(super) fn take_relayed(&mut self) -> bool {
        if self.channel.as_ref().is_some_and(InnerEnd::is_abandoned) {
            self.channel = None;
            self.handle(Event::Abandoned, None);
        }
        // A signal to the whole group reached us before its copy did, but the kernel hands out SIGIO
        // first.
        if !self.take_direct(SignalSet::ALL.without(Signal::CHLD).without(WAKE)) {
            return true;
        }
        for _ in 0..BATCH {
            let Some((delivery, at)) = self.channel.as_ref().and_then(InnerEnd::next) else { return false };
            // It may have been sent after those were taken: its copy is here by now.
            if self.terminal.is_some() {
                self.take_direct(SignalSet::default().with(delivery.signal));
            }
            self.receive(&delivery, Way::Relayed, at);
            if self.batch_is_over() {
                break;
            }
        }
        true
    }

    /// Handles one signal.
    pub(super) fn receive(&mut self, delivery: &Delivery, way: Way, at: Duration) {
        self.children_first();
        let Delivery { signal, origin, .. } = *delivery;
        // The kernel reports the end of a terminal to the session leader alone.
        let hangs_up =
            signal == Signal::HUP && self.terminal.as_ref().is_some_and(|terminal| terminal.leads_session);
        let by_terminal = self.terminal.is_some() && origin == Origin::Kernel && !hangs_up;
        match origin {
            Origin::Process { pid, .. } if pid == self.own_pid || Some(pid) == self.outer_pid => {
                self.deliver(delivery, at, Reach::Own);
            }
            _ if signal == Signal::CONT && std::mem::take(&mut self.pending.resumed) => {
                self.reap();
                let reach = if self.tree.main_is_stopped() { Reach::Winddown } else { Reach::Group };
                self.deliver(delivery, at, reach);
            }
            Origin::Process { .. } if self.channel.is_some() => self.arrive(delivery, way, at),
            Origin::Process { .. } => {
                let reach = if self.is_shells_hang_up(delivery) { self.group() } else { Reach::Winddown };
                self.deliver(delivery, at, reach);
            }
            // A key's signal goes to the whole group, and so to the outer process as well.
            Origin::Kernel if by_terminal && way == Way::Relayed => {}
            Origin::Kernel if by_terminal => self.deliver(delivery, at, self.group()),
            // It is about this process, not about the outer one, which callers see.
            Origin::Kernel if way == Way::Direct && self.channel.is_some() => {
                self.deliver(delivery, at, Reach::Own);
            }
            Origin::Kernel => self.deliver(delivery, at, Reach::Winddown),
        }
    }

    /// Passes a signal to the machine once we know whom it was sent to.
    pub(super) fn deliver(&mut self, delivery: &Delivery, at: Duration, reach: Reach) {
        let received = self.look_at(delivery, reach);
        self.handle_at(at, self.clock.now(), Event::Signal(received), Some(delivery));
        if received.signal == Signal::HUP && reach != Reach::Own {
            self.await_hang_up(received);
        }
    }

    /// The reach of a signal that was sent to our group.
    pub(super) fn group(&self) -> Reach {
        // Once the main process has ended, this is about the processes that it left.
        let has_ended = self.machine.main_exit().is_some();
        if has_ended || self.main_shares_group() { Reach::Group } else { Reach::Winddown }
    }

    /// Whether a shell whose terminal has gone signals its jobs: it always signals the whole group of each.
    fn is_shells_hang_up(&self, delivery: &Delivery) -> bool {
        let Origin::Process { pid, .. } = delivery.origin else { return false };
        delivery.signal == Signal::HUP
            && self.terminal.is_some()
            && terminal::is_session_leader(pid)
            && terminal::has_hung_up()
    }

    fn look_at(&self, delivery: &Delivery, reach: Reach) -> Received {
        let Delivery { signal, origin, .. } = *delivery;
        let hangup = signal == Signal::HUP
            && self.terminal.is_some()
            && !self.inherited_ignored.contains(Signal::HUP)
            && terminal::has_hung_up();
        let is_request = hangup || self.machine.plan().stop_on.contains(signal);
        let from_tree = |pid| is_request && reach != Reach::Own && self.tree.contains(pid);
        let from_tree = matches!(origin, Origin::Process { pid, .. } if from_tree(pid));
        let reach = if hangup { self.reach_of_hang_up(reach) } else { reach };
        Received { signal, origin, reach, hangup, from_tree }
    }

    /// For many servers HUP is a reload: if the user says which signal to ask with, the main process must
    /// still be asked.
    pub(super) fn reach_of_hang_up(&self, reach: Reach) -> Reach {
        let plan = self.machine.plan();
        match plan.first_signal().map(|index| plan.steps[index].action) {
            Some(Action::Signal(Some(signal), _)) if signal != Signal::HUP && reach == Reach::Group => {
                Reach::Winddown
            }
            _ => reach,
        }
    }

    pub(super) fn main_shares_group(&self) -> bool {
        let main = nix::unistd::Pid::from_raw(self.tree.main().pid);
        nix::unistd::getpgid(Some(main)) == Ok(nix::unistd::getpgrp())
    }
}
