//! The run: one try after another, each under a fresh [`Machine`], and what lies between two of them.
//!
//! As pure as the machine of a try: the driver gives it every event, and it passes on those that are about the try.

use std::ops::Deref;
use std::time::Duration;

use self::policy::{CrashRate, Policy};
pub use self::view::TriesView;
use super::cause::Cause;
use super::event::{Effect, Event, NoRetry, Note};
use super::exit::{Ending, Exit};
use super::machine::Machine;
use super::outcome::{Conclusion, Outcome};
use super::phase::Phase;
use super::plan::Plan;

pub mod policy;
mod view;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum State {
    /// A try is under way, or its end has not been judged.
    Trying,
    /// No try runs until then.
    Delay { until: Duration },
    /// The delay is over. The next try starts once it is certain that no stop request is on its way.
    Due,
    /// No try follows; the machine of the last one ends the run.
    Over,
}

/// The tries of one run, from the first to the run's end.
#[derive(Clone, Debug)]
pub struct Tries {
    policy: Policy,
    state: State,
    /// That of the try under way, or else of the last one.
    machine: Machine,
    attempt: u32,
    /// How many retries there were since the count was last set back.
    retries: u32,
    /// When tries have failed, as far as it matters for the crash rate.
    failures: Vec<Duration>,
    /// The first request after which no try may start.
    asked: Option<Cause>,
    /// When this try became ready, and when that ended.
    ready_at: Option<Duration>,
    ready_until: Option<Duration>,
    conclusion: Option<Conclusion>,
}

/// Queries are about the try under way, or else about the last one.
impl Deref for Tries {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Tries {
    /// Those of a run that has not begun.
    #[must_use]
    pub const fn new(plan: Plan, policy: Policy) -> Self {
        Self {
            policy,
            state: State::Trying,
            machine: Machine::new(plan),
            attempt: 1,
            retries: 0,
            failures: Vec::new(),
            asked: None,
            ready_at: None,
            ready_until: None,
            conclusion: None,
        }
    }

    /// Those of a run whose supervisor was killed after a failed try, when no other one had been started.
    #[must_use]
    pub const fn between_tries(plan: Plan, exit: Exit, ending: Ending) -> Self {
        let conclusion = Conclusion { outcome: Outcome::Stopped, ending };
        let mut run = Self::new(plan, Policy::once());
        (run.state, run.conclusion) = (State::Due, Some(conclusion));
        run.machine.note_ended(exit);
        run
    }

    /// The policy it follows.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The number of this try, or else of the last one, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When this try became ready, if it did.
    #[must_use]
    pub const fn ready_at(&self) -> Option<Duration> {
        self.ready_at
    }

    /// What the last try came to, and so the run if no try follows.
    #[must_use]
    pub const fn conclusion(&self) -> Option<Conclusion> {
        self.conclusion
    }

    /// Whether the try has ended and [`Event::Concluded`] must follow.
    #[must_use]
    pub fn awaits_verdict(&self) -> bool {
        self.state == State::Trying && self.machine.has_ended()
    }

    /// Whether the delay is over, and [`Event::Clear`] must follow.
    #[must_use]
    pub fn awaits_clearance(&self) -> bool {
        self.state == State::Due
    }

    /// Whether the run is over, with the hook that follows the end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state == State::Over && self.machine.is_stopped()
    }

    /// Whether no try can follow any longer, whatever this one comes to.
    #[must_use]
    pub fn is_last(&self) -> bool {
        let by_request = self.asked.is_some() || !fails_by_itself(self.machine.request());
        by_request || self.state == State::Over || !self.policy.retries()
    }

    /// The next moment at which an [`Event::Tick`] does something; `None` if only another event can.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Trying | State::Over => self.machine.deadline(),
            State::Delay { until } => Some(until),
            State::Due => None,
        }
    }

    /// Takes one event that happened `now`, and adds what to do to `effects`; see [`Machine::handle`].
    pub fn handle(&mut self, now: Duration, event: Event, effects: &mut Vec<Effect>) {
        match (self.state, event) {
            (State::Trying, Event::Concluded(conclusion, jitter)) => {
                if self.machine.has_ended() {
                    self.judge(now, conclusion, jitter, effects);
                }
            }
            (State::Trying, _) => self.go_on(now, event, effects),
            (State::Delay { .. } | State::Due, _) => self.between(now, event, effects),
            (State::Over, _) => self.machine.handle(now, event, effects),
        }
    }

    fn go_on(&mut self, now: Duration, event: Event, effects: &mut Vec<Effect>) {
        self.asked = self.asked.or(self.request_in(event));
        self.machine.handle(now, event, effects);
        let is_ready = self.machine.phase() == Phase::Running && self.machine.main_exit().is_none();
        if is_ready {
            self.ready_at = self.ready_at.or(Some(now));
        } else if self.ready_at.is_some() {
            self.ready_until = self.ready_until.or(Some(now));
        }
    }

    /// Decides whether a try follows the one that has ended.
    fn judge(&mut self, now: Duration, mut conclusion: Conclusion, jitter: u32, effects: &mut Vec<Effect>) {
        let next = self.next_delay(now, conclusion, jitter);
        effects.push(Effect::Say(Note::TryEnded { conclusion, next: next.ok() }));
        match next {
            Ok(delay) => {
                self.retries = self.retries.saturating_add(1);
                self.state = State::Delay { until: now.saturating_add(delay) };
                self.conclusion = Some(conclusion);
                effects.push(Effect::BeginDelay(delay));
            }
            Err(why) => {
                if let Some(NoRetry::Asked(_)) = why
                    && matches!(conclusion.outcome, Outcome::Failed | Outcome::Crashed)
                {
                    conclusion.outcome = Outcome::Stopped;
                }
                self.conclusion = Some(conclusion);
                self.end(now, why, effects);
            }
        }
    }

    /// The delay before the next try; or why none follows, as far as that is worth a word.
    fn next_delay(
        &mut self,
        now: Duration,
        conclusion: Conclusion,
        jitter: u32,
    ) -> Result<Duration, Option<NoRetry>> {
        let status = conclusion.ending.status();
        if !self.policy.retries() || !self.has_failed_by_itself(status) {
            return Err(None);
        }
        if self.ran_for(now) >= Some(self.policy.reset) {
            self.retries = 0;
        }
        let too_often = self.too_many_failures(now);
        let retry = self.retries.saturating_add(1);
        let delay = self.policy.delay.before(retry, jitter);
        let most = self.policy.retries.filter(|most| retry > *most);
        Err(Some(match (self.asked, too_often, most) {
            (Some(cause), ..) => NoRetry::Asked(cause),
            _ if self.policy.permanent.contains(&status) => NoRetry::Permanent(status),
            (_, Some(rate), _) => NoRetry::CrashRate(rate),
            (.., Some(most)) => NoRetry::UsedUp(most),
            _ if self.time_is_up(now.saturating_add(delay)) => NoRetry::RunLimit,
            _ => return Ok(delay),
        }))
    }

    /// Whether the try has failed, and nobody and no limit of the run has stopped it.
    fn has_failed_by_itself(&self, status: u8) -> bool {
        let was_started = self.machine.main_exit().is_some();
        status != 0 && was_started && !self.machine.has_survivors() && fails_by_itself(self.machine.request())
    }

    /// How long the try was ready before it failed; nothing if it never was.
    fn ran_for(&self, now: Duration) -> Option<Duration> {
        Some(self.ready_until.unwrap_or(now).saturating_sub(self.ready_at?))
    }

    /// Notes a failure, and returns the limit if there were too many by now.
    fn too_many_failures(&mut self, now: Duration) -> Option<CrashRate> {
        let rate = self.policy.max_crashes?;
        self.failures.retain(|at| now.saturating_sub(*at) < rate.within);
        self.failures.push(now);
        (self.failures.len() > rate.most).then_some(rate)
    }

    /// Whether a try that starts then would be asked to stop at once, by the length of the run.
    fn time_is_up(&self, at: Duration) -> bool {
        self.machine.plan().time_up_at().is_some_and(|time_up| time_up <= at)
    }

    /// An event while no try runs.
    fn between(&mut self, now: Duration, event: Event, effects: &mut Vec<Effect>) {
        if let Some(cause) = self.request_in(event) {
            self.asked = Some(cause);
            if let Some(conclusion) = &mut self.conclusion {
                conclusion.outcome = Outcome::Stopped;
            }
            self.machine.note_stop(now);
            return self.end(now, Some(NoRetry::Asked(cause)), effects);
        }
        match (self.state, event) {
            (_, Event::Signal(_)) => self.machine.handle(now, event, effects),
            // winddown may have been stopped for a while.
            (State::Due, Event::Clear) if self.time_is_up(now) => {
                return self.end(now, Some(NoRetry::RunLimit), effects);
            }
            (State::Due, Event::Clear) => return self.begin(effects),
            _ => {}
        }
        if matches!(self.state, State::Delay { until } if until <= now) {
            self.state = State::Due;
            effects.push(Effect::AskForClearance);
        }
    }

    fn begin(&mut self, effects: &mut Vec<Effect>) {
        self.machine = Machine::new(self.machine.plan().clone());
        self.attempt = self.attempt.saturating_add(1);
        (self.ready_at, self.ready_until, self.conclusion) = (None, None, None);
        self.state = State::Trying;
        effects.push(Effect::StartTry);
    }

    fn end(&mut self, now: Duration, why: Option<NoRetry>, effects: &mut Vec<Effect>) {
        self.state = State::Over;
        effects.extend(why.map(|why| Effect::Say(Note::NoFurtherTry(why))));
        effects.push(Effect::Say(Note::Ended));
        self.machine.finish(now, effects);
    }

    /// The stop request that an event is, also if it comes too late to begin a stop.
    fn request_in(&self, event: Event) -> Option<Cause> {
        match event {
            Event::Signal(received) => {
                let is_request = received.hangup || self.machine.plan().stop_on.contains(received.signal);
                (is_request && received.is_news() && received.signal.is_forwardable())
                    .then_some(Cause::Signal(received))
            }
            Event::Abandoned => Some(Cause::Abandoned),
            Event::ParentEnded => Some(Cause::ParentEnded),
            _ => None,
        }
    }
}

/// Whether a workload that was asked to stop for this reason, or not at all, has failed by itself.
const fn fails_by_itself(request: Option<Cause>) -> bool {
    match request {
        None | Some(Cause::MainExited | Cause::Silent | Cause::StartLimit) => true,
        Some(
            Cause::Signal(_) | Cause::RunLimit | Cause::StopAfter | Cause::Abandoned | Cause::ParentEnded,
        ) => false,
    }
}
