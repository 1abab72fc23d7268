//! The live line of a stop that takes a while, at a terminal: the time left, and which process we wait for.

use std::time::Duration;

use super::{Supervisor, UNHURRIED};
use crate::lifecycle::phase::Phase;
use crate::observe::live::Live;
use crate::os::process::tree::Process;
use crate::os::snapshot;

/// A shorter stop needs no live line.
const AFTER: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(500);
/// Listing the processes takes at most this long, and stops at this many.
const PATIENCE: Duration = Duration::from_millis(25);
const PROCESSES_MAX: usize = 32;

impl Supervisor {
    /// When to renew the live line; `None` without a terminal, a lasting stop, or enough time left.
    pub(super) fn live_at(&self, now: Duration) -> Option<Duration> {
        if self.machine.phase() != Phase::Terminating || !self.observer.log.has_live() {
            return None;
        }
        let at = self.live_next.max(self.machine.stop_at()?.saturating_add(AFTER));
        let kill = self.machine.kill_expected_at();
        kill.is_none_or(|kill| kill.saturating_sub(at.max(now)) >= UNHURRIED).then_some(at)
    }

    /// Renews the live line when it is due.
    pub(super) fn show_live(&mut self) {
        let now = self.clock.now();
        if self.live_at(now).is_some_and(|at| at <= now) {
            self.live_next = now.saturating_add(EVERY);
            if let Some(columns) = self.observer.log.live_columns() {
                let live = self.live(now);
                self.observer.log.show_live(&live, columns);
            }
        }
    }

    fn live(&self, now: Duration) -> Live {
        let mut live = Live {
            after: now.saturating_sub(self.machine.stop_at().unwrap_or(now)),
            left: self.machine.kill_expected_at().map(|kill| kill.saturating_sub(now)),
            hook: self.hooks.under_way().map(str::to_owned),
            interrupt_kills: self.machine.interrupt_kills(),
            ..Live::default()
        };
        if live.hook.is_none() && snapshot::has_room() {
            self.look_who_is_there(now, &mut live);
        }
        live
    }

    fn look_who_is_there(&self, now: Duration, live: &mut Live) {
        let has_time = || self.clock.now().saturating_sub(now) < PATIENCE;
        let mut there: Vec<Process> = Vec::new();
        let left_out = self.tree.visit_nearest(&has_time, |stat| {
            there.extend((!stat.has_exited()).then(|| Process::from(stat)));
            there.len() < PROCESSES_MAX
        });
        // Where /proc lists no process, the main process is all that we know.
        let main = self.machine.main_exit().is_none().then(|| self.tree.main());
        live.waits_for = main.or_else(|| there.first()).cloned();
        live.others = there.len().saturating_sub(1).saturating_add(left_out);
        // Code that inspects descriptors and sockets belongs to the post-mortem.
        if cfg!(feature = "postmortem") && left_out == 0 {
            let pids: Vec<i32> = there.iter().map(|process| process.pid).collect();
            live.connections = snapshot::connections(&pids, &has_time);
        }
    }
}
