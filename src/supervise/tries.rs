//! From one try to the next: nothing of the old one is kept, and none starts while a stop request is on its way.

use std::time::Duration;

use super::{Killer, Pending, Supervisor};
use crate::fact::Fact;
use crate::lifecycle::event::Event;
use crate::notify;
use crate::os::guard::page::LastTry;
use crate::os::io::notify::Inlet;
use crate::os::io::token::Token;
use crate::os::process::reap::Usage;
use crate::os::process::spawn_error::SpawnError;
use crate::os::process::tree::Tree;
use crate::ready::before::Earlier;
use crate::text::short;

/// What a try has of its own.
#[derive(Debug)]
pub(crate) struct StartedTry {
    pub(crate) tree: Tree,
    pub(crate) inlet: Option<Inlet>,
    pub(crate) token: Option<Token>,
}

impl Supervisor {
    /// A try has failed, and the next one comes after this delay.
    pub(super) fn begin_delay(&mut self, delay: Duration) {
        if let (Some(channel), Some(end), Some(exit)) =
            (&self.channel, self.machine.conclusion(), self.machine.main_exit())
        {
            channel.page.set_between_tries(&LastTry { main: self.tree.main().pid, exit, ending: end.ending });
        }
        self.contact.let_go();
        self.notify_parent(&notify::status(&format!("failed; next try in {}", short(delay))), &[]);
    }

    /// Has the outer process pass on every signal that it has got. Without one, all are taken in the next turn.
    pub(super) fn ask_for_clearance(&mut self) {
        if let Some(channel) = &self.channel {
            channel.ask_for_clearance();
        }
    }

    /// Whether no signal is held by the outer process.
    pub(super) fn is_clear(&self) -> bool {
        let is_given = || self.channel.as_ref().is_none_or(|channel| channel.page.is_clear());
        self.machine.awaits_clearance() && is_given()
    }

    /// Starts the next try if nobody has asked for a stop by now.
    pub(super) fn clear(&mut self) {
        if !self.is_clear() {
            return;
        }
        self.take_stop_signals();
        if self.take_relayed() {
            return;
        }
        self.settle_all();
        self.look_for_parent();
        self.handle(Event::Clear, None);
    }

    /// Says which try a run that may have several is in.
    pub(crate) fn number_try(&mut self, attempt: Option<u32>) {
        if let Some(attempt) = attempt {
            self.observer.observe(self.clock.now(), &Fact::Try { attempt });
            self.hooks.begin_try(attempt);
            if let Some(channel) = &self.channel {
                channel.page.begin_try(attempt);
            }
        }
    }

    /// Forgets the last try, before the next one starts.
    pub(crate) fn forget_try(&mut self) {
        (self.pending, self.usage, self.killer) = (Pending::default(), Usage::default(), Killer::watch());
        self.looks.clear();
        self.hooks.begin_try(self.machine.attempt());
        if let Some(channel) = &self.channel {
            channel.page.begin_try(self.machine.attempt());
        }
    }

    /// Takes over a try that was just started; `before` is what was there before it.
    pub(crate) fn begin(&mut self, begun: StartedTry, before: Earlier) {
        self.tree = begun.tree;
        self.contact.begin(begun.inlet, begun.token);
        self.start.begin(before);
    }

    /// The command could not be started again: the run is over, except for the hook that follows the end.
    pub(crate) fn fail_to_start(&mut self, error: &SpawnError) -> super::Continuation {
        let now = self.clock.now();
        self.try_started = now;
        self.not_started = Some(error.exit_status());
        self.observer.observe(now, &Fact::NotStarted { why: error.to_string() });
        self.handle(Event::NotStarted, None);
        self.supervise()
    }

    /// Ends the run of a supervisor that was killed while no try was running.
    pub(crate) fn end_between_tries(&mut self) -> super::Continuation {
        self.handle(Event::Abandoned, None);
        self.supervise()
    }
}
