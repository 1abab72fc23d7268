//! The end of a run: restores the terminal, finds the exit status, writes the record.

use super::Supervisor;
use crate::fact::Fact;
use crate::lifecycle::exit::{self, Ending, Exit};
use crate::lifecycle::outcome::Outcome;
use crate::record::collect::RunEnd;

impl Supervisor {
    /// Concludes the run, and writes the record.
    pub(super) fn end(&mut self) -> Ending {
        let (_, ending) = self.conclude();
        let now = self.clock.now();
        let end = RunEnd {
            killed: self.tree.killed().collect(),
            looks: &self.looks,
            usage: Some(self.usage),
            refusals_unlogged: self.contact.refusals_unlogged(),
            oom_kills: self.killer.oom_kills.since().filter(|_| !self.killer.oom_kills.are_of_machine()),
            exit_status: ending.status(),
        };
        self.observer.write_record(now, &end);
        if let Some(channel) = &self.channel {
            channel.page.set_ending(ending);
        }
        self.contact.leave_open();
        self.start.reap();
        ending
    }

    /// Restores the terminal, finds the exit status, and reports the end of the workload, once.
    pub(super) fn conclude(&mut self) -> (Outcome, Ending) {
        if let Some(concluded) = self.pending.concluded {
            return concluded;
        }
        let now = self.clock.now();
        let main_exit = self.machine.main_exit();
        let request = self.machine.request();
        if let (Some(terminal), Some(Exit::Signal(_))) = (&self.terminal, main_exit) {
            terminal.restore();
        }
        if let Some(fact) = self.killed_by_others() {
            self.observer.observe(now, &fact);
        }
        let any_killed = self.tree.killed().next().is_some();
        let survivors = self.machine.has_survivors();
        let outcome = Outcome::of(main_exit, request, any_killed, survivors);
        let ending = exit::ending(&exit::Facts {
            main: main_exit,
            main_was_killed: self.tree.main_was_killed(),
            survivors,
            request,
            statuses: &self.statuses,
            is_pid_1: self.own_pid == 1,
        });
        let fact = Fact::Ended {
            outcome,
            main: self.tree.main().clone(),
            main_exit,
            took: self.machine.stop_at().map(|at| now.saturating_sub(at)),
            limit: self.machine.plan().length(),
        };
        self.observer.observe(now, &fact);
        *self.pending.concluded.insert((outcome, ending))
    }
}
