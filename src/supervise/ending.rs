//! The end of a try, and of the run: restores the terminal, finds the exit status, writes the record.

use std::time::Duration;

use super::Supervisor;
use crate::fact::Fact;
use crate::lifecycle::event::Event;
use crate::lifecycle::exit::{self, Ending, Exit};
use crate::lifecycle::outcome::{Conclusion, Outcome};
use crate::os::random;
use crate::record::collect::RunEnd;

impl Supervisor {
    /// Writes the record.
    pub(super) fn end(&mut self) -> Ending {
        let ending =
            self.machine.conclusion().map_or(Ending::Status(exit::WINDDOWN_FAILED), |end| end.ending);
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

    /// Once a try has ended: restores the terminal, finds the exit status, and has the machine decide what follows.
    pub(super) fn conclude(&mut self) {
        if !self.machine.awaits_verdict() {
            return;
        }
        let main_exit = self.machine.main_exit();
        if let (Some(terminal), Some(Exit::Signal(_))) = (&self.terminal, main_exit) {
            terminal.restore();
        }
        if let Some(fact) = self.killed_by_others() {
            self.observer.observe(self.clock.now(), &fact);
        }
        let conclusion = match self.not_started {
            Some(status) => Conclusion { outcome: Outcome::NotStarted, ending: Ending::Status(status) },
            None => self.conclusion(main_exit),
        };
        let jitter = if self.machine.policy().retries() { random::number() } else { 0 };
        self.handle(Event::Concluded(conclusion, jitter), None);
    }

    fn conclusion(&self, main_exit: Option<Exit>) -> Conclusion {
        let request = self.machine.request();
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
        Conclusion { outcome, ending }
    }

    /// A try is over.
    pub(super) fn try_ended(
        &mut self,
        conclusion: Conclusion,
        next: Option<Duration>,
        now: Duration,
    ) -> Fact {
        self.pending.stop_took = self.machine.stop_at().map(|at| now.saturating_sub(at));
        let was_started = self.not_started.is_none();
        Fact::TryEnded {
            outcome: conclusion.outcome,
            main: was_started.then(|| self.tree.main().clone()),
            exit: self.machine.main_exit(),
            cause: self.machine.cause(),
            status: conclusion.ending.status(),
            started: self.try_started,
            ready: self.machine.ready_at(),
            next,
        }
    }

    /// The run is over, unless a hook follows. That a command could not be started is reported by then.
    pub(super) fn ended(&mut self) -> Option<Fact> {
        if self.not_started.is_some() {
            if let Some(record) = &mut self.observer.record {
                record.not_started();
            }
            return None;
        }
        Some(Fact::Ended {
            outcome: self.machine.conclusion()?.outcome,
            main: self.tree.main().clone(),
            main_exit: self.machine.main_exit(),
            took: self.pending.stop_took,
            limit: self.machine.plan().length(),
        })
    }
}
