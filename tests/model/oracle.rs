//! The rules of the machine, in the words of the design rather than its own: the oracle gets each event with its
//! effects, and returns the rule that was broken.

use std::time::Duration;

use winddown::lifecycle::cause::{Cause, Reach, Received};

use winddown::lifecycle::event::{Answer, Effect, Event, Moment, Note, Orphans};
use winddown::lifecycle::machine::Machine;
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::{Action, Plan, Step, Target};
use winddown::lifecycle::signal::{Origin, Signal, SignalSet};

mod looks;
mod readers;

use readers::Patience;

/// A second Ctrl+C sooner than this is the same key press.
const REPEAT: Duration = Duration::from_millis(200);
/// What is left of the limit once winddown was killed.
const ABANDONED: Duration = Duration::from_millis(500);
/// The kernel has at least this long to carry out a SIGKILL before winddown gives up on a process.
const LEAST_KILL_WAIT: Duration = Duration::from_millis(25);
/// Searches for orphans, and repeats of SIGKILL, come at least this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// With less time left than this, half of the limit is not reported.
const HALF_TIME_LEFT_MIN: Duration = Duration::from_millis(100);
/// A silence that is noticed this late does not count: winddown itself was stopped.
const OVERSLEPT: Duration = Duration::from_millis(100);

/// One event, and what the machine made of it.
pub(crate) struct Turn<'a> {
    pub(crate) before: &'a Machine,
    pub(crate) after: &'a Machine,
    pub(crate) at: Duration,
    pub(crate) event: Event,
    pub(crate) effects: &'a [Effect],
}

/// What happened so far, as far as the rules need it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Oracle {
    main_has_ended: bool,
    stop: Option<Stop>,
    /// Until when the stragglers may go on without being asked.
    leaving: Option<Duration>,
    give_up: Option<Duration>,
    /// When the watchdog expires.
    silent_at: Option<Duration>,
    /// The hook after the end: when it must be over, and whether it was told so.
    after: Option<(Duration, bool)>,
    /// When the stop began, as far as it matters for the hook after the end.
    since: Option<Duration>,
    /// Notes by their number, one bit each.
    told: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Stop {
    deadline: Option<Duration>,
    /// Stop signals that came from outside the tree.
    heard: SignalSet,
    /// Stop signals that the main process has got.
    given: SignalSet,
    /// The first Ctrl+C.
    key: Option<Duration>,
    /// The first INT of the process that last sent one.
    sent: Option<(Origin, Duration)>,
    progress: Progress,
    readers: Patience,
    /// Only the keeper of a hook is left.
    is_over: bool,
    /// The latest look, and the deadline as it was then.
    looked: Option<(Moment, Option<Duration>)>,
}

/// The progress of the plan.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Progress {
    step: usize,
    ends: Option<Duration>,
    /// The time for the step without a share.
    rest: Option<Duration>,
    hook_runs: bool,
    /// Some process was asked.
    has_asked: bool,
    /// The processes that the sender of the stop signal has asked as well.
    by_others: Option<Reach>,
    /// The sender asked every process, in place of the current step.
    is_done: bool,
    as_received: Signal,
    straggler_signal: Signal,
    /// How far the deadline was moved; `None` once it may no longer move.
    extended: Option<Duration>,
}

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
    fn is_left_to_others(&self) -> bool {
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

type Verdict = Result<(), String>;

/// A rule, and whether it is kept.
fn rule(is_kept: bool, words: &str) -> Verdict {
    if is_kept { Ok(()) } else { Err(format!("broken rule: {words}")) }
}

impl Turn<'_> {
    fn plan(&self) -> &Plan {
        self.before.plan()
    }

    /// A process that ended by the deadline ended in time, so an end comes before what is due.
    fn is_end(&self) -> bool {
        matches!(self.event, Event::MainExited(_) | Event::TreeEmpty | Event::HookEnded(_))
    }

    fn received(&self) -> Option<Received> {
        let Event::Signal(mut received) = self.event else { return None };
        let is_request = received.hangup || self.plan().stop_on.contains(received.signal);
        let is_by_process = matches!(received.origin, Origin::Process { .. }) && !received.hangup;
        if is_request && self.plan().others_ask && is_by_process && !received.from_tree {
            received.reach = received.reach.max(Reach::Everyone);
        }
        // A signal that was received before, or that winddown sent itself, counts for nothing.
        (!matches!(received.reach, Reach::Copy | Reach::Own)).then_some(received)
    }

    fn stop_signal(&self) -> Option<Received> {
        let stop_on = self.plan().stop_on;
        self.received().filter(|received| received.hangup || stop_on.contains(received.signal))
    }

    fn was(&self, phase: Phase) -> bool {
        self.before.phase() == phase
    }

    fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.effects.iter().filter(|effect| wanted(effect)).count()
    }

    fn has(&self, effect: Effect) -> bool {
        self.effects.contains(&effect)
    }

    fn says(&self, note: Note) -> bool {
        self.has(Effect::Say(note))
    }

    fn becomes(&self, phase: Phase) -> bool {
        self.before.phase() < phase && self.after.phase() >= phase
    }
}

impl Oracle {
    /// Times relative to `now`, cut off where no rule needs them any longer.
    pub(crate) fn view(&self, now: Duration) -> Self {
        let mut view = self.clone();
        view.leaving = self.leaving.map(|at| at.saturating_sub(now));
        view.give_up = self.give_up.map(|at| at.saturating_sub(now));
        view.silent_at = self.silent_at.map(|at| at.saturating_sub(now));
        view.after = self.after.map(|(at, told)| (at.saturating_sub(now), told));
        view.since = self.since.map(|at| now.saturating_sub(at).min(REPEAT));
        if let Some(stop) = &mut view.stop {
            let age =
                |at| if stop.is_too_late(at) { Duration::ZERO } else { now.saturating_sub(at).min(REPEAT) };
            (stop.key, stop.sent) = (stop.key.map(age), stop.sent.map(|(origin, at)| (origin, age(at))));
            stop.deadline = stop.deadline.map(|at| at.saturating_sub(now));
            stop.progress.ends = stop.progress.ends.map(|at| at.saturating_sub(now));
            stop.readers.view(now);
            stop.looked =
                stop.looked.map(|(moment, deadline)| (moment, deadline.map(|at| at.saturating_sub(now))));
        }
        view
    }

    /// When the first INT of each sender came; a second one would be a repeat of it.
    pub(crate) fn interrupts(&self) -> impl Iterator<Item = Duration> {
        let stop = self.stop.iter();
        stop.flat_map(|stop| {
            let all = stop.key.into_iter().chain(stop.sent.map(|(_, at)| at));
            all.filter(|at| !stop.is_too_late(*at))
        })
    }

    /// Takes a turn into account, or returns the rule that it broke.
    pub(crate) fn judge(&mut self, turn: &Turn<'_>) -> Verdict {
        if Self::is_idle(turn) {
            return Self::nothing_done(turn);
        }
        rule(turn.after.phase() >= turn.before.phase(), "phases move forward only")?;
        let cause = self.cause(turn);
        self.silent_grace(turn, cause)?;
        let late = self.kills(turn, cause);
        self.stop_request(turn, cause)?;
        self.more_time(turn, late)?;
        let given = self.stop.as_ref().filter(|_| cause.is_none()).map(|stop| stop.given);
        let had_asked = self.stop.as_ref().is_some_and(|stop| stop.progress.has_asked);
        let was_done = self.stop.as_ref().is_some_and(|stop| stop.progress.is_left_to_others());
        let kills = self.steps(turn, cause, late)? || late;
        let further = turn.stop_signal().filter(|_| !matches!(cause, Some(Cause::Signal(_))) && !kills);
        let further = further.filter(|_| self.stop.is_some() && turn.before.phase() <= Phase::Terminating);
        self.further_request(turn, further)?;
        self.forwarding(turn, further, given, kills || late)?;
        self.kill(turn, kills)?;
        self.orphans(turn, cause, had_asked, was_done)?;
        Self::answer(turn)?;
        self.stopped_main(turn)?;
        self.end(turn)?;
        self.hook_after_the_end(turn)?;
        self.looks(turn, cause)?;
        self.told_once(turn)?;
        self.remember(turn);
        self.deadlines(turn)
    }

    /// Nothing may happen after the end, or at an early tick.
    fn is_idle(turn: &Turn<'_>) -> bool {
        let is_early = turn.before.deadline().is_none_or(|due| turn.at < due);
        turn.before.is_stopped() || (turn.event == Event::Tick && is_early)
    }

    fn nothing_done(turn: &Turn<'_>) -> Verdict {
        let same = turn.before.view(turn.at) == turn.after.view(turn.at)
            && turn.before.main_exit() == turn.after.main_exit()
            && turn.before.cause() == turn.after.cause()
            && turn.before.stop_at() == turn.after.stop_at();
        rule(same && turn.effects.is_empty(), "nothing happens after the end, nor by an early tick")
    }

    /// Why a stop begins in this turn, if one does.
    fn cause(&self, turn: &Turn<'_>) -> Option<Cause> {
        if self.stop.is_some() || turn.before.phase() > Phase::Running {
            return None;
        }
        let runs_out = turn.was(Phase::Running)
            && !self.main_has_ended
            && turn.plan().run_limit_stop().is_some_and(|at| at <= turn.at);
        let is_silent = turn.was(Phase::Running)
            && !self.main_has_ended
            && turn.event != Event::Alive
            && !self.overslept(turn)
            && self.silent_at.is_some_and(|at| at <= turn.at);
        match turn.event {
            Event::MainExited(_) | Event::TreeEmpty | Event::HookEnded(_) => None,
            _ if self.leaving.is_some_and(|until| until <= turn.at) => Some(Cause::MainExited),
            _ if runs_out => Some(Cause::RunLimit),
            _ if is_silent => Some(Cause::Silent),
            Event::ParentEnded => Some(Cause::ParentEnded),
            Event::Ailing => turn.plan().watchdog.filter(|_| !self.main_has_ended).map(|_| Cause::Silent),
            Event::Signal(_) => turn.stop_signal().map(Cause::Signal),
            Event::Abandoned => Some(Cause::Abandoned),
            Event::Remains if self.has_left(turn) => {
                (Self::grace_ends(turn) <= turn.at).then_some(Cause::MainExited)
            }
            _ => None,
        }
    }

    /// Whether a main process that ended by itself turns out to have left others, which may not stay.
    fn has_left(&self, turn: &Turn<'_>) -> bool {
        let is_running = turn.was(Phase::Running) && self.leaving.is_none();
        is_running && self.main_has_ended && !turn.plan().leave_stragglers
    }

    /// The run limit leaves no more time.
    fn grace_ends(turn: &Turn<'_>) -> Duration {
        let ends = turn.at + turn.plan().straggler_grace;
        turn.plan().run_limit_stop().map_or(ends, |at| at.min(ends))
    }

    /// During the grace of stragglers no process is asked, and only its beginning is reported.
    fn silent_grace(&mut self, turn: &Turn<'_>, cause: Option<Cause>) -> Verdict {
        let begins = cause.is_none() && turn.event == Event::Remains && self.has_left(turn);
        rule(turn.says(Note::Grace) == begins, "stragglers have their grace")?;
        if begins {
            self.leaving = Some(Self::grace_ends(turn));
        }
        let is_silent = self.leaving.is_some() && cause.is_none() && turn.event != Event::TreeEmpty;
        let is_harmless = |effect: &Effect| {
            matches!(effect, Effect::Say(Note::Grace | Note::Forwarded(..)) | Effect::Answer(_))
        };
        rule(!is_silent || turn.effects.iter().all(is_harmless), "no process is asked during the grace")?;
        if cause.is_some() || turn.after.phase() > Phase::Running {
            self.leaving = None;
        }
        Ok(())
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
    fn kills(&self, turn: &Turn<'_>, cause: Option<Cause>) -> bool {
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

    /// Whether the current step is over and the next one kills, before anything else happens.
    fn is_killed_by_plan(&self, turn: &Turn<'_>) -> bool {
        let Some(stop) = &self.stop else { return false };
        let progress = &stop.progress;
        let next = turn.plan().steps.get(progress.step + 1);
        let is_kill = next.is_some_and(|next| next.action == Action::Kill) && !stop.is_over;
        is_kill && progress.ends.is_some_and(|at| at <= turn.at)
    }

    fn is_second_interrupt(&self, turn: &Turn<'_>) -> bool {
        self.interrupt_age(turn).is_some_and(|age| age >= REPEAT)
    }

    /// How long ago the first INT of the same sender came, if one did.
    fn interrupt_age(&self, turn: &Turn<'_>) -> Option<Duration> {
        let received = turn.stop_signal().filter(|received| received.signal == Signal::INT)?;
        let stop = self.stop.as_ref()?;
        let first = match (received.origin, stop.sent) {
            (Origin::Kernel, _) => stop.key,
            (sender, Some((earlier, at))) => (sender == earlier).then_some(at),
            (_, None) => None,
        };
        first.map(|at| turn.at.saturating_sub(at))
    }

    /// Each stop request begins one stop, and starts the clock.
    fn stop_request(&mut self, turn: &Turn<'_>, cause: Option<Cause>) -> Verdict {
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

    /// The steps of the plan begin in order, each when the one before it is over, and do their own work. Returns
    /// whether one of them kills.
    fn steps(&mut self, turn: &Turn<'_>, cause: Option<Cause>, late: bool) -> Result<bool, String> {
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
        let is_told =
            |note: fn(&Note) -> bool| turn.count(|effect| matches!(effect, Effect::Say(it) if note(it)));
        let ends = is_told(|note| matches!(note, Note::HookEnded(_)));
        rule(is_after || ends == usize::from(hook_ended), "the end of a hook is reported")?;
        let steps = is_told(|note| matches!(note, Note::Step(_)));
        // The only signal of a plain plan is reported with the request.
        let untold = usize::from(turn.plan().is_plain() && begun.contains(&0)) + usize::from(kills);
        let owed_steps = begun.len() - untold;
        let dumps = begun.iter().filter(|index| matches!(turn.plan().steps[**index].action, Action::Dump(_)));
        rule(is_told(|note| *note == Note::Dumped) == dumps.count(), "dumped processes are reported")?;
        rule(steps == owed_steps, "each step is reported")?;
        Ok(kills)
    }

    /// The deadline moves only on request of the workload, and only as far as it may.
    fn more_time(&mut self, turn: &Turn<'_>, late: bool) -> Verdict {
        let Event::Extend(request) = turn.event else { return Ok(()) };
        let stops = turn.before.phase() <= Phase::Terminating && !late;
        let stop = self.stop.as_mut().filter(|_| stops);
        let mut at_most = None;
        let granted = stop.and_then(|stop| {
            let (deadline, extended) = (stop.deadline?, stop.progress.extended?);
            let by_all = deadline + turn.plan().extend_max.saturating_sub(extended);
            let latest = turn.plan().run_limit.map_or(by_all, |limit| by_all.min(limit)).max(deadline);
            at_most = Some(latest.saturating_sub(turn.at));
            let wanted = (turn.at + request.by).max(deadline);
            let is_last = wanted > latest;
            let more = wanted.min(latest).saturating_sub(deadline);
            let may_be = !is_last || (!request.reads_answer && !more.is_zero());
            may_be.then(|| {
                stop.progress.extended = Some(extended + more);
                stop.deadline = Some(deadline + more);
                stop.progress.ends = stop.progress.ends.map(|ends| ends + more);
                (more, is_last)
            })
        });
        let answer = granted.map_or(Answer::Refused(at_most), |_| Answer::Granted);
        rule(turn.has(Effect::Answer(answer)), "a request for time is answered")?;
        let is_told = |(by, is_last)| turn.says(Note::Extended { by, is_last }) == (by > Duration::ZERO);
        rule(granted.is_none_or(is_told), "a moved deadline is reported, and how far")?;
        let is_refused = turn.says(Note::NotExtended(request.by));
        rule(!stops || self.stop.is_none() || is_refused == granted.is_none(), "a refusal is reported")
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

    /// No stop request is lost: during a stop it is reported, whether passed on or not, or it kills.
    fn further_request(&self, turn: &Turn<'_>, further: Option<Received>) -> Verdict {
        let Some(received) = further else { return Ok(()) };
        let is_duplicate = self.interrupt_age(turn).is_some();
        let is_told =
            |effect: &Effect| matches!(effect, Effect::Say(Note::Repeated(it, _)) if *it == received);
        rule(is_duplicate || turn.count(is_told) == 1, "a further stop request is reported")?;
        rule(
            turn.has(Effect::AskedByOthers(received.signal, received.reach))
                == (received.main_has_it() && !is_duplicate),
            "processes that other senders reached count as asked",
        )
    }

    /// The signal of this event goes to the main process, or does not.
    fn forwarding(
        &mut self,
        turn: &Turn<'_>,
        further: Option<Received>,
        given: Option<SignalSet>,
        kills: bool,
    ) -> Verdict {
        let forwarded: Vec<Signal> = turn
            .effects
            .iter()
            .filter_map(|effect| if let Effect::Forward(signal) = effect { Some(*signal) } else { None })
            .collect();
        let owed = turn.received().and_then(|received| {
            let can = !kills && turn.before.phase() < Phase::Killing && !self.main_has_ended;
            can.then(|| self.forwarded(turn, received, given)).flatten()
        });
        rule(forwarded == Vec::from_iter(owed), "each signal is passed on once, and no stop signal twice")?;
        let is_duplicate = self.interrupt_age(turn).is_some();
        if let (Some(received), Some(stop)) = (further.filter(|_| !is_duplicate), &mut self.stop) {
            stop.given = owed.into_iter().fold(stop.given, SignalSet::with);
            stop.saw(received);
            stop.interrupted(received, turn.at);
        }
        Ok(())
    }

    /// `given` is what the main process had got before the steps of this turn.
    fn forwarded(&self, turn: &Turn<'_>, received: Received, given: Option<SignalSet>) -> Option<Signal> {
        let target = turn.plan().forwarded(received.signal)?;
        if received.main_has_it() {
            return None;
        }
        let Some(stop) = &self.stop else {
            let is_plain = turn.stop_signal().is_none() && received.signal.is_forwardable();
            return is_plain.then_some(target);
        };
        let is_wanted = if turn.stop_signal().is_some() {
            let is_another = !stop.heard.contains(received.signal) && !received.from_tree;
            is_another && turn.plan().is_plain() && self.interrupt_age(turn).is_none()
        } else {
            received.signal.is_forwardable()
        };
        (is_wanted && !given.unwrap_or(stop.given).contains(target)).then_some(target)
    }

    /// SIGKILL goes to the whole tree, before any report, and again until the end.
    fn kill(&mut self, turn: &Turn<'_>, kills: bool) -> Verdict {
        rule(turn.becomes(Phase::Killing) >= kills, "a deadline is kept")?;
        let killed = turn.count(|effect| *effect == Effect::KillTree);
        if turn.before.phase() < Phase::Killing {
            rule((killed > 0) == kills, "SIGKILL at the deadline and never before")?;
            rule(turn.says(Note::Killing) == kills, "a kill is reported")?;
        }
        let first_word = turn.effects.iter().position(|effect| matches!(effect, Effect::Say(_)));
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
    fn orphans(&mut self, turn: &Turn<'_>, cause: Option<Cause>, had_asked: bool, was_done: bool) -> Verdict {
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

    /// What became of a signal is always reported.
    fn answer(turn: &Turn<'_>) -> Verdict {
        let is_answer = |effect: &Effect| {
            let Effect::Say(note) = effect else { return false };
            matches!(
                note,
                Note::StopRequested(Cause::Signal(_))
                    | Note::KillAsked(_)
                    | Note::Forwarded(..)
                    | Note::Repeated(..)
            )
        };
        let owed = usize::from(matches!(turn.event, Event::Signal(_)));
        rule(turn.count(is_answer) == owed, "what became of a signal is reported, once")
    }

    /// A stopped main process stops winddown, too; during a stop it is continued.
    fn stopped_main(&self, turn: &Turn<'_>) -> Verdict {
        let is_it = turn.event == Event::MainStopped && self.leaving.is_none();
        let stops = is_it && turn.after.phase() == Phase::Running;
        let goes_on = is_it && turn.after.phase() == Phase::Terminating;
        rule(turn.has(Effect::StopWithMain) == stops, "winddown stops with the main process")?;
        // A main process that a step kills in the same turn may be continued first.
        let is_killed = turn.becomes(Phase::Killing);
        rule(
            is_killed || turn.has(Effect::ContinueMain) == goes_on,
            "a process that was asked must be able to act",
        )
    }

    /// The run is over when everything is reaped, and not before; or when the kill wait ends.
    fn end(&self, turn: &Turn<'_>) -> Verdict {
        if turn.was(Phase::Stopped) {
            return Ok(());
        }
        let gone = self.main_has_ended;
        let left = turn.plan().leave_stragglers && turn.was(Phase::Running) && gone;
        let in_vain = self.give_up.is_some_and(|at| at <= turn.at) && turn.was(Phase::Killing);
        let (is_over, survivors) = match turn.event {
            Event::TreeEmpty => (gone, false),
            Event::MainExited(_) | Event::HookEnded(_) => (false, false),
            Event::NotStarted => (turn.was(Phase::Starting) || in_vain, in_vain),
            Event::Remains if left => (true, false),
            _ => (in_vain, in_vain),
        };
        let is_stopped = turn.after.phase() == Phase::Stopped;
        rule(is_stopped == is_over, "it is over when everything is reaped, and not before")?;
        rule(turn.after.has_survivors() == (is_over && survivors), "survivors are reported as such")
    }

    /// The hook after the end starts once the workload has ended, and has its share of time; when that is over it is
    /// killed, and winddown waits briefly for its remaining processes.
    fn hook_after_the_end(&mut self, turn: &Turn<'_>) -> Verdict {
        let share =
            turn.plan().post_stop.filter(|_| !turn.was(Phase::Starting) || turn.event != Event::NotStarted);
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
        let is_cut = !is_over && !is_ending && (is_due || is_key || turn.event == Event::Abandoned);
        rule(turn.has(Effect::EndHook) == is_cut, "a hook is killed when its time is over, or by Ctrl+C")?;
        if is_cut {
            self.after = Some((turn.at + LONGEST_PAUSE, true));
        }
        Ok(())
    }

    fn told_once(&mut self, turn: &Turn<'_>) -> Verdict {
        for effect in turn.effects {
            let Effect::Say(note) = effect else { continue };
            let number = match note {
                Note::Started => 0,
                Note::StopRequested(_) => 1,
                Note::HalfTime => 2,
                Note::StillThere => 3,
                Note::MainExited { .. } => 4,
                Note::KillAsked(_) => 5,
                Note::Killing => 6,
                Note::Stopped => 7,
                Note::GaveUp => 8,
                Note::PostMortem => 9,
                Note::Grace => 10,
                Note::Forwarded(..)
                | Note::Repeated(..)
                | Note::MainStopped
                | Note::Abandoned
                | Note::Step(_)
                | Note::Dumped
                | Note::HookEnded(_)
                | Note::HookOverran
                | Note::Extended { .. }
                | Note::NotExtended(_) => continue,
            };
            rule(!turn.was(Phase::Killing) || number >= 7, "after the kill only the end is reported")?;
            let left = turn.after.kill_expected_at().map(|at| at.saturating_sub(turn.at));
            let is_late = *note == Note::HalfTime && left.is_some_and(|left| left < HALF_TIME_LEFT_MIN);
            rule(!is_late, "half of the limit is reported only while there is time to act")?;
            rule(self.told & (1 << number) == 0, "nothing is reported twice")?;
            self.told |= 1 << number;
        }
        Ok(())
    }

    /// No sign of life could arrive meanwhile.
    fn overslept(&self, turn: &Turn<'_>) -> bool {
        let is_watched = turn.was(Phase::Running) && !self.main_has_ended;
        is_watched && self.silent_at.is_some_and(|at| turn.at > at + OVERSLEPT)
    }

    fn remember(&mut self, turn: &Turn<'_>) {
        let overslept = self.overslept(turn);
        self.main_has_ended |= matches!(turn.event, Event::MainExited(_));
        if turn.event == Event::Alive || overslept {
            self.silent_at = turn.plan().watchdog.map(|length| turn.at + length);
        }
        if turn.after.phase() > Phase::Running {
            self.silent_at = None;
        }
        // What no rule needs any longer is forgotten, so that there are fewer states to walk.
        if turn.after.phase() >= Phase::Killing {
            self.stop = Some(Stop::default());
            self.told = 0;
        }
        if turn.after.is_stopped() {
            *self = Self::default();
        }
    }

    /// A due deadline always acts, so that waiting for the next one never turns into a busy loop.
    fn deadlines(&self, turn: &Turn<'_>) -> Verdict {
        let due = turn.after.deadline();
        let acts_later = turn.is_end() || turn.event == Event::Started;
        rule(acts_later || due.is_none_or(|due| due > turn.at), "what is due is done")?;
        // A deadline that was overslept was moved.
        let is_moved = turn.after.phase() == Phase::Running && turn.before.deadline() < due;
        let is_due_tick = turn.event == Event::Tick && !is_moved;
        rule(!is_due_tick || !turn.effects.is_empty(), "something happens at a deadline")?;
        let deadline = self.stop.as_ref().and_then(|stop| stop.deadline);
        rule(turn.after.kill_at() == deadline, "the deadline is the limit's end, and stays where it is")?;
        let soon = turn.at.saturating_add(LONGEST_PAUSE);
        match turn.after.phase() {
            Phase::Starting => rule(due.is_none(), "nothing is due yet"),
            Phase::Stopped => {
                let until = self.after.map(|(until, _)| until);
                rule(due == until, "nothing is due any more, except for the hook after the end")
            }
            Phase::Running => {
                let runs_out = [turn.plan().run_limit_stop(), self.silent_at].into_iter().flatten().min();
                let runs_out = runs_out.filter(|_| !self.main_has_ended).or(self.leaving);
                rule(due == runs_out, "idle costs nothing: only a run limit or a watchdog is waited for")
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

    /// Whether the deadline comes before a second INT could count as a repeat of one at `at`.
    fn is_too_late(&self, at: Duration) -> bool {
        self.deadline.is_some_and(|end| at + REPEAT >= end)
    }

    /// A stop signal during a stop: the terminal sent a key press to the main process, too.
    fn saw(&mut self, received: Received) {
        if received.main_has_it() {
            self.given = self.given.with(received.signal);
        }
        if !received.from_tree {
            self.heard = self.heard.with(received.signal);
        }
    }

    fn interrupted(&mut self, received: Received, at: Duration) {
        match received.origin {
            _ if received.signal != Signal::INT => {}
            Origin::Kernel => self.key = self.key.or(Some(at)),
            sender if self.sent.is_none_or(|(earlier, _)| earlier != sender) => {
                self.sent = Some((sender, at));
            }
            Origin::Process { .. } => {}
        }
    }
}
