//! The state machine: events in, effects out, time passed in as the duration since the start.
//!
//! [`Machine::handle`] decides, the driver carries out. The next moment at which something is due is
//! asked for ([`Machine::deadline`]), never armed or cancelled, so no stale timer can exist: a
//! [`Event::Tick`] that comes too early does nothing.

use std::time::Duration;

use super::event::{Cause, Effect, Event, Note, Orphans, Received};
use super::exit::Exit;
use super::phase::Phase;
use super::plan::{Plan, Target};
use super::signal::{Origin, Signal, SignalSet};

/// Closer repeats of Ctrl+C are one key press seen twice.
const REPEAT_AFTER: Duration = Duration::from_millis(200);
/// How long after the signal a shell that still waits is worth a hint.
const SHELL_HINT_AFTER: Duration = Duration::from_secs(1);
/// Looks for processes that lost their parent come after a quarter of the time gone, within these.
const LOOK_MIN: Duration = Duration::from_millis(25);
const LOOK_MAX: Duration = Duration::from_secs(1);
/// What is left of the limit when winddown itself was killed.
const ABANDONED_LIMIT: Duration = Duration::from_millis(500);
/// Passes of SIGKILL over the whole tree: the first pause, doubled up to the last.
const KILL_PAUSE_MIN: Duration = Duration::from_millis(25);
const KILL_PAUSE_MAX: Duration = Duration::from_millis(400);

/// A stop under way, within its limit.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
struct Stop {
    since: Duration,
    deadline: Option<Duration>,
    interrupts: Interrupts,
    /// Stop signals from outside the tree: each is passed on at most once.
    heard: SignalSet,
    /// Stop signals that the main process has got: it gets none of them again.
    given: SignalSet,
    next_look: Duration,
    half_told: bool,
    hint_told: bool,
    exit_told: bool,
}

/// The first SIGINT of each sender, to tell a repeat from a duplicate: the terminal's, and that of the
/// process that last sent one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
struct Interrupts {
    key: Option<Duration>,
    sent: Option<(Origin, Duration)>,
}

#[derive(Clone, PartialEq, Eq, Debug, Hash)]
enum State {
    Starting,
    Running,
    Terminating(Stop),
    Killing { next_pass: Duration, pause: Duration, give_up: Option<Duration> },
    Stopped { survivors: bool },
}

/// One run, from start to end.
#[derive(Clone, Debug)]
pub struct Machine {
    plan: Plan,
    state: State,
    main: Option<Exit>,
    cause: Option<Cause>,
    stop_at: Option<Duration>,
}

/// See [`Machine::view`].
#[doc(hidden)]
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct View {
    state: State,
    main_has_ended: bool,
    run_limit: Option<Duration>,
}

impl Machine {
    /// A machine for a run under this plan, in the phase `starting`.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self { plan, state: State::Starting, main: None, cause: None, stop_at: None }
    }

    /// The plan it follows.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the run is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Starting => Phase::Starting,
            State::Running => Phase::Running,
            State::Terminating(_) => Phase::Terminating,
            State::Killing { .. } => Phase::Killing,
            State::Stopped { .. } => Phase::Stopped,
        }
    }

    /// Whether the run is over.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped { .. })
    }

    /// Whether processes have outlived SIGKILL and the kill wait.
    #[must_use]
    pub const fn has_survivors(&self) -> bool {
        matches!(self.state, State::Stopped { survivors: true })
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

    /// When the stop began, once it has.
    #[must_use]
    pub const fn stop_at(&self) -> Option<Duration> {
        self.stop_at
    }

    /// When SIGKILL is due, while a stop is under way.
    #[must_use]
    pub const fn kill_at(&self) -> Option<Duration> {
        match &self.state {
            State::Terminating(stop) => stop.deadline,
            _ => None,
        }
    }

    /// What decides about the future, with times as they look from `now`: machines of one plan that
    /// agree in it behave alike from then on. For the test that walks through all of them.
    #[doc(hidden)]
    #[must_use]
    pub fn view(&self, now: Duration) -> View {
        let left = |at: Duration| at.saturating_sub(now);
        let age = |at: Duration| now.saturating_sub(at);
        let mut state = self.state.clone();
        match &mut state {
            State::Starting | State::Running | State::Stopped { .. } => {}
            State::Terminating(stop) => {
                let hint_to_come = self.main.is_none() && !stop.hint_told;
                let half_to_come = stop.deadline.is_some() && !stop.half_told;
                let age_matters = if hint_to_come || half_to_come { Duration::MAX } else { LOOK_MAX * 4 };
                stop.since = age(stop.since).min(age_matters);
                let is_too_late = |at: Duration| stop.deadline.is_some_and(|end| at + REPEAT_AFTER >= end);
                let first =
                    |at: Duration| if is_too_late(at) { Duration::ZERO } else { age(at).min(REPEAT_AFTER) };
                let Interrupts { key, sent } = &mut stop.interrupts;
                *key = key.map(first);
                *sent = sent.map(|(origin, at)| (origin, first(at)));
                stop.next_look = left(stop.next_look);
                stop.deadline = stop.deadline.map(left);
            }
            State::Killing { next_pass, give_up, .. } => {
                *next_pass = left(*next_pass);
                *give_up = give_up.map(left);
            }
        }
        let run_limit = self.plan.run_limit.filter(|_| self.phase() <= Phase::Running);
        View { state, main_has_ended: self.main.is_some(), run_limit: run_limit.map(left) }
    }

    /// The next moment at which a [`Event::Tick`] will do something; nothing when only an event can.
    /// May change with every call of [`Machine::handle`].
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Starting | State::Stopped { .. } => None,
            State::Running => self.run_limit_stop(),
            State::Terminating(stop) => {
                let hint = self.hint_at(stop).filter(|_| !stop.hint_told);
                let half = stop.half_at().filter(|_| !stop.half_told);
                [Some(stop.next_look), stop.deadline, half, hint].into_iter().flatten().min()
            }
            State::Killing { next_pass, give_up, .. } => {
                Some(give_up.map_or(*next_pass, |give_up| give_up.min(*next_pass)))
            }
        }
    }

    /// Takes one event that happened `now` and adds what is to be done to `effects`. What is due by
    /// `now` is done as well, a kill before the event. Only an end comes before what is due: who has
    /// ended by the deadline has ended in time. After [`Event::MainExited`] more is to be reaped, so
    /// [`Event::Remains`] or [`Event::TreeEmpty`] has to follow.
    pub fn handle(&mut self, now: Duration, event: Event, effects: &mut Vec<Effect>) {
        if self.is_stopped() {
            return;
        }
        let is_end = matches!(event, Event::MainExited(_) | Event::TreeEmpty);
        if !is_end {
            self.out_of_time(now, effects);
        }
        match event {
            Event::Started => self.started(effects),
            Event::NotStarted => self.not_started(),
            Event::Signal(received) => self.signal(now, received, effects),
            Event::MainStopped => self.main_stopped(effects),
            Event::MainExited(exit) => self.main = self.main.or(Some(exit)),
            Event::Remains => self.remains(now, effects),
            Event::TreeEmpty => self.tree_empty(effects),
            Event::Abandoned => self.abandoned(now, effects),
            Event::Tick => {}
        }
        if !is_end {
            self.due(now, effects);
        }
    }

    fn started(&mut self, effects: &mut Vec<Effect>) {
        if self.state == State::Starting {
            self.state = State::Running;
            effects.push(Effect::Say(Note::Started));
        }
    }

    fn not_started(&mut self) {
        if self.state == State::Starting {
            self.state = State::Stopped { survivors: false };
        }
    }

    fn signal(&mut self, now: Duration, received: Received, effects: &mut Vec<Effect>) {
        let is_stop = received.hangup || self.plan.stop_on.contains(received.signal);
        match self.phase() {
            Phase::Killing | Phase::Stopped => {}
            _ if !is_stop => self.forward(received, effects),
            Phase::Starting | Phase::Running => self.stop(now, Cause::Signal(received), effects),
            Phase::Terminating => self.stop_again(now, received, effects),
        }
    }

    fn forward(&self, received: Received, effects: &mut Vec<Effect>) {
        if self.main.is_some() || received.main_has_it || !received.signal.is_forwardable() {
            return;
        }
        let forwarded = self.plan.forwarded(received.signal);
        if let (State::Terminating(stop), Some(signal)) = (&self.state, forwarded)
            && stop.given.contains(signal)
        {
            effects.push(Effect::Say(Note::Repeated(received, None)));
            return;
        }
        effects.extend(forwarded.map(Effect::Forward));
        effects.push(Effect::Say(Note::Forwarded(received, forwarded)));
    }

    /// A stop signal while a stop is under way: Ctrl+C again kills, another signal is passed on once
    /// for an administrator in a hurry, the same one never (many servers take it as "at once").
    fn stop_again(&mut self, now: Duration, received: Received, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else {
            return;
        };
        if received.signal == Signal::INT {
            match stop.interrupts.first_of(received.origin) {
                Some(first) if now.saturating_sub(first) >= REPEAT_AFTER => {
                    self.kill(now, Note::KillAsked(received), effects);
                    return;
                }
                Some(_) => return,
                None => stop.interrupts.note(now, received.origin),
            }
        }
        let is_another = !received.from_tree && !stop.heard.contains(received.signal);
        if !received.from_tree {
            stop.heard = stop.heard.with(received.signal);
        }
        if received.main_has_it {
            stop.given = stop.given.with(received.signal);
            effects.push(Effect::AskedByTerminal(received.signal));
        }
        let wanted = is_another && !received.main_has_it && self.main.is_none();
        let passed_on = self.plan.forwarded(received.signal);
        let passed_on = passed_on.filter(|signal| wanted && !stop.given.contains(*signal));
        stop.given = passed_on.into_iter().fold(stop.given, SignalSet::with);
        effects.extend(passed_on.map(Effect::Forward));
        effects.push(Effect::Say(Note::Repeated(received, passed_on)));
    }

    /// Starts the clock, once and for all.
    fn stop(&mut self, now: Duration, cause: Cause, effects: &mut Vec<Effect>) {
        self.cause = Some(cause);
        self.stop_at = Some(now);
        let received = if let Cause::Signal(received) = cause { Some(received) } else { None };
        let as_received = received.and_then(|received| self.plan.forwarded(received.signal));
        let asked = self.plan.stop_signal.or(as_received).unwrap_or(Signal::TERM);
        let mut deadline = self.plan.deadline(now);
        if cause == Cause::Abandoned {
            deadline = Some(sooner(deadline, now.saturating_add(ABANDONED_LIMIT)));
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.kill(now, Note::StopRequested(cause), effects);
            return;
        }
        let by_terminal = received.filter(|received| received.main_has_it);
        effects.extend(by_terminal.map(|received| Effect::AskedByTerminal(received.signal)));
        let to = if cause == Cause::Abandoned { Target::All } else { self.plan.to };
        match (to, self.main) {
            (Target::All, None) => effects.push(Effect::AskEveryone(asked)),
            (Target::All, Some(_)) => effects.push(Effect::AskEveryone(self.plan.straggler_signal())),
            (Target::Main, Some(_)) => {
                effects.push(Effect::AskOrphans(self.plan.straggler_signal(), Orphans::All));
            }
            (Target::Main, None) if by_terminal.is_none() => effects.push(Effect::AskMain(asked)),
            (Target::Main, None) => {}
        }
        let mut interrupts = Interrupts::default();
        if let Some(received) = received.filter(|received| received.signal == Signal::INT) {
            interrupts.note(now, received.origin);
        }
        self.state = State::Terminating(Stop {
            since: now,
            deadline,
            interrupts,
            heard: received.map(|received| received.signal).into_iter().collect(),
            // By a terminal the main process got its key's signal, whatever -s or --map say.
            given: [by_terminal.map_or(asked, |received| received.signal)].into_iter().collect(),
            next_look: now.saturating_add(LOOK_MIN),
            half_told: false,
            hint_told: false,
            exit_told: self.main.is_some(),
        });
        effects.push(Effect::Say(Note::StopRequested(cause)));
    }

    /// Nobody can be told any more how it ends, and whoever killed us wants it to end.
    fn abandoned(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let signal = self.plan.straggler_signal();
        match &mut self.state {
            State::Starting | State::Running => self.stop(now, Cause::Abandoned, effects),
            State::Terminating(stop) => {
                stop.deadline = Some(sooner(stop.deadline, now.saturating_add(ABANDONED_LIMIT)));
                effects.push(Effect::AskEveryone(signal));
                effects.push(Effect::Say(Note::Abandoned));
            }
            State::Killing { .. } | State::Stopped { .. } => {}
        }
    }

    fn main_stopped(&self, effects: &mut Vec<Effect>) {
        match &self.state {
            State::Running => {
                effects.push(Effect::StopWithMain);
                effects.push(Effect::Say(Note::MainStopped));
            }
            // A stopped process can't act on what it was asked.
            State::Terminating(_) => effects.push(Effect::ContinueMain),
            State::Starting | State::Killing { .. } | State::Stopped { .. } => {}
        }
    }

    /// Some were reaped, others are left: look after those who lost their parent by it.
    fn remains(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let ask = self.ask_orphans();
        match &mut self.state {
            State::Running if self.main.is_some() && self.plan.leave_stragglers => self.end(false, effects),
            State::Running if self.main.is_some() => self.stop(now, Cause::MainExited, effects),
            State::Terminating(stop) => {
                effects.push(ask);
                if let Some(exit) = self.main.filter(|_| !stop.exit_told) {
                    stop.exit_told = true;
                    effects.push(Effect::Say(Note::MainExited(exit)));
                }
            }
            State::Killing { .. } => effects.push(Effect::KillOrphans),
            State::Starting | State::Running | State::Stopped { .. } => {}
        }
    }

    fn ask_orphans(&self) -> Effect {
        let which = if self.main.is_some() { Orphans::All } else { Orphans::New };
        Effect::AskOrphans(self.plan.straggler_signal(), which)
    }

    fn tree_empty(&mut self, effects: &mut Vec<Effect>) {
        if self.main.is_some() && !self.is_stopped() {
            self.end(false, effects);
        }
    }

    fn end(&mut self, survivors: bool, effects: &mut Vec<Effect>) {
        self.state = State::Stopped { survivors };
        effects.push(Effect::Say(if survivors { Note::GaveUp } else { Note::Stopped }));
    }

    fn kill(&mut self, now: Duration, why: Note, effects: &mut Vec<Effect>) {
        let next_pass = now.saturating_add(KILL_PAUSE_MIN);
        // With less patience than SIGKILL takes, everybody would count as a survivor.
        let give_up = self.plan.kill_wait.after(now).map(|at| at.max(next_pass));
        self.state = State::Killing { next_pass, pause: KILL_PAUSE_MIN, give_up };
        effects.push(Effect::KillTree);
        if why != Note::Killing {
            effects.push(Effect::Say(why));
        }
        effects.push(Effect::Say(Note::Killing));
    }

    /// Ends what has lasted as long as it may.
    fn out_of_time(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        match &self.state {
            State::Running if is_due(self.run_limit_stop()) => self.stop(now, Cause::RunLimit, effects),
            State::Terminating(stop) if is_due(stop.deadline) => self.kill(now, Note::Killing, effects),
            State::Killing { give_up, .. } if is_due(*give_up) => self.end(true, effects),
            _ => {}
        }
    }

    /// When the run limit asks for the stop; not of a main process that has ended by itself.
    fn run_limit_stop(&self) -> Option<Duration> {
        self.plan.run_limit_stop().filter(|_| self.main.is_none())
    }

    /// Does what is due from time to time. Harmless when nothing is.
    fn due(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let ask = self.ask_orphans();
        let hint_at = if let State::Terminating(stop) = &self.state { self.hint_at(stop) } else { None };
        match &mut self.state {
            State::Terminating(stop) => {
                if is_due(Some(stop.next_look)) {
                    let pause = (now.saturating_sub(stop.since) / 4).clamp(LOOK_MIN, LOOK_MAX);
                    stop.next_look = now.saturating_add(pause);
                    effects.push(ask);
                }
                if is_due(stop.half_at()) && !stop.half_told {
                    stop.half_told = true;
                    effects.push(Effect::Say(Note::HalfTime));
                }
                if is_due(hint_at) && !stop.hint_told {
                    stop.hint_told = true;
                    effects.push(Effect::Say(Note::ShellHint));
                }
            }
            State::Killing { next_pass, pause, .. } if is_due(Some(*next_pass)) => {
                *pause = pause.saturating_mul(2).min(KILL_PAUSE_MAX);
                *next_pass = now.saturating_add(*pause);
                effects.push(Effect::KillTree);
            }
            State::Starting | State::Running | State::Killing { .. } | State::Stopped { .. } => {}
        }
    }

    /// When to look for a shell that waits: never once the main process has gone.
    fn hint_at(&self, stop: &Stop) -> Option<Duration> {
        self.main.is_none().then(|| stop.since.saturating_add(SHELL_HINT_AFTER))
    }
}

/// The earlier of the two; a deadline that is none never comes.
fn sooner(deadline: Option<Duration>, other: Duration) -> Duration {
    deadline.map_or(other, |deadline| deadline.min(other))
}

impl Interrupts {
    fn first_of(&self, origin: Origin) -> Option<Duration> {
        match origin {
            Origin::Kernel => self.key,
            Origin::Process { .. } => self.sent.filter(|(sender, _)| *sender == origin).map(|(_, at)| at),
        }
    }

    fn note(&mut self, now: Duration, origin: Origin) {
        match origin {
            Origin::Kernel => self.key = Some(now),
            Origin::Process { .. } => self.sent = Some((origin, now)),
        }
    }
}

impl Stop {
    /// The middle of the limit; none without a limit.
    fn half_at(&self) -> Option<Duration> {
        self.deadline.map(|deadline| self.since.saturating_add(deadline.saturating_sub(self.since) / 2))
    }
}
