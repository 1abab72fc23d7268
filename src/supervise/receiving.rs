//! Signals from outside: to whom each was sent, and whether the main process has it already.

use std::time::Duration;

use super::Supervisor;
use crate::lifecycle::event::{Event, Received};
use crate::lifecycle::phase::Phase;
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::inbox::Delivery;
use crate::os::terminal;

/// How a signal came to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// It was sent to this process.
    Direct,
    /// It was sent to the outer process, which passed it on.
    Relayed,
}

/// Signals that came directly to the inner process on a terminal: they were sent to the whole group,
/// so the copy that the outer process passes on does not count.
#[derive(Debug, Default)]
pub struct GroupSignals(Vec<(Signal, Origin, Duration)>);

impl GroupSignals {
    /// A copy that takes longer than this is another signal of the same sender.
    const COPY_MAX: Duration = Duration::from_secs(1);

    fn seen(&mut self, signal: Signal, origin: Origin, now: Duration) {
        self.0.retain(|(_, _, at)| now.saturating_sub(*at) < Self::COPY_MAX);
        self.0.push((signal, origin, now));
    }

    fn is_copy(&mut self, signal: Signal, origin: Origin, now: Duration) -> bool {
        let is_it = |(s, o, at): &(Signal, Origin, Duration)| {
            *s == signal && *o == origin && now.saturating_sub(*at) < Self::COPY_MAX
        };
        let found = self.0.iter().position(is_it);
        found.map(|index| self.0.swap_remove(index)).is_some()
    }
}

impl Supervisor {
    /// One signal that came in from outside.
    pub(super) fn receive(&mut self, delivery: &Delivery, way: Way, at: Duration) {
        let is_own = matches!(delivery.origin, Origin::Process { pid, .. } if pid == self.own_pid || Some(pid) == self.outer_pid);
        if is_own || !delivery.signal.is_forwardable() {
            return;
        }
        let Some(to_group) = self.was_sent_to_group(delivery, way, at) else { return };
        self.children_first();
        let received = self.look_at(delivery, to_group);
        let now = if way == Way::Relayed { self.clock.now() } else { at };
        self.handle_at(at, now, Event::Signal(received), Some(delivery));
    }

    /// Whether a signal was sent to the whole group that we share with the main process; nothing if
    /// it is not for us, or a copy.
    fn was_sent_to_group(&mut self, delivery: &Delivery, way: Way, now: Duration) -> Option<bool> {
        let Delivery { signal, origin, .. } = *delivery;
        // The end of a terminal is told to the session's leader alone.
        let hangs_up =
            signal == Signal::HUP && self.terminal.as_ref().is_some_and(|terminal| terminal.leads_session);
        let by_terminal = self.terminal.is_some() && origin == Origin::Kernel && !hangs_up;
        match way {
            Way::Direct if self.link.is_none() => Some(by_terminal || self.is_shells_hang_up(delivery)),
            // In a group of our own we heed only what comes through the pipe, but for the workload's own
            // `kill $PPID`: it can't know that its parent is not the process that callers see.
            Way::Direct if self.terminal.is_none() => {
                let by_workload = matches!(origin, Origin::Process { pid, .. } if self.tree.contains(pid));
                by_workload.then(|| self.group_signals.seen(signal, origin, now)).map(|()| false)
            }
            Way::Direct => {
                self.group_signals.seen(signal, origin, now);
                Some(true)
            }
            Way::Relayed if by_terminal || self.group_signals.is_copy(signal, origin, now) => None,
            Way::Relayed => Some(false),
        }
    }

    /// A shell whose terminal has gone tells its jobs, and always the whole group of each.
    fn is_shells_hang_up(&self, delivery: &Delivery) -> bool {
        let Origin::Process { pid, .. } = delivery.origin else { return false };
        delivery.signal == Signal::HUP
            && self.terminal.is_some()
            && terminal::is_session_leader(pid)
            && terminal::is_gone()
    }

    fn look_at(&mut self, delivery: &Delivery, to_group: bool) -> Received {
        let Delivery { signal, origin, .. } = *delivery;
        let is_stop = self.machine.plan().stop_on.contains(signal);
        let is_repeat = is_stop && self.machine.phase() == Phase::Terminating;
        Received {
            signal,
            origin,
            main_has_it: self.main_has_it(signal, origin, to_group),
            hangup: signal == Signal::HUP
                && self.terminal.is_some()
                && !self.inherited_ignored.contains(Signal::HUP)
                && terminal::is_gone(),
            from_tree: is_repeat && matches!(origin, Origin::Process { pid, .. } if self.tree.contains(pid)),
        }
    }

    /// Whether the main process got the same signal in the same moment, by the group we share.
    fn main_has_it(&mut self, signal: Signal, origin: Origin, to_group: bool) -> bool {
        if signal == Signal::CONT && std::mem::take(&mut self.pending.resumed) {
            self.reap();
            return !self.tree.main_is_stopped();
        }
        // One that signalled its own group (`kill 0`) has it already; sent back, it would act twice.
        let by_main = matches!(origin, Origin::Process { pid, .. } if self.tree.is_main(pid));
        self.terminal.is_some() && (to_group || by_main) && self.main_shares_group()
    }

    pub(super) fn main_shares_group(&self) -> bool {
        let main = nix::unistd::Pid::from_raw(self.tree.main().pid);
        nix::unistd::getpgid(Some(main)) == Ok(nix::unistd::getpgrp())
    }
}
