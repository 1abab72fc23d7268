//! The limit: a stop starts the clock, and SIGKILL comes when it has run out.

use std::time::Duration;

use winddown::lifecycle::cause::{Cause, Received};
use winddown::lifecycle::event::{Answer, Effect, Event, Note};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::Action;
use winddown::lifecycle::signal::Signal;

use super::{ABANDONED, LONGEST_PAUSE, Oracle, Patience, Progress, Stop, Turn, Verdict, rule};

impl Oracle {
    /// Each stop request begins one stop, and starts the clock.
    pub(super) fn stop_request(&mut self, turn: &Turn<'_>, cause: Option<Cause>) -> Verdict {
        let begun = turn.count(|effect| matches!(effect, Effect::Say(Note::StopRequested(_))));
        rule(begun == usize::from(cause.is_some()), "a stop begins when it is requested, and once")?;
        if let Some(cause) = cause {
            rule(turn.says(Note::StopRequested(cause)), "the cause of the stop is reported")?;
            rule(turn.after.cause() == Some(cause), "the cause of the stop is kept")?;
            rule(turn.after.stop_at() == Some(turn.at), "the clock starts with the stop request")?;
            self.stop = Some(Self::stop_of(turn, cause));
            self.since = Some(turn.at);
        }
        Ok(())
    }

    fn stop_of(turn: &Turn<'_>, cause: Cause) -> Stop {
        let received = if let Cause::Signal(received) = cause { Some(received) } else { None };
        let by_others = received.filter(Received::main_has_it);
        let deadline = Self::deadline_of(turn, cause);
        let plan = turn.plan();
        let progress = Progress {
            rest: deadline.map(|deadline| deadline.saturating_sub(turn.at).saturating_sub(plan.shares())),
            by_others: by_others.map(|received| received.reach),
            as_received: received
                .and_then(|received| plan.forwarded(received.signal))
                .unwrap_or(Signal::TERM),
            ..Progress::default()
        };
        let mut stop = Stop {
            deadline,
            heard: received.map(|received| received.signal).into_iter().collect(),
            given: by_others.map(|received| received.signal).into_iter().collect(),
            progress,
            readers: Patience::new(plan, turn.at, deadline),
            ..Stop::default()
        };
        if let Some(received) = received {
            stop.interrupted(received, turn.at);
        }
        stop
    }

    fn deadline_of(turn: &Turn<'_>, cause: Cause) -> Option<Duration> {
        let by_limit = turn.plan().limit.length().map(|length| turn.at + length);
        // A plan of shares that ends in a kill ends there.
        let steps = &turn.plan().steps;
        let kills = steps.last().is_some_and(|step| step.action == Action::Kill);
        let shares = steps.iter().filter(|step| step.action != Action::Kill).map(|step| step.share);
        let by_plan = shares.sum::<Option<Duration>>().filter(|_| kills).map(|length| turn.at + length);
        let abandoned = (cause == Cause::Abandoned).then_some(turn.at + ABANDONED);
        // If winddown was stopped past the end of the run limit, the stop has the whole time limit.
        let run_limit = turn.plan().run_limit.filter(|at| *at > turn.at);
        [by_limit, by_plan, run_limit, abandoned].into_iter().flatten().min()
    }

    /// SIGKILL comes at the deadline and never before, except on request: a limit of zero, or Ctrl+C again.
    pub(super) fn kills(&self, turn: &Turn<'_>, cause: Option<Cause>) -> bool {
        if turn.before.phase() >= Phase::Killing || turn.is_end() {
            return false;
        }
        let at_once = cause
            .is_some_and(|cause| Self::deadline_of(turn, cause).is_some_and(|deadline| deadline <= turn.at));
        let deadline = self.stop.as_ref().and_then(|stop| stop.deadline);
        at_once
            || self.is_killed_by_plan(turn)
            || deadline.is_some_and(|deadline| deadline <= turn.at)
            || self.is_second_interrupt(turn)
    }

    /// The deadline moves only on request of the workload, and only as far as it may.
    pub(super) fn more_time(&mut self, turn: &Turn<'_>, late: bool) -> Verdict {
        let Event::Extend(request) = turn.event else { return Ok(()) };
        let stops = turn.before.phase() <= Phase::Terminating && !late;
        let stop = self.stop.as_mut().filter(|_| stops);
        let is_of_start = stop.is_none() && self.start.ends.is_some();
        let (deadline, extended, run_limit) = match &stop {
            Some(stop) => (stop.deadline, stop.progress.extended, turn.plan().run_limit),
            None => (self.start.ends, Some(self.start.moved), None),
        };
        let mut at_most = None;
        let granted = deadline.zip(extended).filter(|_| stops).and_then(|(deadline, extended)| {
            let by_all = deadline + turn.plan().extend_max.saturating_sub(extended);
            let latest = run_limit.map_or(by_all, |limit| by_all.min(limit)).max(deadline);
            at_most = Some(latest.saturating_sub(turn.at));
            let wanted = (turn.at + request.by).max(deadline);
            let is_last = wanted > latest;
            let more = wanted.min(latest).saturating_sub(deadline);
            let may_be = !is_last || (!request.reads_answer && !more.is_zero());
            may_be.then_some((more, is_last))
        });
        let more = granted.map_or(Duration::ZERO, |(more, _)| more);
        if let Some(stop) = stop {
            stop.progress.extended = stop.progress.extended.map(|extended| extended + more);
            stop.deadline = stop.deadline.map(|deadline| deadline + more);
            stop.progress.ends = stop.progress.ends.map(|ends| ends + more);
        } else if is_of_start {
            self.start.ends = self.start.ends.map(|ends| ends + more);
            self.start.moved += more;
        }
        let answer = granted.map_or(Answer::Refused(at_most), |_| Answer::Granted);
        rule(turn.has(Effect::Answer(answer)), "a request for time is answered")?;
        let is_reported = |(by, is_last)| turn.says(Note::Extended { by, is_last }) == (by > Duration::ZERO);
        rule(granted.is_none_or(is_reported), "a moved deadline is reported, and how far")?;
        let is_refused = turn.says(Note::NotExtended(request.by));
        rule(
            !stops || (self.stop.is_none() && !is_of_start) || is_refused == granted.is_none(),
            "a refusal is reported",
        )
    }

    /// A due deadline always acts, so that waiting for the next one never turns into a busy loop.
    pub(super) fn deadlines(&self, turn: &Turn<'_>) -> Verdict {
        let due = turn.after.deadline();
        let acts_later = turn.is_end() || turn.event == Event::Started;
        rule(acts_later || due.is_none_or(|due| due > turn.at), "what is due is done")?;
        // A deadline that was overslept was moved.
        let is_moved = self.lives(turn.after.phase()) && turn.before.deadline() < due;
        let is_due_tick = turn.event == Event::Tick && !is_moved;
        rule(!is_due_tick || !turn.effects.is_empty(), "something happens at a deadline")?;
        let deadline = self.stop.as_ref().and_then(|stop| stop.deadline);
        rule(turn.after.kill_at() == deadline, "the deadline is the limit's end, and stays where it is")?;
        let soon = turn.at.saturating_add(LONGEST_PAUSE);
        match turn.after.phase() {
            Phase::Starting if !self.lives(Phase::Starting) => rule(due.is_none(), "nothing is due yet"),
            Phase::Stopped => {
                let until = self.after.map(|(until, _)| until);
                rule(due == until, "nothing is due any more, except for the hook after the end")
            }
            Phase::Starting | Phase::Running => {
                let all = [turn.plan().time_up_at(), self.silent_at, self.start.again, self.start.ends];
                let runs_out = all.into_iter().flatten().min();
                let runs_out = runs_out.filter(|_| !self.main_has_ended).or(self.leaving);
                rule(
                    due == runs_out,
                    "idle costs nothing: only a run limit, a watchdog, a start limit and a probe are waited for",
                )
            }
            Phase::Terminating
                if self.stop.as_ref().is_some_and(|stop| stop.progress.is_left_to_others()) =>
            {
                Ok(())
            }
            Phase::Terminating | Phase::Killing => {
                let readers = self.stop.as_ref().and_then(|stop| stop.readers.next());
                rule(readers.is_none_or(|at| due <= Some(at)), "a reader is asked when its time is over")?;
                rule(due.is_some_and(|due| due <= soon), "orphans are searched for")
            }
        }
    }
}
