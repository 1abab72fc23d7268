//! How a run ends: by itself or by SIGKILL, and with the hook that follows.

use std::time::Duration;

use super::{HOOK_END_WAIT, KILL_PAUSE_MIN, Machine, State};
use crate::lifecycle::event::{Effect, Note};
use crate::lifecycle::exit::Exit;

impl Machine {
    pub(super) fn tree_empty(&mut self, effects: &mut Vec<Effect>) {
        match self.state {
            State::Ended { .. } | State::Stopped { .. } => {}
            State::Finishing { survivors, .. } => self.over(survivors, effects),
            _ if self.main.is_some() => {
                self.note_last_words(effects);
                self.end(false, effects);
            }
            _ => {}
        }
    }

    /// A process that the last words ended has not ended in time, either.
    fn note_last_words(&self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &self.state else { return };
        if self.plan.looks && self.plan.last_words > 0 && stop.steps.index >= self.plan.first_last_word() {
            effects.push(Effect::Say(Note::PostMortem));
        }
    }

    /// The workload has ended, or winddown gave up on it.
    pub(super) fn end(&mut self, survivors: bool, effects: &mut Vec<Effect>) {
        self.state = State::Ended { survivors };
        effects.extend(survivors.then_some(Effect::Say(Note::GaveUp)));
    }

    /// The run ends with this try: only the hook that follows the end is left, if there is one.
    pub fn finish(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let State::Ended { survivors } = self.state else { return };
        match self.plan.post_stop {
            Some(share) => {
                self.state =
                    State::Finishing { survivors, ends: now.saturating_add(share), is_ending: false };
                effects.push(Effect::StartPostStop);
            }
            None => self.over(survivors, effects),
        }
    }

    /// Another machine has seen the end of this try.
    pub(crate) const fn note_ended(&mut self, exit: Exit) {
        self.main = Some(exit);
        self.state = State::Ended { survivors: false };
    }

    /// Somebody has asked for a stop when the try was over: to press Ctrl+C twice ends the hook that follows.
    pub(crate) const fn note_stop(&mut self, now: Duration) {
        self.stop_at = Some(now);
    }

    pub(super) fn over(&mut self, survivors: bool, effects: &mut Vec<Effect>) {
        self.state = State::Stopped { survivors };
        effects.push(Effect::Say(Note::Stopped));
    }

    /// Reports it once, and waits briefly for its processes.
    pub(super) fn end_hook_after_the_end(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if let State::Finishing { ends, is_ending, .. } = &mut self.state
            && !std::mem::replace(is_ending, true)
        {
            *ends = now.saturating_add(HOOK_END_WAIT);
            effects.push(Effect::EndHook);
            effects.push(Effect::Say(Note::HookOverran));
        }
    }

    pub(super) fn kill(&mut self, now: Duration, why: Note, effects: &mut Vec<Effect>) {
        let next_pass = now.saturating_add(KILL_PAUSE_MIN);
        // If the wait were shorter than SIGKILL takes, every process would count as a survivor.
        let give_up = self.plan.kill_wait.after(now).map(|at| at.max(next_pass));
        let hook_runs = matches!(&self.state, State::Terminating(stop) if stop.steps.hook_runs);
        self.state = State::Killing { next_pass, pause: KILL_PAUSE_MIN, give_up };
        effects.push(Effect::KillTree);
        effects.extend(hook_runs.then_some(Effect::Say(Note::HookOverran)));
        if why != Note::Killing {
            effects.push(Effect::Say(why));
        }
        effects.push(Effect::Say(Note::Killing));
        effects.extend(self.plan.looks.then_some(Effect::Say(Note::PostMortem)));
    }
}
