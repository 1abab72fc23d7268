//! The state machine: events in, effects out, time passed in as the duration since the start.
//!
//! [`Machine::handle`] decides, the driver carries out. The driver asks for the next moment at which something is
//! due ([`Machine::deadline`]); nothing is armed or cancelled, so there are no stale timers: an [`Event::Tick`] that
//! comes too early does nothing.

use std::time::Duration;

use self::start::StartState;
use self::stop::Stop;
pub use self::view::View;
use super::cause::{Cause, Reach, Received};
use super::event::{Effect, Event, Note, Orphans};
use super::exit::Exit;
use super::phase::Phase;
use super::plan::{AtParentsEnd, Plan};
use super::routing::{self, REPEAT_AFTER, Reason, Route, Situation};
use super::signal::{Signal, SignalSet};

mod ending;
mod leaving;
mod moments;
mod start;
mod steps;
mod stop;
mod view;

/// How long after the signal a main process that is still there is worth a hint.
const HINT_AFTER: Duration = Duration::from_secs(1);
/// Searches for new orphans come after a quarter of the time since the stop began, within these bounds.
const LOOK_MIN: Duration = Duration::from_millis(25);
const LOOK_MAX: Duration = Duration::from_secs(1);
/// What is left of the limit once winddown itself has been killed.
const ABANDONED_LIMIT: Duration = Duration::from_millis(500);
/// Pauses between passes of SIGKILL over the whole tree: the first, doubled up to the second.
const KILL_PAUSE_MIN: Duration = Duration::from_millis(25);
const KILL_PAUSE_MAX: Duration = Duration::from_millis(400);
/// A watchdog that is checked this late does not count: winddown itself was stopped, usually with the workload
/// (Ctrl+Z, a paused container), and no sign of life could have arrived.
const OVERSLEPT: Duration = Duration::from_millis(100);
/// With less time left than this, a line about half of the limit is of no use to anyone.
const HALF_TIME_LEFT_MIN: Duration = Duration::from_millis(100);
/// How long to wait for the processes of a hook that was killed after the end.
const HOOK_END_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, PartialEq, Eq, Debug, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one per run")]
enum State {
    Starting,
    Running,
    /// The main process ended by itself; the stragglers may go on until then.
    Leaving {
        until: Duration,
    },
    Terminating(Stop),
    Killing {
        next_pass: Duration,
        pause: Duration,
        give_up: Option<Duration>,
    },
    /// The try is over; whether another one follows is not decided here.
    Ended {
        survivors: bool,
    },
    /// Only the hook that follows the end is left.
    Finishing {
        survivors: bool,
        ends: Duration,
        is_ending: bool,
    },
    Stopped {
        survivors: bool,
    },
}

/// One try, from start to end.
#[derive(Clone, Debug)]
pub struct Machine {
    plan: Plan,
    state: State,
    main: Option<Exit>,
    cause: Option<Cause>,
    request: Option<Cause>,
    stop_at: Option<Duration>,
    /// When the watchdog expires.
    silent_at: Option<Duration>,
    start: StartState,
}

impl Machine {
    /// Creates a machine for a run under this plan, in the phase `starting`.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self {
            plan,
            state: State::Starting,
            main: None,
            cause: None,
            request: None,
            stop_at: None,
            silent_at: None,
            start: StartState::Over,
        }
    }

    /// The plan it follows.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The phase of the run.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Starting => Phase::Starting,
            State::Running | State::Leaving { .. } if self.awaits_readiness() => Phase::Starting,
            State::Running | State::Leaving { .. } => Phase::Running,
            State::Terminating(_) => Phase::Terminating,
            State::Killing { .. } => Phase::Killing,
            State::Ended { .. } | State::Finishing { .. } | State::Stopped { .. } => Phase::Stopped,
        }
    }

    /// Whether the run is over, with the hook that follows the end.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped { .. })
    }

    /// Whether nothing of the workload is left, or winddown gave up on it, and [`Machine::finish`] has not followed.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// Whether processes outlived SIGKILL and the kill wait.
    #[must_use]
    pub const fn has_survivors(&self) -> bool {
        matches!(
            self.state,
            State::Ended { survivors: true }
                | State::Finishing { survivors: true, .. }
                | State::Stopped { survivors: true }
        )
    }

    /// How the main process ended, once it has.
    #[must_use]
    pub const fn main_exit(&self) -> Option<Exit> {
        self.main
    }

    /// Why the stop began, once it has.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Why the run did not end by itself: the first stop request while anything of the workload was left. It need not
    /// have begun the stop: the end of the main process may have.
    #[must_use]
    pub const fn request(&self) -> Option<Cause> {
        self.request
    }

    /// When the stop began, once it has.
    #[must_use]
    pub const fn stop_at(&self) -> Option<Duration> {
        self.stop_at
    }

    /// When SIGKILL is due, during a stop.
    #[must_use]
    pub const fn kill_at(&self) -> Option<Duration> {
        match &self.state {
            State::Terminating(stop) => stop.deadline,
            _ => None,
        }
    }

    /// When SIGKILL comes as things stand: a plan may kill before the end of the limit.
    #[must_use]
    pub fn kill_expected_at(&self) -> Option<Duration> {
        let State::Terminating(stop) = &self.state else { return None };
        self.kills_at(stop)
    }

    /// Whether the next Ctrl+C kills at once: it would not be the first of this stop.
    pub(crate) const fn interrupt_kills(&self) -> bool {
        matches!(&self.state, State::Terminating(stop) if stop.interrupts.key.is_some())
    }

    /// The next moment at which an [`Event::Tick`] does something; `None` if only another event can.
    /// It may change with every call of [`Machine::handle`].
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Starting | State::Ended { .. } | State::Stopped { .. } => None,
            State::Running => {
                let all = [self.time_up_at(), self.silence(), self.probe_at(), self.start_ends_at()];
                all.into_iter().flatten().min()
            }
            State::Terminating(stop) => {
                let hint = self.hint_at(stop).filter(|_| !stop.hint_noted);
                let look = stop.moments.next(self.kills_at(stop));
                let asks = !stop.steps.leaves_all_to_others();
                let orphans = asks.then_some(stop.next_look);
                let readers = stop.readers.next().filter(|_| asks);
                let all = [orphans, stop.deadline, stop.steps.ends, stop.half_at, hint, look, readers];
                all.into_iter().flatten().min()
            }
            State::Leaving { until: at } | State::Finishing { ends: at, .. } => Some(*at),
            State::Killing { next_pass, give_up, .. } => {
                Some(give_up.map_or(*next_pass, |give_up| give_up.min(*next_pass)))
            }
        }
    }

    /// Takes one event that happened `now`, and adds what to do to `effects`. That includes what is due by `now`; a
    /// kill comes before the event. Only the end of a process comes before what is due: a process that ended by the
    /// deadline ended in time. After [`Event::MainExited`] or [`Event::HookEnded`] more is to be reaped, so
    /// [`Event::Remains`], [`Event::TreeEmpty`] or [`Event::Tick`] must follow.
    pub fn handle(&mut self, now: Duration, event: Event, effects: &mut Vec<Effect>) {
        if self.is_stopped() {
            return;
        }
        let is_end = matches!(event, Event::MainExited(_) | Event::TreeEmpty | Event::HookEnded(_));
        self.listen(now, event);
        if !is_end {
            self.out_of_time(now, event, effects);
        }
        match event {
            Event::Started => self.started(now, effects),
            Event::NotStarted => self.not_started(),
            Event::Signal(received) => self.signal(now, received, effects),
            Event::MainStopped => self.main_stopped(effects),
            Event::MainExited(exit) => self.main_exited(exit, effects),
            Event::Remains => self.remains(now, effects),
            Event::TreeEmpty => self.tree_empty(effects),
            Event::HookRemains => self.hook_remains(effects),
            Event::PipeEnded => self.pipe_ended(now),
            Event::Abandoned => self.abandoned(now, effects),
            Event::ParentEnded => self.parent_ended(now, effects),
            Event::Ailing if self.plan.watchdog.is_some() && self.main.is_none() => {
                self.asked_by(now, Cause::Silent, effects);
            }
            Event::HookEnded(exit) => self.hook_ended(now, exit, effects),
            Event::Extend(request) => self.extend(now, request, effects),
            Event::ReadyMessage => self.take_ready_message(effects),
            Event::ProbeEnded { is_seen } => self.probe_ended(now, is_seen, effects),
            Event::Alive | Event::Ailing | Event::Concluded(..) | Event::Clear | Event::Tick => {}
        }
        if !is_end {
            self.due(now, effects);
        }
    }

    fn not_started(&mut self) {
        if self.state == State::Starting {
            self.state = State::Ended { survivors: false };
        }
    }

    fn main_exited(&mut self, exit: Exit, effects: &mut Vec<Effect>) {
        if self.phase() == Phase::Stopped {
            return;
        }
        self.main = self.main.or(Some(exit));
        self.end_start(false, effects);
    }

    fn signal(&mut self, now: Duration, mut received: Received, effects: &mut Vec<Effect>) {
        let situation = self.situation(now, received);
        // At the end of the terminal its shell signals our process group only.
        let may_be_everyones = received.is_from_outside() && !received.hangup;
        if situation.is_request && self.plan.others_ask && may_be_everyones {
            received.reach = received.reach.max(Reach::Everyone);
        }
        let is_further = situation.is_request && situation.phase == Phase::Terminating;
        match routing::route(&received, &situation) {
            Route::Stop => self.stop(now, Cause::Signal(received), effects),
            Route::Kill => self.kill(now, Note::KillAsked(received), effects),
            Route::Pass(passed_on) => {
                if situation.phase == Phase::Killing {
                    // SIGKILL comes before any report.
                    self.due(now, effects);
                }
                effects.extend(passed_on.ok().map(Effect::Forward));
                if is_further && !passed_on.is_err_and(Reason::is_nothing) {
                    self.heard_again(now, received, passed_on, effects);
                } else if passed_on == Err(Reason::Given) {
                    effects.push(Effect::Say(Note::Repeated(received, passed_on)));
                } else {
                    if passed_on == Err(Reason::Ended) {
                        self.signal_after_the_end(now, received, effects);
                    }
                    effects.push(Effect::Say(Note::Forwarded(received, passed_on)));
                }
            }
        }
        if situation.is_request && received.is_news() {
            self.note_request(Cause::Signal(received));
        }
    }

    fn note_request(&mut self, cause: Cause) {
        if self.phase() < Phase::Stopped {
            self.request = self.request.or(Some(cause));
        }
    }

    fn situation(&self, now: Duration, received: Received) -> Situation {
        let stop = if let State::Terminating(stop) = &self.state { Some(stop) } else { None };
        let is_request = received.hangup || self.plan.stop_on.contains(received.signal);
        let interrupts = stop.filter(|_| is_request && received.signal == Signal::INT);
        let first = interrupts.and_then(|stop| stop.interrupts.first_of(received.origin));
        Situation {
            phase: self.phase(),
            is_request,
            main_has_ended: self.main.is_some(),
            passed_on_as: self.plan.forwarded(received.signal),
            heard: stop.map_or_else(SignalSet::default, |stop| stop.heard),
            given: stop.map_or_else(SignalSet::default, |stop| stop.given),
            is_plain: self.plan.is_plain(),
            first_interrupt: first.map(|first| now.saturating_sub(first)),
        }
    }

    /// The workload is gone; Ctrl+C still ends the hook that follows.
    fn signal_after_the_end(&mut self, now: Duration, received: Received, effects: &mut Vec<Effect>) {
        let is_duplicate = self.stop_at.is_some_and(|at| now.saturating_sub(at) < REPEAT_AFTER);
        if received.signal == Signal::INT && !is_duplicate {
            self.end_hook_after_the_end(now, effects);
        }
    }

    /// A stop request other than a signal.
    fn asked_by(&mut self, now: Duration, cause: Cause, effects: &mut Vec<Effect>) {
        if self.phase() <= Phase::Running {
            self.stop(now, cause, effects);
        }
    }

    fn parent_ended(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.asked_by(now, Cause::ParentEnded, effects);
        self.note_request(Cause::ParentEnded);
        if let State::Terminating(stop) = &mut self.state
            && self.plan.at_parents_end == AtParentsEnd::Kill
        {
            stop.deadline = Some(now);
        }
    }

    /// A stop signal during a stop, and what became of it.
    fn heard_again(
        &mut self,
        now: Duration,
        received: Received,
        passed_on: Result<Signal, Reason>,
        effects: &mut Vec<Effect>,
    ) {
        let State::Terminating(stop) = &mut self.state else {
            return;
        };
        if received.signal == Signal::INT {
            stop.interrupts.note(now, received.origin);
        }
        if !received.from_tree {
            stop.heard = stop.heard.with(received.signal);
        }
        if received.main_has_it() {
            stop.given = stop.given.with(received.signal);
            if !stop.steps.has_asked {
                stop.steps.by_others = stop.steps.by_others.max(Some(received.reach));
            }
            effects.push(Effect::AskedByOthers(received.signal, received.reach));
        }
        stop.given = passed_on.into_iter().fold(stop.given, SignalSet::with);
        effects.push(Effect::Say(Note::Repeated(received, passed_on)));
    }

    fn main_stopped(&self, effects: &mut Vec<Effect>) {
        match &self.state {
            State::Running => {
                effects.push(Effect::StopWithMain);
                effects.push(Effect::Say(Note::MainStopped));
            }
            // A stopped process can't act on the stop signal.
            State::Terminating(_) => effects.push(Effect::ContinueMain),
            State::Starting
            | State::Leaving { .. }
            | State::Killing { .. }
            | State::Ended { .. }
            | State::Finishing { .. }
            | State::Stopped { .. } => {}
        }
    }

    /// Children were reaped, and others are left: some may have lost their parent.
    fn remains(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Running if self.main.is_some() => self.leave(now, effects),
            State::Terminating(stop) => {
                stop.is_over = false;
                self.ask_orphans(effects);
                self.note_exit(false, effects);
            }
            State::Killing { .. } => effects.push(Effect::KillOrphans),
            State::Starting
            | State::Running
            | State::Leaving { .. }
            | State::Ended { .. }
            | State::Finishing { .. }
            | State::Stopped { .. } => {}
        }
    }

    /// Orphans are asked as soon as any process is, and in any case once the main process is gone.
    fn ask_orphans(&mut self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if stop.steps.leaves_all_to_others() || (self.main.is_none() && !stop.steps.has_asked) {
            return;
        }
        stop.steps.has_asked = true;
        let which = if self.main.is_some() { Orphans::All } else { Orphans::New };
        effects.push(Effect::AskOrphans(stop.steps.straggler_signal, which, stop.readers.now()));
    }

    fn note_exit(&mut self, is_last: bool, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if let Some(exit) = self.main.filter(|_| !stop.exit_noted) {
            stop.exit_noted = true;
            effects.push(Effect::Say(Note::MainExited { exit, is_last }));
        }
    }

    /// Ends what has used up its time.
    fn out_of_time(&mut self, now: Duration, event: Event, effects: &mut Vec<Effect>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        match &self.state {
            State::Running if is_due(self.time_up_at()) => {
                if let Some((_, cause)) = self.plan.time_up() {
                    self.stop(now, cause, effects);
                }
            }
            State::Running if is_due(self.silence()) => self.stop(now, Cause::Silent, effects),
            State::Running if self.is_late_with(now, event) => self.start_failed(now, effects),
            State::Leaving { until } if *until <= now => self.stop(now, Cause::MainExited, effects),
            State::Terminating(stop) if is_due(stop.deadline) || is_due(self.plan_kills_at(stop)) => {
                self.kill(now, Note::Killing, effects);
            }
            State::Killing { give_up, .. } if is_due(*give_up) => self.end(true, effects),
            State::Finishing { survivors, ends, is_ending: true } if is_due(Some(*ends)) => {
                self.over(*survivors, effects);
            }
            _ => {}
        }
    }

    /// When the run limit asks for the stop; not once the main process has ended by itself.
    fn time_up_at(&self) -> Option<Duration> {
        self.plan.time_up_at().filter(|_| self.main.is_none())
    }

    /// When the watchdog expires; not once the main process has ended.
    fn silence(&self) -> Option<Duration> {
        self.silent_at.filter(|_| self.main.is_none())
    }

    /// A sign of life that arrives by now is in time, and time during which winddown did not listen is no silence.
    fn listen(&mut self, now: Duration, event: Event) {
        let silence = self.silence().filter(|_| self.state == State::Running);
        let overslept = silence.is_some_and(|at| now.saturating_sub(at) > OVERSLEPT);
        if event == Event::Alive || overslept {
            self.silent_at = self.plan.watchdog.map(|length| now.saturating_add(length));
        }
    }

    /// Does what is due; harmless if nothing is.
    fn due(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        while let State::Terminating(stop) = &self.state
            && is_due(stop.steps.ends)
        {
            self.next_step(now, effects);
        }
        match &mut self.state {
            State::Running => self.probe_again(now, effects),
            State::Terminating(_) => self.due_in_stop(now, effects),
            State::Killing { next_pass, pause, .. } if is_due(Some(*next_pass)) => {
                *pause = pause.saturating_mul(2).min(KILL_PAUSE_MAX);
                *next_pass = now.saturating_add(*pause);
                effects.push(Effect::KillTree);
            }
            State::Finishing { ends, .. } if is_due(Some(*ends)) => self.end_hook_after_the_end(now, effects),
            _ => {}
        }
    }

    fn due_in_stop(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let State::Terminating(stop) = &self.state else { return };
        let kills_at = self.kills_at(stop);
        let State::Terminating(stop) = &mut self.state else { return };
        let hint_at = self.main.is_none().then(|| stop.hint_at());
        let asks = !stop.steps.leaves_all_to_others();
        let looks = asks && is_due(Some(stop.next_look));
        if looks {
            let pause = (now.saturating_sub(stop.since) / 4).clamp(LOOK_MIN, LOOK_MAX);
            stop.next_look = now.saturating_add(pause);
        }
        if (asks && stop.readers.pass(now)) || looks {
            self.ask_orphans(effects);
        }
        let State::Terminating(stop) = &mut self.state else { return };
        if let Some(moment) = stop.moments.take(now, kills_at) {
            effects.push(Effect::Look(moment));
        }
        if is_due(stop.half_at) {
            stop.half_at = None;
            let is_worth_it = kills_at.is_none_or(|at| at.saturating_sub(now) >= HALF_TIME_LEFT_MIN);
            effects.extend(is_worth_it.then_some(Effect::Say(Note::HalfTime)));
        }
        if is_due(hint_at) && !stop.hint_noted {
            stop.hint_noted = true;
            effects.push(Effect::Say(Note::StillThere));
        }
    }

    /// When to look why the main process is still there.
    fn hint_at(&self, stop: &Stop) -> Option<Duration> {
        self.main.is_none().then(|| stop.hint_at())
    }
}
