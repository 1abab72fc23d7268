//! One event, and what the machine made of it.

use std::time::Duration;

use winddown::lifecycle::cause::{Reach, Received};
use winddown::lifecycle::event::{Effect, Event, Note};
use winddown::lifecycle::machine::Machine;
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::Plan;
use winddown::lifecycle::signal::Origin;

/// One event, and what the machine made of it.
pub(crate) struct Turn<'a> {
    pub(crate) before: &'a Machine,
    pub(crate) after: &'a Machine,
    pub(crate) at: Duration,
    pub(crate) event: Event,
    pub(crate) effects: &'a [Effect],
}

impl Turn<'_> {
    pub(super) fn plan(&self) -> &Plan {
        self.before.plan()
    }

    /// A process that ended by the deadline ended in time, so an end comes before what is due.
    pub(super) fn is_end(&self) -> bool {
        matches!(self.event, Event::MainExited(_) | Event::TreeEmpty | Event::HookEnded(_))
    }

    pub(super) fn received(&self) -> Option<Received> {
        let Event::Signal(mut received) = self.event else { return None };
        let is_request = received.hangup || self.plan().stop_on.contains(received.signal);
        let is_by_process = matches!(received.origin, Origin::Process { .. }) && !received.hangup;
        if is_request && self.plan().others_ask && is_by_process && !received.from_tree {
            received.reach = received.reach.max(Reach::Everyone);
        }
        // A signal that was received before, or that winddown sent itself, counts for nothing.
        (!matches!(received.reach, Reach::Copy | Reach::Own)).then_some(received)
    }

    pub(super) fn stop_signal(&self) -> Option<Received> {
        let stop_on = self.plan().stop_on;
        self.received().filter(|received| received.hangup || stop_on.contains(received.signal))
    }

    pub(super) fn was(&self, phase: Phase) -> bool {
        self.before.phase() == phase
    }

    pub(super) fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.effects.iter().filter(|effect| wanted(effect)).count()
    }

    pub(super) fn has(&self, effect: Effect) -> bool {
        self.effects.contains(&effect)
    }

    pub(super) fn says(&self, note: Note) -> bool {
        self.has(Effect::Say(note))
    }

    pub(super) fn becomes(&self, phase: Phase) -> bool {
        self.before.phase() < phase && self.after.phase() >= phase
    }
}
