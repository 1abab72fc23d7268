//! How a stop begins, goes through the steps of its plan, and is given more time.

use std::time::Duration;

use super::stop::Stop;
use super::{ABANDONED_LIMIT, Machine, State};
use crate::lifecycle::event::{Cause, Effect, Moment, Note, Orphans};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::plan::{Action, Target};
use crate::lifecycle::signal::Signal;

impl Machine {
    /// Starts the clock, once and for all.
    pub(super) fn stop(&mut self, now: Duration, cause: Cause, effects: &mut Vec<Effect>) {
        self.cause = Some(cause);
        self.stop_at = Some(now);
        let received = if let Cause::Signal(received) = cause { Some(received) } else { None };
        let mut deadline = self.plan.deadline(now);
        if cause == Cause::Abandoned {
            deadline = Some(sooner(deadline, now.saturating_add(ABANDONED_LIMIT)));
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.kill(now, Note::StopRequested(cause), effects);
            return;
        }
        effects.extend(self.plan.looks.then_some(Effect::Look(Moment::Before)));
        let by_terminal = received.filter(|received| received.main_has_it);
        effects.extend(by_terminal.map(|received| Effect::AskedByTerminal(received.signal)));
        let mut stop = Stop::new(&self.plan, now, deadline, received);
        stop.exit_told = self.main.is_some();
        if self.main.is_some() {
            // Nobody is left who could be served or drained.
            stop.steps.index = self.plan.first_signal().unwrap_or_default();
        }
        self.state = State::Terminating(stop);
        if cause == Cause::Abandoned {
            self.ask_everyone_now(effects);
        } else {
            self.begin_step(now, effects);
        }
        effects.push(Effect::Say(Note::StopRequested(cause)));
        if !self.plan.is_plain() && cause != Cause::Abandoned {
            self.tell_step(effects);
        }
    }

    /// Nobody can be told any more how it ends, and whoever killed us wants it to end.
    pub(super) fn abandoned(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Starting | State::Running => self.stop(now, Cause::Abandoned, effects),
            State::Terminating(stop) => {
                stop.deadline = Some(sooner(stop.deadline, now.saturating_add(ABANDONED_LIMIT)));
                self.ask_everyone_now(effects);
                effects.push(Effect::Say(Note::Abandoned));
            }
            State::Finishing { .. } => self.end_hook_after_the_end(now, effects),
            State::Killing { .. } | State::Stopped { .. } => {}
        }
    }

    /// In the place of every step that is left.
    pub(super) fn ask_everyone_now(&mut self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if std::mem::take(&mut stop.steps.hook_runs) {
            effects.push(Effect::EndHook);
        }
        stop.extended = None;
        stop.steps.ends = None;
        stop.steps.has_asked = true;
        stop.steps.straggler_signal = self.plan.straggler_signal();
        stop.given = stop.given.with(stop.steps.straggler_signal);
        effects.push(Effect::AskEveryone(stop.steps.straggler_signal));
    }

    /// Does what the step under way has to do at its beginning.
    pub(super) fn begin_step(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        let index = stop.steps.index;
        let Some(begun) = self.plan.steps.get(index).copied() else { return };
        stop.steps.hook_runs = matches!(begun.action, Action::Run(_));
        // What comes now changes the picture.
        if self.plan.last_words > 0 && index == self.plan.first_last_word() && stop.moments.take_last() {
            effects.push(Effect::Look(Moment::Last));
        }
        stop.steps.begin(now, begun, index + 1 >= self.plan.steps.len());
        match begun.action {
            Action::Run(hook) => effects.push(Effect::StartHook(hook)),
            Action::Signal(signal, to) => self.ask(signal, to, effects),
            Action::Dump(dump) => effects.push(Effect::Dump(dump)),
            // A kill is due before anything else happens, and comes with that.
            Action::Wait | Action::Kill => {}
        }
    }

    pub(super) fn ask(&mut self, signal: Option<Signal>, to: Target, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        let steps = &mut stop.steps;
        let is_first = !std::mem::replace(&mut steps.has_asked, true);
        let by_terminal = std::mem::take(&mut steps.by_terminal) && is_first;
        steps.straggler_signal = signal.unwrap_or(Signal::TERM);
        let for_main = signal.unwrap_or(steps.as_received);
        if !is_first {
            effects.push(Effect::AskAgain);
        }
        match (to, self.main) {
            (Target::Main, Some(_)) if is_first => {
                effects.push(Effect::AskOrphans(steps.straggler_signal, Orphans::All));
            }
            (_, Some(_)) => effects.push(Effect::AskEveryone(steps.straggler_signal)),
            (Target::All, None) => effects.push(Effect::AskEveryone(for_main)),
            (Target::Main, None) if by_terminal => {}
            (Target::Main, None) => effects.push(Effect::AskMain(for_main)),
        }
        if !by_terminal {
            stop.given = stop.given.with(for_main);
        }
    }

    /// The step under way has ended: the next one begins. What the last one leaves is its own.
    pub(super) fn next_step(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if std::mem::take(&mut stop.steps.hook_runs) {
            effects.push(Effect::EndHook);
            effects.push(Effect::Say(Note::HookOverran));
        }
        stop.steps.ends = None;
        if stop.steps.index + 1 >= self.plan.steps.len() {
            return;
        }
        stop.steps.index += 1;
        self.begin_step(now, effects);
        self.tell_step(effects);
    }

    /// When the step under way gives way to one that kills.
    pub(super) fn plan_kills_at(&self, stop: &Stop) -> Option<Duration> {
        let next = self.plan.steps.get(stop.steps.index + 1)?;
        stop.steps.ends.filter(|_| next.action == Action::Kill)
    }

    /// When SIGKILL is due as things stand.
    pub(super) fn kills_at(&self, stop: &Stop) -> Option<Duration> {
        [stop.deadline, self.plan_kills_at(stop)].into_iter().flatten().min()
    }

    pub(super) fn tell_step(&self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &self.state else { return };
        effects.push(Effect::Say(Note::Step(stop.steps.index)));
        let is_dump =
            self.plan.steps.get(stop.steps.index).is_some_and(|step| matches!(step.action, Action::Dump(_)));
        effects.extend(is_dump.then_some(Effect::Say(Note::Dumped)));
    }

    pub(super) fn hook_ended(&mut self, now: Duration, exit: Option<Exit>, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Terminating(stop) if stop.steps.hook_runs => {
                stop.steps.hook_runs = false;
                // The next step is due now; not if the plan ends, with everybody gone.
                let is_last = stop.steps.index + 1 >= self.plan.steps.len();
                stop.steps.ends = (!is_last).then_some(now);
                effects.push(Effect::Say(Note::HookEnded(exit)));
            }
            State::Finishing { survivors, is_ending, .. } => {
                let survivors = *survivors;
                if !*is_ending {
                    effects.push(Effect::Say(Note::HookEnded(exit)));
                }
                self.over(survivors, effects);
            }
            _ => {}
        }
    }

    /// The workload asks for more time. Granted or refused, it is told.
    pub(super) fn extend(&mut self, now: Duration, by: Duration, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else {
            effects.push(Effect::Answer(false));
            return;
        };
        let more = stop.extend(now.saturating_add(by), self.plan.extend_max, self.plan.run_limit);
        effects.push(Effect::Answer(more.is_some()));
        match more {
            Some(Duration::ZERO) => {}
            Some(more) => effects.push(Effect::Say(Note::Extended(more))),
            None => effects.push(Effect::Say(Note::NotExtended(by))),
        }
    }
}

/// The earlier of the two; a deadline that is none never comes.
fn sooner(deadline: Option<Duration>, other: Duration) -> Duration {
    deadline.map_or(other, |deadline| deadline.min(other))
}
