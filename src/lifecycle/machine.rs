//! The state machine: events in, effects out, time passed in as the duration since the start.
//!
//! [`Machine::handle`] decides, the driver carries out. The next moment at which something is due is
//! asked for ([`Machine::deadline`]), never armed or cancelled, so no stale timer can exist: a
//! [`Event::Tick`] that comes too early does nothing.

use std::time::Duration;

use self::stop::Stop;
pub use self::view::View;
use super::event::{Cause, Effect, Event, Note, Orphans, Received};
use super::exit::Exit;
use super::phase::Phase;
use super::plan::Plan;
use super::signal::{Signal, SignalSet};

mod ending;
mod moments;
mod steps;
mod stop;
mod view;

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
/// A watchdog that is looked at so much too late was not watched over: winddown itself was stopped, with
/// the workload as a rule (Ctrl+Z, a paused container), and nobody could have been heard.
const OVERSLEPT: Duration = Duration::from_millis(100);
/// How long the processes of a hook that was killed after the end are waited for.
const HOOK_END_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, PartialEq, Eq, Debug, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one in a run")]
enum State {
    Starting,
    Running,
    Terminating(Stop),
    Killing {
        next_pass: Duration,
        pause: Duration,
        give_up: Option<Duration>,
    },
    /// Everything is over but the hook that follows the end.
    Finishing {
        survivors: bool,
        ends: Duration,
        is_ending: bool,
    },
    Stopped {
        survivors: bool,
    },
}

/// One run, from start to end.
#[derive(Clone, Debug)]
pub struct Machine {
    plan: Plan,
    state: State,
    main: Option<Exit>,
    cause: Option<Cause>,
    stop_at: Option<Duration>,
    /// When the workload will have been silent for too long.
    silent_at: Option<Duration>,
}

impl Machine {
    /// A machine for a run under this plan, in the phase `starting`.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self { plan, state: State::Starting, main: None, cause: None, stop_at: None, silent_at: None }
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
            State::Finishing { .. } | State::Stopped { .. } => Phase::Stopped,
        }
    }

    /// Whether the run is over, with the hook that follows the end.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped { .. })
    }

    /// Whether processes have outlived SIGKILL and the kill wait.
    #[must_use]
    pub const fn has_survivors(&self) -> bool {
        matches!(self.state, State::Finishing { survivors: true, .. } | State::Stopped { survivors: true })
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

    /// When SIGKILL comes as things stand: a plan that kills may do so before the limit is over.
    #[must_use]
    pub fn kill_expected_at(&self) -> Option<Duration> {
        let State::Terminating(stop) = &self.state else { return None };
        self.kills_at(stop)
    }

    /// Whether the next Ctrl+C kills at once: it is not the first one of this stop.
    #[must_use]
    pub const fn interrupt_kills(&self) -> bool {
        matches!(&self.state, State::Terminating(stop) if stop.interrupts.key.is_some())
    }

    /// The next moment at which a [`Event::Tick`] will do something; nothing when only an event can.
    /// May change with every call of [`Machine::handle`].
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Starting | State::Stopped { .. } => None,
            State::Running => [self.run_limit_stop(), self.silence()].into_iter().flatten().min(),
            State::Terminating(stop) => {
                let hint = self.hint_at(stop).filter(|_| !stop.hint_told);
                let look = stop.moments.next(self.kills_at(stop));
                let all = [Some(stop.next_look), stop.deadline, stop.steps.ends, stop.half_at, hint, look];
                all.into_iter().flatten().min()
            }
            State::Finishing { ends, .. } => Some(*ends),
            State::Killing { next_pass, give_up, .. } => {
                Some(give_up.map_or(*next_pass, |give_up| give_up.min(*next_pass)))
            }
        }
    }

    /// Takes one event that happened `now` and adds what is to be done to `effects`. What is due by
    /// `now` is done as well, a kill before the event. Only an end comes before what is due: who has
    /// ended by the deadline has ended in time. After [`Event::MainExited`] or [`Event::HookEnded`] more
    /// is to be reaped, so [`Event::Remains`], [`Event::TreeEmpty`] or [`Event::Tick`] has to follow.
    pub fn handle(&mut self, now: Duration, event: Event, effects: &mut Vec<Effect>) {
        if self.is_stopped() {
            return;
        }
        let is_end = matches!(event, Event::MainExited(_) | Event::TreeEmpty | Event::HookEnded(_));
        self.listen(now, event);
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
            Event::TreeEmpty => self.tree_empty(now, effects),
            Event::Abandoned => self.abandoned(now, effects),
            Event::ParentEnded => self.asked_by(now, Cause::ParentEnded, effects),
            Event::Ailing if self.plan.watchdog.is_some() => self.asked_by(now, Cause::Silent, effects),
            Event::HookEnded(exit) => self.hook_ended(now, exit, effects),
            Event::Extend(by) => self.extend(now, by, effects),
            Event::Alive | Event::Ailing | Event::Tick => {}
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
            Phase::Killing => {}
            Phase::Stopped => self.signal_after_the_end(now, received, effects),
            _ if !is_stop => self.forward(received, effects),
            Phase::Starting | Phase::Running => self.stop(now, Cause::Signal(received), effects),
            Phase::Terminating => self.stop_again(now, received, effects),
        }
    }

    /// The workload has gone; Ctrl+C still ends what follows.
    fn signal_after_the_end(&mut self, now: Duration, received: Received, effects: &mut Vec<Effect>) {
        let is_duplicate = self.stop_at.is_some_and(|at| now.saturating_sub(at) < REPEAT_AFTER);
        if received.signal == Signal::INT && !is_duplicate {
            self.end_hook_after_the_end(now, effects);
        }
    }

    /// A stop request that is no signal.
    fn asked_by(&mut self, now: Duration, cause: Cause, effects: &mut Vec<Effect>) {
        if self.phase() <= Phase::Running {
            self.stop(now, cause, effects);
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
    /// for an administrator in a hurry, unless the plan has steps of its own; the same one never (many
    /// servers take it as "at once").
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
            stop.steps.by_terminal |= !stop.steps.has_asked;
            effects.push(Effect::AskedByTerminal(received.signal));
        }
        let wanted = is_another && self.plan.is_plain() && !received.main_has_it && self.main.is_none();
        let passed_on = self.plan.forwarded(received.signal);
        let passed_on = passed_on.filter(|signal| wanted && !stop.given.contains(*signal));
        stop.given = passed_on.into_iter().fold(stop.given, SignalSet::with);
        effects.extend(passed_on.map(Effect::Forward));
        effects.push(Effect::Say(Note::Repeated(received, passed_on)));
    }

    fn main_stopped(&self, effects: &mut Vec<Effect>) {
        match &self.state {
            State::Running => {
                effects.push(Effect::StopWithMain);
                effects.push(Effect::Say(Note::MainStopped));
            }
            // A stopped process can't act on what it was asked.
            State::Terminating(_) => effects.push(Effect::ContinueMain),
            State::Starting | State::Killing { .. } | State::Finishing { .. } | State::Stopped { .. } => {}
        }
    }

    /// Some were reaped, others are left: look after those who lost their parent by it.
    fn remains(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Running if self.main.is_some() && self.plan.leave_stragglers => {
                self.end(now, false, effects);
            }
            State::Running if self.main.is_some() => self.stop(now, Cause::MainExited, effects),
            State::Terminating(_) => {
                self.ask_orphans(effects);
                self.tell_exit(effects);
            }
            State::Killing { .. } => effects.push(Effect::KillOrphans),
            State::Starting | State::Running | State::Finishing { .. } | State::Stopped { .. } => {}
        }
    }

    /// Those who lost their parent are asked as soon as anybody is, and in any case when the main
    /// process has gone.
    fn ask_orphans(&mut self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if self.main.is_none() && !stop.steps.has_asked {
            return;
        }
        stop.steps.has_asked = true;
        let which = if self.main.is_some() { Orphans::All } else { Orphans::New };
        effects.push(Effect::AskOrphans(stop.steps.straggler_signal, which));
    }

    fn tell_exit(&mut self, effects: &mut Vec<Effect>) {
        let State::Terminating(stop) = &mut self.state else { return };
        if let Some(exit) = self.main.filter(|_| !stop.exit_told) {
            stop.exit_told = true;
            effects.push(Effect::Say(Note::MainExited(exit)));
        }
    }

    /// Ends what has lasted as long as it may.
    fn out_of_time(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        match &self.state {
            State::Running if is_due(self.run_limit_stop()) => self.stop(now, Cause::RunLimit, effects),
            State::Running if is_due(self.silence()) => self.stop(now, Cause::Silent, effects),
            State::Terminating(stop) if is_due(stop.deadline) || is_due(self.plan_kills_at(stop)) => {
                self.kill(now, Note::Killing, effects);
            }
            State::Killing { give_up, .. } if is_due(*give_up) => self.end(now, true, effects),
            State::Finishing { survivors, ends, is_ending: true } if is_due(Some(*ends)) => {
                self.over(*survivors, effects);
            }
            _ => {}
        }
    }

    /// When the run limit asks for the stop; not of a main process that has ended by itself.
    fn run_limit_stop(&self) -> Option<Duration> {
        self.plan.run_limit_stop().filter(|_| self.main.is_none())
    }

    /// When the workload will have been silent for too long; not once its main process has ended.
    fn silence(&self) -> Option<Duration> {
        self.silent_at.filter(|_| self.main.is_none())
    }

    /// Who is heard by now has not been silent for too long, and nobody has been while we did not listen.
    fn listen(&mut self, now: Duration, event: Event) {
        let silence = self.silence().filter(|_| self.state == State::Running);
        let overslept = silence.is_some_and(|at| now.saturating_sub(at) > OVERSLEPT);
        if event == Event::Alive || overslept {
            self.silent_at = self.plan.watchdog.map(|length| now.saturating_add(length));
        }
    }

    /// Does what is due from time to time. Harmless when nothing is.
    fn due(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        while let State::Terminating(stop) = &self.state
            && is_due(stop.steps.ends)
        {
            self.next_step(now, effects);
        }
        match &mut self.state {
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
        let looks = is_due(Some(stop.next_look));
        if looks {
            let pause = (now.saturating_sub(stop.since) / 4).clamp(LOOK_MIN, LOOK_MAX);
            stop.next_look = now.saturating_add(pause);
            self.ask_orphans(effects);
        }
        let State::Terminating(stop) = &mut self.state else { return };
        if let Some(moment) = stop.moments.take(now, kills_at) {
            effects.push(Effect::Look(moment));
        }
        if is_due(stop.half_at) {
            stop.half_at = None;
            effects.push(Effect::Say(Note::HalfTime));
        }
        if is_due(hint_at) && !stop.hint_told {
            stop.hint_told = true;
            effects.push(Effect::Say(Note::ShellHint));
        }
    }

    /// When to look for a shell that waits: never once the main process has gone.
    fn hint_at(&self, stop: &Stop) -> Option<Duration> {
        self.main.is_none().then(|| stop.hint_at())
    }
}
