//! SIGKILL, orphans and the end.

use winddown::lifecycle::cause::Cause;
use winddown::lifecycle::event::{Effect, Event, Note, Orphans};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::signal::Signal;

use super::{LEAST_KILL_WAIT, LONGEST_PAUSE, Oracle, REPEAT, Turn, Verdict, rule};

impl Oracle {
    /// SIGKILL goes to the whole tree, before any report, and again until the end.
    pub(super) fn kill(&mut self, turn: &Turn<'_>, kills: bool) -> Verdict {
        rule(turn.becomes(Phase::Killing) >= kills, "a deadline is kept")?;
        let killed = turn.count(|effect| *effect == Effect::KillTree);
        if turn.before.phase() < Phase::Killing {
            rule((killed > 0) == kills, "SIGKILL at the deadline and never before")?;
            rule(turn.says(Note::Killing) == kills, "a kill is reported")?;
        }
        // What a start that failed has come to can only be seen before.
        let is_word =
            |effect: &Effect| matches!(effect, Effect::Say(note) if !matches!(note, Note::NotReady(_)));
        let first_word = turn.effects.iter().position(is_word);
        let kill = turn.effects.iter().position(|effect| *effect == Effect::KillTree);
        rule(
            kill.is_none() || first_word.is_none() || kill < first_word,
            "nothing that can block comes before SIGKILL",
        )?;
        if turn.was(Phase::Killing) {
            let repeats = turn.event == Event::Tick && turn.after.phase() == Phase::Killing;
            rule(!repeats || killed == 1, "SIGKILL is repeated until the tree is empty")?;
            let remain = turn.event == Event::Remains && turn.after.phase() == Phase::Killing;
            rule(!remain || turn.has(Effect::KillOrphans), "a new orphan is killed at once")?;
        }
        if kills {
            let wait = turn.plan().kill_wait.length();
            self.give_up = wait.map(|wait| turn.at.saturating_add(wait.max(LEAST_KILL_WAIT)));
        }
        Ok(())
    }

    /// Orphans are asked; while the main process is alive, only those that lost their parent since a process was asked.
    pub(super) fn orphans(
        &mut self,
        turn: &Turn<'_>,
        cause: Option<Cause>,
        had_asked: bool,
        was_done: bool,
    ) -> Verdict {
        let which = if self.main_has_ended { Orphans::All } else { Orphans::New };
        let stops = turn.after.phase() == Phase::Terminating;
        let gone = self.main_has_ended;
        let progress = self.stop.as_mut().map(|stop| &mut stop.progress);
        let is_done = progress.as_ref().is_some_and(|progress| progress.is_left_to_others());
        let is_on = (had_asked || gone) && !was_done;
        let signal = progress.as_ref().map_or(Signal::TERM, |progress| progress.straggler_signal);
        let asked: Vec<Effect> =
            turn.effects.iter().filter(|effect| matches!(effect, Effect::AskOrphans(..))).copied().collect();
        // If a step of this turn changes the signal later, the ask comes with the signal before it.
        let is_theirs = |effect: &Effect| matches!(effect, Effect::AskOrphans(_, it, _) if *it == which);
        rule(asked.iter().all(is_theirs), "earlier orphans wait for the main process")?;
        let last = asked.last().copied().filter(|_| stops);
        let keeps = turn.event != Event::Remains || turn.plan().is_plain();
        rule(
            !keeps || last.is_none_or(|last| matches!(last, Effect::AskOrphans(it, _, _) if it == signal)),
            "stragglers get their own signal",
        )?;
        rule(stops || asked.is_empty() || turn.was(Phase::Terminating), "only a stop asks processes")?;
        let lost_parent = turn.event == Event::Remains && turn.was(Phase::Terminating) && stops && is_on;
        let by_all = turn.has(Effect::AskEveryone(signal));
        let main_gone = cause.is_some() && gone && stops && !by_all && turn.plan().first_signal().is_some();
        let main_gone = main_gone && !is_done;
        rule(
            asked.is_empty() || !(was_done && is_done),
            "winddown asks no process that another sender has asked",
        )?;
        if let Some(progress) = progress {
            progress.has_asked |= !asked.is_empty();
        }
        self.readers(turn, cause, had_asked, &asked)?;
        rule(!(lost_parent || main_gone) || !asked.is_empty(), "a new orphan is asked at once")
    }

    /// The run is over when everything is reaped, and not before; or when the kill wait ends.
    pub(super) fn end(&self, turn: &Turn<'_>) -> Verdict {
        if turn.was(Phase::Stopped) {
            return Ok(());
        }
        let gone = self.main_has_ended;
        let left = turn.plan().leave_stragglers && self.lives(turn.before.phase()) && gone;
        let in_vain = self.give_up.is_some_and(|at| at <= turn.at) && turn.was(Phase::Killing);
        let (is_over, survivors) = match turn.event {
            Event::TreeEmpty => (gone, false),
            Event::MainExited(_) | Event::HookEnded(_) => (false, false),
            Event::NotStarted => {
                (turn.was(Phase::Starting) && !self.lives(turn.before.phase()) || in_vain, in_vain)
            }
            Event::Remains if left => (true, false),
            _ => (in_vain, in_vain),
        };
        let is_stopped = turn.after.phase() == Phase::Stopped;
        rule(is_stopped == is_over, "it is over when everything is reaped, and not before")?;
        rule(turn.after.has_survivors() == (is_over && survivors), "survivors are reported as such")
    }

    /// The hook after the end starts once the workload has ended, and has its share of time; when that is over it is
    /// killed, and winddown waits briefly for its remaining processes.
    pub(super) fn hook_after_the_end(&mut self, turn: &Turn<'_>) -> Verdict {
        let share = turn.plan().post_stop;
        let ends = turn.becomes(Phase::Stopped);
        let starts = ends && share.is_some();
        rule(turn.has(Effect::StartPostStop) == starts, "the hook after the end starts at the end")?;
        rule(!ends || turn.after.is_stopped() != starts, "after the end only its hook follows")?;
        if starts {
            self.after = share.map(|share| (turn.at + share, false));
        }
        let Some((until, is_ending)) = self.after else { return Ok(()) };
        let is_due = !turn.is_end() && until <= turn.at;
        let has_ended = matches!(turn.event, Event::HookEnded(_) | Event::TreeEmpty);
        let is_over = !starts && (has_ended || (is_ending && is_due));
        rule(
            turn.after.is_stopped() == is_over,
            "winddown waits for the hook after the end, but not for ever",
        )?;
        let is_key = turn.stop_signal().is_some_and(|received| received.signal == Signal::INT)
            && self.since.is_none_or(|since| turn.at.saturating_sub(since) >= REPEAT);
        let is_cut =
            !starts && !is_over && !is_ending && (is_due || is_key || turn.event == Event::Abandoned);
        rule(turn.has(Effect::EndHook) == is_cut, "a hook is killed when its time is over, or by Ctrl+C")?;
        if is_cut {
            self.after = Some((turn.at + LONGEST_PAUSE, true));
        }
        Ok(())
    }
}
