//! How a stop begins, goes through the steps of its plan, and gets more time.

use std::time::Duration;

use super::leaving::Patience;
use super::start::StartState;
use super::stop::Stop;
use super::{ABANDONED_LIMIT, Machine, State};
use crate::lifecycle::cause::{Cause, Reach, Received};
use crate::lifecycle::event::{Answer, Effect, Extend, Moment, Note, Orphans, Readers};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::plan::{Action, Target};
use crate::lifecycle::signal::Signal;

impl Machine {
    /// Starts the clock, once and for all.
    pub(super) fn stop(&mut self, now: Duration, cause: Cause, effects: &mut Vec<Effect>) {
        self.end_start(true, effects);
        self.cause = Some(cause);
        // Once the main process has ended by itself, the end of winddown asks for nothing more.
        let is_request = match cause {
            Cause::MainExited => false,
            Cause::Abandoned => self.main.is_none(),
            _ => true,
        };
        if is_request {
            self.note_request(cause);
        }
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
        let by_others = received.filter(Received::main_has_it);
        effects.extend(by_others.map(|received| Effect::AskedByOthers(received.signal, received.reach)));
        let mut stop = Stop::new(&self.plan, now, deadline, received);
        stop.exit_noted = self.main.is_some();
        if self.main.is_some() {
            // No process is left that could drain.
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
            self.note_step(effects);
        }
    }

    /// No caller is left to learn how the run ends, and whatever killed winddown wants it to end.
    pub(super) fn abandoned(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Starting | State::Running | State::Leaving { .. } => {
                self.stop(now, Cause::Abandoned, effects);
            }
            State::Terminating(stop) => {
                stop.deadline = Some(sooner(stop.deadline, now.saturating_add(ABANDONED_LIMIT)));
                self.ask_everyone_now(effects);
                effects.push(Effect::Say(Note::Abandoned));
            }
            State::Finishing { .. } => self.end_hook_after_the_end(now, effects),
            State::Killing { .. } | State::Ended { .. } | State::Stopped { .. } => {}
        }
    }

    /// Replaces all remaining steps.
    pub(super) fn ask_everyone_now(&mut self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if std::mem::take(&mut stop.steps.hook_runs) {
            effects.push(Effect::EndHook);
        }
        stop.extended = None;
        stop.readers = Patience::none();
        stop.steps.ends = None;
        stop.steps.has_asked = true;
        stop.steps.is_done_by_others = false;
        stop.steps.straggler_signal = self.plan.straggler_signal();
        stop.given = stop.given.with(stop.steps.straggler_signal);
        effects.push(Effect::AskEveryone(stop.steps.straggler_signal));
    }

    /// Begins the current step.
    pub(super) fn begin_step(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        let index = stop.steps.index;
        let Some(begun) = self.plan.steps.get(index).copied() else { return };
        stop.steps.hook_runs = matches!(begun.action, Action::Run(_));
        // The last words change the picture.
        if self.plan.last_words > 0 && index == self.plan.first_last_word() && stop.moments.take_last() {
            effects.push(Effect::Look(Moment::Last));
        }
        stop.steps.begin(now, begun, index + 1 >= self.plan.steps.len());
        match begun.action {
            Action::Run(hook) => effects.push(Effect::StartHook(hook)),
            Action::Signal(signal, to) => self.ask(signal, to, effects),
            Action::Dump(dump) => effects.push(Effect::Dump(dump)),
            // A kill is due at once, and is carried out by what checks for that.
            Action::Wait | Action::Kill => {}
        }
    }

    pub(super) fn ask(&mut self, signal: Option<Signal>, to: Target, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        let steps = &mut stop.steps;
        let is_first = !std::mem::replace(&mut steps.has_asked, true);
        let by_others = steps.by_others.take().filter(|_| is_first);
        steps.is_done_by_others = by_others == Some(Reach::Everyone);
        steps.straggler_signal = signal.unwrap_or(Signal::TERM);
        let for_main = signal.unwrap_or(steps.as_received);
        if !is_first {
            effects.push(Effect::AskAgain);
        }
        match (to, self.main) {
            _ if by_others == Some(Reach::Everyone) => {}
            (Target::Main, Some(_)) if is_first => {
                // The silent grace was time enough for a reader at the end of its pipe.
                let readers = match stop.readers.now() {
                    Readers::Overdue if self.cause == Some(Cause::MainExited) => Readers::AtEnd,
                    readers => readers,
                };
                effects.push(Effect::AskOrphans(steps.straggler_signal, Orphans::All, readers));
            }
            (_, Some(_)) => effects.push(Effect::AskEveryone(steps.straggler_signal)),
            (Target::All, None) => effects.push(Effect::AskEveryone(for_main)),
            (Target::Main, None) if by_others.is_some() => {}
            (Target::Main, None) => effects.push(Effect::AskMain(for_main)),
        }
        if by_others.is_none() {
            stop.given = stop.given.with(for_main);
        }
    }

    /// The current step ended, and the next one begins. After the last step the rest of the limit runs out.
    pub(super) fn next_step(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if std::mem::take(&mut stop.steps.hook_runs) {
            effects.push(Effect::EndHook);
            effects.push(Effect::Say(Note::HookOverran));
        }
        stop.steps.ends = None;
        if stop.is_over || stop.steps.index + 1 >= self.plan.steps.len() {
            return;
        }
        stop.steps.index += 1;
        self.begin_step(now, effects);
        self.note_step(effects);
    }

    /// When the current step is followed by one that kills.
    pub(super) fn plan_kills_at(&self, stop: &Stop) -> Option<Duration> {
        let next = self.plan.steps.get(stop.steps.index + 1)?;
        stop.steps.ends.filter(|_| next.action == Action::Kill && !stop.is_over)
    }

    /// When SIGKILL is due as things stand.
    pub(super) fn kills_at(&self, stop: &Stop) -> Option<Duration> {
        [stop.deadline, self.plan_kills_at(stop)].into_iter().flatten().min()
    }

    pub(super) fn note_step(&self, effects: &mut Vec<Effect>) {
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
                // The next step is due now, unless the plan ends because every process is gone.
                let is_last = stop.is_over || stop.steps.index + 1 >= self.plan.steps.len();
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

    /// The workload asks for more time. It gets an answer either way.
    pub(super) fn extend(&mut self, now: Duration, request: Extend, effects: &mut Vec<Effect>) {
        let most = self.plan.extend_max;
        let latest = match (&self.state, &self.start) {
            (State::Terminating(stop), _) => stop.latest(most, self.plan.run_limit),
            (_, StartState::Awaited(missing)) if missing.ends.is_some() => missing.latest(most),
            _ => {
                effects.push(Effect::Answer(Answer::Refused(None)));
                return;
            }
        };
        let wanted = now.saturating_add(request.by);
        let is_last = latest.is_none_or(|latest| wanted > latest);
        let until = latest.map(|latest| latest.min(wanted)).filter(|_| !(is_last && request.reads_answer));
        let more = until.map(|until| self.extend_to(until)).filter(|more| !is_last || !more.is_zero());
        let at_most = latest.map(|latest| latest.saturating_sub(now));
        effects.push(Effect::Answer(more.map_or(Answer::Refused(at_most), |_| Answer::Granted)));
        match more {
            Some(Duration::ZERO) => {}
            Some(by) => effects.push(Effect::Say(Note::Extended { by, is_last })),
            None => effects.push(Effect::Say(Note::NotExtended(request.by))),
        }
    }

    fn extend_to(&mut self, until: Duration) -> Duration {
        match (&mut self.state, &mut self.start) {
            (State::Terminating(stop), _) => stop.extend(until),
            (_, StartState::Awaited(missing)) => missing.extend(until),
            _ => Duration::ZERO,
        }
    }
}

/// The earlier of the two; `None` never comes.
fn sooner(deadline: Option<Duration>, other: Duration) -> Duration {
    deadline.map_or(other, |deadline| deadline.min(other))
}
