//! What killed the main process, if it was not winddown: the commonest question about a status of 137.

use std::time::Duration;

use super::Supervisor;
use crate::fact::Fact;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::signal::Signal;
use crate::os::process::cgroup::OomKills;
use crate::os::process::cpu_limit;

/// The evidence of what killed the main process.
#[derive(Debug, Default)]
pub(crate) struct Killer {
    /// Counted since the start.
    pub(crate) oom_kills: OomKills,
    /// The main process's limit of CPU time, if it was used up.
    cpu_limit: Option<Duration>,
}

impl Killer {
    pub(crate) fn watch() -> Self {
        Self { oom_kills: OomKills::count(), cpu_limit: None }
    }
}

impl Supervisor {
    /// Runs before children are reaped: afterwards the kernel no longer knows their CPU time and limits.
    pub(super) fn look_for_killer(&mut self) {
        if self.machine.main_exit().is_none() && self.machine.phase() < Phase::Killing {
            self.killer.cpu_limit = cpu_limit::reached(self.tree.main().pid);
        }
    }

    /// Reported once everything has ended, if the main process died of a SIGKILL that was not ours, or if it
    /// failed and memory had run out: then another process of the workload may have been killed.
    pub(super) fn killed_by_others(&self) -> Option<Fact> {
        let exit = self.machine.main_exit()?;
        let is_main = exit == Exit::Signal(Signal::KILL) && !self.tree.main_was_killed();
        let oom_kills = self.killer.oom_kills.since();
        let of_another =
            exit != Exit::Code(0) && oom_kills > Some(0) && !self.killer.oom_kills.are_of_machine();
        (is_main || of_another).then(|| Fact::KilledByOthers {
            main: is_main.then(|| self.tree.main().clone()),
            oom_kills,
            of_machine: self.killer.oom_kills.are_of_machine(),
            cpu_limit: self.killer.cpu_limit.filter(|_| is_main),
        })
    }
}
