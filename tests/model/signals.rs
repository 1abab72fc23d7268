//! What becomes of a signal: it is passed on, kept from the workload, or it kills.

use std::time::Duration;

use winddown::lifecycle::cause::{Cause, Received};
use winddown::lifecycle::event::{Effect, Event, Note};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::signal::{Origin, Signal, SignalSet};

use super::{Oracle, REPEAT, Stop, Turn, Verdict, rule};

impl Oracle {
    pub(super) fn is_second_interrupt(&self, turn: &Turn<'_>) -> bool {
        self.interrupt_age(turn).is_some_and(|age| age >= REPEAT)
    }

    /// How long ago the first INT of the same sender came, if one did.
    pub(super) fn interrupt_age(&self, turn: &Turn<'_>) -> Option<Duration> {
        let received = turn.stop_signal().filter(|received| received.signal == Signal::INT)?;
        let stop = self.stop.as_ref()?;
        let first = match (received.origin, stop.sent) {
            (Origin::Kernel, _) => stop.key,
            (sender, Some((earlier, at))) => (sender == earlier).then_some(at),
            (_, None) => None,
        };
        first.map(|at| turn.at.saturating_sub(at))
    }

    /// No stop request is lost: during a stop it is reported, whether passed on or not, or it kills.
    pub(super) fn further_request(&self, turn: &Turn<'_>, further: Option<Received>) -> Verdict {
        let Some(received) = further else { return Ok(()) };
        let is_duplicate = self.interrupt_age(turn).is_some();
        let is_report =
            |effect: &Effect| matches!(effect, Effect::Say(Note::Repeated(it, _)) if *it == received);
        rule(is_duplicate || turn.count(is_report) == 1, "a further stop request is reported")?;
        rule(
            turn.has(Effect::AskedByOthers(received.signal, received.reach))
                == (received.main_has_it() && !is_duplicate),
            "processes that other senders reached count as asked",
        )
    }

    /// The signal of this event goes to the main process, or does not.
    pub(super) fn forwarding(
        &mut self,
        turn: &Turn<'_>,
        further: Option<Received>,
        given: Option<SignalSet>,
        kills: bool,
    ) -> Verdict {
        let forwarded: Vec<Signal> = turn
            .effects
            .iter()
            .filter_map(|effect| if let Effect::Forward(signal) = effect { Some(*signal) } else { None })
            .collect();
        let owed = turn.received().and_then(|received| {
            let can = !kills && turn.before.phase() < Phase::Killing && !self.main_has_ended;
            can.then(|| self.forwarded(turn, received, given)).flatten()
        });
        rule(forwarded == Vec::from_iter(owed), "each signal is passed on once, and no stop signal twice")?;
        let is_duplicate = self.interrupt_age(turn).is_some();
        if let (Some(received), Some(stop)) = (further.filter(|_| !is_duplicate), &mut self.stop) {
            stop.given = owed.into_iter().fold(stop.given, SignalSet::with);
            stop.saw(received);
            stop.interrupted(received, turn.at);
        }
        Ok(())
    }

    /// `given` is what the main process had got before the steps of this turn.
    pub(super) fn forwarded(
        &self,
        turn: &Turn<'_>,
        received: Received,
        given: Option<SignalSet>,
    ) -> Option<Signal> {
        let target = turn.plan().forwarded(received.signal)?;
        if received.main_has_it() {
            return None;
        }
        let Some(stop) = &self.stop else {
            let is_plain = turn.stop_signal().is_none() && received.signal.is_forwardable();
            return is_plain.then_some(target);
        };
        let is_wanted = if turn.stop_signal().is_some() {
            let is_another = !stop.heard.contains(received.signal) && !received.from_tree;
            is_another && turn.plan().is_plain() && self.interrupt_age(turn).is_none()
        } else {
            received.signal.is_forwardable()
        };
        (is_wanted && !given.unwrap_or(stop.given).contains(target)).then_some(target)
    }

    /// What became of a signal is always reported.
    pub(super) fn answer(turn: &Turn<'_>) -> Verdict {
        let is_answer = |effect: &Effect| {
            let Effect::Say(note) = effect else { return false };
            matches!(
                note,
                Note::StopRequested(Cause::Signal(_))
                    | Note::KillAsked(_)
                    | Note::Forwarded(..)
                    | Note::Repeated(..)
            )
        };
        let owed = usize::from(matches!(turn.event, Event::Signal(_)));
        rule(turn.count(is_answer) == owed, "what became of a signal is reported, once")
    }

    /// A stopped main process stops winddown, too; during a stop it is continued.
    pub(super) fn stopped_main(&self, turn: &Turn<'_>) -> Verdict {
        let is_it = turn.event == Event::MainStopped && self.leaving.is_none();
        let stops = is_it && self.lives(turn.after.phase());
        let goes_on = is_it && turn.after.phase() == Phase::Terminating;
        rule(turn.has(Effect::StopWithMain) == stops, "winddown stops with the main process")?;
        // A main process that a step kills in the same turn may be continued first.
        let is_killed = turn.becomes(Phase::Killing);
        rule(
            is_killed || turn.has(Effect::ContinueMain) == goes_on,
            "a process that was asked must be able to act",
        )
    }
}

impl Stop {
    /// Whether the deadline comes before a second INT could count as a repeat of one at `at`.
    pub(super) fn is_too_late(&self, at: Duration) -> bool {
        self.deadline.is_some_and(|end| at + REPEAT >= end)
    }

    /// A stop signal during a stop: the terminal sent a key press to the main process, too.
    fn saw(&mut self, received: Received) {
        if received.main_has_it() {
            self.given = self.given.with(received.signal);
        }
        if !received.from_tree {
            self.heard = self.heard.with(received.signal);
        }
    }

    pub(super) fn interrupted(&mut self, received: Received, at: Duration) {
        match received.origin {
            _ if received.signal != Signal::INT => {}
            Origin::Kernel => self.key = self.key.or(Some(at)),
            sender if self.sent.is_none_or(|(earlier, _)| earlier != sender) => {
                self.sent = Some((sender, at));
            }
            Origin::Process { .. } => {}
        }
    }
}
