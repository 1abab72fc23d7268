//! The steps of the plan: each begins when the one before it is over, and does its own work.

use std::time::Duration;

use winddown::lifecycle::cause::{Cause, Reach};
use winddown::lifecycle::event::{Effect, Event, Note};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::{Action, Step, Target};
use winddown::lifecycle::signal::Signal;

use super::{ABANDONED, Oracle, Patience, Progress, Stop, Turn, rule};

impl Default for Progress {
    fn default() -> Self {
        Self {
            step: 0,
            ends: None,
            rest: None,
            hook_runs: false,
            has_asked: false,
            by_others: None,
            is_done: false,
            as_received: Signal::TERM,
            straggler_signal: Signal::TERM,
            extended: Some(Duration::ZERO),
        }
    }
}

impl Progress {
    /// The sender of the stop signal asked every process, and no step has asked since.
    pub(super) fn is_left_to_others(&self) -> bool {
        self.is_done || self.by_others == Some(Reach::Everyone)
    }

    /// The effects that a step must have at its beginning; none if it kills.
    fn begin(&mut self, step: Step, is_last: bool, at: Duration, main_has_ended: bool) -> Vec<Effect> {
        self.hook_runs = matches!(step.action, Action::Run(_));
        let share = step.share.or(self.rest);
        self.ends = share.filter(|_| self.hook_runs || !is_last).map(|share| at + share);
        let (signal, to) = match step.action {
            Action::Wait | Action::Kill => return Vec::new(),
            Action::Run(hook) => return vec![Effect::StartHook(hook)],
            Action::Dump(dump) => return vec![Effect::Dump(dump)],
            Action::Signal(signal, to) => (signal, to),
        };
        let is_first = !self.has_asked;
        self.has_asked = true;
        self.straggler_signal = signal.unwrap_or(Signal::TERM);
        self.is_done = is_first && self.by_others == Some(Reach::Everyone);
        if self.is_done {
            return Vec::new();
        }
        let mut owed = if is_first { Vec::new() } else { vec![Effect::AskAgain] };
        match (main_has_ended, to) {
            // `orphans` checks these.
            (true, Target::Main) if is_first => {}
            (true, _) => owed.push(Effect::AskEveryone(self.straggler_signal)),
            (false, Target::All) => owed.push(Effect::AskEveryone(signal.unwrap_or(self.as_received))),
            (false, Target::Main) if is_first && self.by_others.is_some() => {}
            (false, Target::Main) => owed.push(Effect::AskMain(signal.unwrap_or(self.as_received))),
        }
        owed
    }
}

impl Oracle {
    /// The steps of the plan begin in order, each when the one before it is over, and do their own work. Returns
    /// whether one of them kills.
    pub(super) fn steps(
        &mut self,
        turn: &Turn<'_>,
        cause: Option<Cause>,
        late: bool,
    ) -> Result<bool, String> {
        let goes_on = turn.before.phase() <= Phase::Terminating && !late;
        let key = turn.stop_signal().filter(|received| received.main_has_it() && cause.is_none());
        let key = key.filter(|_| self.interrupt_age(turn).is_none());
        let gone = self.main_has_ended;
        let (mut owed, mut begun) = (Vec::new(), Vec::new());
        let mut hook_ended = false;
        if let Some(stop) = self.stop.as_mut().filter(|_| goes_on) {
            let is_done = stop.progress.is_left_to_others();
            stop.progress.has_asked |= gone && !is_done && turn.event == Event::Remains && cause.is_none();
            // A key press before any process was asked counts as the first step that asks.
            if let Some(key) = key.filter(|_| !stop.progress.has_asked) {
                stop.progress.by_others = stop.progress.by_others.max(Some(key.reach));
            }
            if matches!(turn.event, Event::HookEnded(_)) && stop.progress.hook_runs {
                let is_last = stop.is_over || stop.progress.step + 1 == turn.plan().steps.len();
                (stop.progress.hook_runs, stop.progress.ends) = (false, (!is_last).then_some(turn.at));
                hook_ended = true;
            }
            stop.is_over |= gone && turn.event == Event::HookRemains;
            stop.is_over &= turn.event != Event::Remains;
            if cause != Some(Cause::Abandoned) {
                let first = if gone { turn.plan().first_signal().unwrap_or(0) } else { 0 };
                let is_cut = turn.event == Event::Abandoned && cause.is_none();
                begun = if is_cut {
                    Vec::new()
                } else {
                    stop.advance(turn, cause.map(|_| first), gone, &mut owed)
                };
            }
            // Only a hook is left to wait for.
            stop.progress.ends = stop.progress.ends.filter(|_| stop.progress.hook_runs || !stop.is_over);
            if turn.event == Event::Abandoned {
                owed.extend(stop.abandoned(turn));
            }
        }
        let kills = begun.iter().any(|index| turn.plan().steps[*index].action == Action::Kill);
        let is_after = turn.was(Phase::Stopped) || turn.becomes(Phase::Stopped);
        let done: Vec<Effect> = turn.effects.iter().filter(|effect| is_of_a_step(effect)).copied().collect();
        rule(is_after || done == owed, "each step does its own work when it begins, and only then")?;
        let count =
            |note: fn(&Note) -> bool| turn.count(|effect| matches!(effect, Effect::Say(it) if note(it)));
        let ends = count(|note| matches!(note, Note::HookEnded(_)));
        rule(is_after || ends == usize::from(hook_ended), "the end of a hook is reported")?;
        let steps = count(|note| matches!(note, Note::Step(_)));
        // The only signal of a plain plan is reported with the request.
        let unreported = usize::from(turn.plan().is_plain() && begun.contains(&0)) + usize::from(kills);
        let owed_steps = begun.len() - unreported;
        let dumps = begun.iter().filter(|index| matches!(turn.plan().steps[**index].action, Action::Dump(_)));
        rule(count(|note| *note == Note::Dumped) == dumps.count(), "dumped processes are reported")?;
        rule(steps == owed_steps, "each step is reported")?;
        Ok(kills)
    }

    /// Whether the current step is over and the next one kills, before anything else happens.
    pub(super) fn is_killed_by_plan(&self, turn: &Turn<'_>) -> bool {
        let Some(stop) = &self.stop else { return false };
        let progress = &stop.progress;
        let next = turn.plan().steps.get(progress.step + 1);
        let is_kill = next.is_some_and(|next| next.action == Action::Kill) && !stop.is_over;
        is_kill && progress.ends.is_some_and(|at| at <= turn.at)
    }
}

impl Stop {
    /// All processes are asked, in place of all remaining steps.
    fn abandoned(&mut self, turn: &Turn<'_>) -> Vec<Effect> {
        let signal = turn.plan().straggler_signal();
        let progress = &mut self.progress;
        let hook = std::mem::take(&mut progress.hook_runs).then_some(Effect::EndHook);
        progress.ends = None;
        progress.has_asked = true;
        progress.is_done = false;
        progress.straggler_signal = signal;
        progress.extended = None;
        self.readers = Patience::default();
        self.given = self.given.with(signal);
        let sooner = turn.at + ABANDONED;
        self.deadline = Some(self.deadline.map_or(sooner, |deadline| deadline.min(sooner)));
        hook.into_iter().chain([Effect::AskEveryone(signal)]).collect()
    }

    /// The steps that begin in this turn, with their effects.
    fn advance(
        &mut self,
        turn: &Turn<'_>,
        first: Option<usize>,
        gone: bool,
        owed: &mut Vec<Effect>,
    ) -> Vec<usize> {
        let (plan, progress) = (turn.plan(), &mut self.progress);
        let (mut next, mut begun) = (first, Vec::new());
        loop {
            if next.is_none() && !turn.is_end() && progress.ends.is_some_and(|at| at <= turn.at) {
                owed.extend(std::mem::take(&mut progress.hook_runs).then_some(Effect::EndHook));
                progress.ends = None;
                next = Some(progress.step + 1).filter(|_| !self.is_over);
            }
            let Some(index) = next.take().filter(|index| *index < plan.steps.len()) else { return begun };
            let step = plan.steps[index];
            let stands_in = progress.by_others.is_some() && !progress.has_asked;
            progress.step = index;
            owed.extend(progress.begin(step, index + 1 == plan.steps.len(), turn.at, gone));
            begun.push(index);
            match step.action {
                Action::Kill => return begun,
                Action::Signal(signal, _) => {
                    progress.by_others = None;
                    if !stands_in {
                        self.given = self.given.with(signal.unwrap_or(progress.as_received));
                    }
                }
                Action::Wait | Action::Run(_) | Action::Dump(_) => {}
            }
        }
    }
}

/// The effects of steps that begin or end; stragglers have a rule of their own.
fn is_of_a_step(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::AskMain(_)
            | Effect::AskEveryone(_)
            | Effect::AskAgain
            | Effect::StartHook(_)
            | Effect::Dump(_)
            | Effect::EndHook
    )
}
