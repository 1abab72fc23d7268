//! What the machine owes, in the words of the design rather than in its own: told each event and
//! what came of it, the oracle answers with the rule that was broken.

use std::time::Duration;

use winddown::lifecycle::event::{Cause, Effect, Event, Moment, Note, Orphans, Received};
use winddown::lifecycle::machine::Machine;
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::{Action, Plan, Step, Target};
use winddown::lifecycle::signal::{Origin, Signal, SignalSet};

mod looks;

/// A second Ctrl+C sooner than this is the same key press.
const REPEAT: Duration = Duration::from_millis(200);
/// What is left when winddown was killed.
const ABANDONED: Duration = Duration::from_millis(500);
/// Nobody is given up on before the kernel had this long to carry a SIGKILL out.
const LEAST_KILL_WAIT: Duration = Duration::from_millis(25);
/// Those who lost their parent are looked for at least this often, and SIGKILL is repeated.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A silence that is noticed so much too late is none: winddown itself was stopped.
const OVERSLEPT: Duration = Duration::from_millis(100);

/// One event, and what the machine made of it.
pub(crate) struct Turn<'a> {
    pub(crate) before: &'a Machine,
    pub(crate) after: &'a Machine,
    pub(crate) at: Duration,
    pub(crate) event: Event,
    pub(crate) effects: &'a [Effect],
}

/// What has happened so far, as far as the rules are about it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Oracle {
    main_has_ended: bool,
    stop: Option<Stop>,
    give_up: Option<Duration>,
    /// When the workload will have been silent for too long.
    silent_at: Option<Duration>,
    /// The hook after the end: when it has to be over, and whether it was told so.
    after: Option<(Duration, bool)>,
    /// When the stop began, as far as the hook after the end is about it.
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
    /// The latest look, and the deadline as it was then.
    looked: Option<(Moment, Option<Duration>)>,
}

/// How far the steps of the plan have come.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Progress {
    step: usize,
    ends: Option<Duration>,
    /// What is left for the step without a share.
    rest: Option<Duration>,
    hook_runs: bool,
    /// Somebody was asked.
    has_asked: bool,
    by_terminal: bool,
    as_received: Signal,
    straggler_signal: Signal,
    /// How much the deadline was moved; nothing when that is over.
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
            by_terminal: false,
            as_received: Signal::TERM,
            straggler_signal: Signal::TERM,
            extended: Some(Duration::ZERO),
        }
    }
}

impl Progress {
    /// What a step owes at its beginning; nothing more if it is to kill.
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
        let mut owed = if is_first { Vec::new() } else { vec![Effect::AskAgain] };
        match (main_has_ended, to) {
            // `orphans` is about these.
            (true, Target::Main) if is_first => {}
            (true, _) => owed.push(Effect::AskEveryone(self.straggler_signal)),
            (false, Target::All) => owed.push(Effect::AskEveryone(signal.unwrap_or(self.as_received))),
            (false, Target::Main) if is_first && self.by_terminal => {}
            (false, Target::Main) => owed.push(Effect::AskMain(signal.unwrap_or(self.as_received))),
        }
        owed
    }
}

type Verdict = Result<(), String>;

/// A rule and whether it is kept.
fn rule(is_kept: bool, words: &str) -> Verdict {
    if is_kept { Ok(()) } else { Err(format!("broken rule: {words}")) }
}

impl Turn<'_> {
    fn plan(&self) -> &Plan {
        self.before.plan()
    }

    /// Who has ended by the deadline has ended in time, so an end comes before what is due.
    fn is_end(&self) -> bool {
        matches!(self.event, Event::MainExited(_) | Event::TreeEmpty | Event::HookEnded(_))
    }

    fn received(&self) -> Option<Received> {
        if let Event::Signal(received) = self.event { Some(received) } else { None }
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
    /// Times as they look from `now`, cut off where no rule is about them any more.
    pub(crate) fn view(&self, now: Duration) -> Self {
        let mut view = self.clone();
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
            stop.looked =
                stop.looked.map(|(moment, deadline)| (moment, deadline.map(|at| at.saturating_sub(now))));
        }
        view
    }

    /// When the first INT of each sender came, that a second one would be a repeat of.
    pub(crate) fn interrupts(&self) -> impl Iterator<Item = Duration> {
        let stop = self.stop.iter();
        stop.flat_map(|stop| {
            let all = stop.key.into_iter().chain(stop.sent.map(|(_, at)| at));
            all.filter(|at| !stop.is_too_late(*at))
        })
    }

    /// Takes a turn into account, or says which rule it broke.
    pub(crate) fn judge(&mut self, turn: &Turn<'_>) -> Verdict {
        if Self::is_idle(turn) {
            return Self::nothing_done(turn);
        }
        rule(turn.after.phase() >= turn.before.phase(), "phases move forward only")?;
        let cause = self.cause(turn);
        let late = self.kills(turn, cause);
        self.stop_request(turn, cause)?;
        self.more_time(turn, late)?;
        let given = self.stop.as_ref().filter(|_| cause.is_none()).map(|stop| stop.given);
        let had_asked = self.stop.as_ref().is_some_and(|stop| stop.progress.has_asked);
        let kills = self.steps(turn, cause, late)? || late;
        let further = turn.stop_signal().filter(|_| !matches!(cause, Some(Cause::Signal(_))) && !kills);
        let further = further.filter(|_| self.stop.is_some() && turn.before.phase() <= Phase::Terminating);
        self.further_request(turn, further)?;
        self.forwarding(turn, further, given, kills || late)?;
        self.kill(turn, kills)?;
        self.orphans(turn, cause, had_asked)?;
        Self::stopped_main(turn)?;
        self.end(turn)?;
        self.hook_after_the_end(turn)?;
        self.looks(turn, cause)?;
        self.told_once(turn)?;
        self.remember(turn);
        self.deadlines(turn)
    }

    /// Nothing is to happen after the end, and by an early look at the clock.
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
            _ if runs_out => Some(Cause::RunLimit),
            _ if is_silent => Some(Cause::Silent),
            Event::ParentEnded => Some(Cause::ParentEnded),
            Event::Ailing => turn.plan().watchdog.map(|_| Cause::Silent),
            Event::Signal(_) => turn.stop_signal().map(Cause::Signal),
            Event::Abandoned => Some(Cause::Abandoned),
            Event::Remains if turn.was(Phase::Running) && self.main_has_ended => {
                (!turn.plan().leave_stragglers).then_some(Cause::MainExited)
            }
            _ => None,
        }
    }

    fn deadline_of(turn: &Turn<'_>, cause: Cause) -> Option<Duration> {
        let by_limit = turn.plan().limit.length().map(|length| turn.at + length);
        // A plan of shares that ends in a kill ends there.
        let steps = &turn.plan().steps;
        let kills = steps.last().is_some_and(|step| step.action == Action::Kill);
        let shares = steps.iter().filter(|step| step.action != Action::Kill).map(|step| step.share);
        let by_plan = shares.sum::<Option<Duration>>().filter(|_| kills).map(|length| turn.at + length);
        let abandoned = (cause == Cause::Abandoned).then_some(turn.at + ABANDONED);
        [by_limit, by_plan, turn.plan().run_limit, abandoned].into_iter().flatten().min()
    }

    /// SIGKILL at the deadline and never before, except asked for: no time at all, or Ctrl+C again.
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

    /// Whether the step under way is over, and the next one kills: before anything else happens.
    fn is_killed_by_plan(&self, turn: &Turn<'_>) -> bool {
        let Some(progress) = self.stop.as_ref().map(|stop| &stop.progress) else { return false };
        let next = turn.plan().steps.get(progress.step + 1);
        let is_kill = next.is_some_and(|next| next.action == Action::Kill);
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
        rule(begun == usize::from(cause.is_some()), "a stop begins when it is asked for, and once")?;
        if let Some(cause) = cause {
            rule(turn.says(Note::StopRequested(cause)), "the cause of the stop is told")?;
            rule(turn.after.cause() == Some(cause), "the cause of the stop is kept")?;
            rule(turn.after.stop_at() == Some(turn.at), "the clock starts with the stop request")?;
            self.stop = Some(Self::stop_of(turn, cause));
            self.since = Some(turn.at);
        }
        Ok(())
    }

    /// The steps of the plan begin in their order, each when the one before it is over, and do what
    /// is theirs. Whether one of them kills.
    fn steps(&mut self, turn: &Turn<'_>, cause: Option<Cause>, late: bool) -> Result<bool, String> {
        let goes_on = turn.before.phase() <= Phase::Terminating && !late;
        let key = turn.stop_signal().filter(|received| received.main_has_it && cause.is_none());
        let key = key.is_some() && self.interrupt_age(turn).is_none();
        let gone = self.main_has_ended;
        let (mut owed, mut begun) = (Vec::new(), Vec::new());
        let mut hook_ended = false;
        if let Some(stop) = self.stop.as_mut().filter(|_| goes_on) {
            stop.progress.has_asked |= gone && turn.event == Event::Remains && cause.is_none();
            // A key that comes before anybody was asked stands for the first step that asks.
            stop.progress.by_terminal |= key && !stop.progress.has_asked;
            if matches!(turn.event, Event::HookEnded(_)) && stop.progress.hook_runs {
                let is_last = stop.progress.step + 1 == turn.plan().steps.len();
                (stop.progress.hook_runs, stop.progress.ends) = (false, (!is_last).then_some(turn.at));
                hook_ended = true;
            }
            if cause != Some(Cause::Abandoned) {
                let first = if gone { turn.plan().first_signal().unwrap_or(0) } else { 0 };
                let is_cut = turn.event == Event::Abandoned && cause.is_none();
                begun = if is_cut {
                    Vec::new()
                } else {
                    stop.advance(turn, cause.map(|_| first), gone, &mut owed)
                };
            }
            if turn.event == Event::Abandoned {
                owed.extend(stop.abandoned(turn));
            }
        }
        let kills = begun.iter().any(|index| turn.plan().steps[*index].action == Action::Kill);
        let is_after = turn.was(Phase::Stopped) || turn.becomes(Phase::Stopped);
        let done: Vec<Effect> = turn.effects.iter().filter(|effect| is_of_a_step(effect)).copied().collect();
        rule(is_after || done == owed, "each step does what is its own when it begins, and only then")?;
        let is_told =
            |note: fn(&Note) -> bool| turn.count(|effect| matches!(effect, Effect::Say(it) if note(it)));
        let ends = is_told(|note| matches!(note, Note::HookEnded(_)));
        rule(is_after || ends == usize::from(hook_ended), "the end of a hook is told")?;
        let steps = is_told(|note| matches!(note, Note::Step(_)));
        // The only signal of a plain plan is told with the request.
        let untold = usize::from(turn.plan().is_plain() && begun.contains(&0)) + usize::from(kills);
        let owed_steps = begun.len() - untold;
        let dumps = begun.iter().filter(|index| matches!(turn.plan().steps[**index].action, Action::Dump(_)));
        rule(is_told(|note| *note == Note::Dumped) == dumps.count(), "who is dumped is told")?;
        rule(steps == owed_steps, "each step is told")?;
        Ok(kills)
    }

    /// The deadline moves only when the workload asks for it, and only as far as it may.
    fn more_time(&mut self, turn: &Turn<'_>, late: bool) -> Verdict {
        let Event::Extend(by) = turn.event else { return Ok(()) };
        let stops = turn.before.phase() <= Phase::Terminating && !late;
        let stop = self.stop.as_mut().filter(|_| stops);
        let granted = stop.and_then(|stop| {
            let (deadline, extended) = (stop.deadline?, stop.progress.extended?);
            let wanted = (turn.at + by).max(deadline);
            let more = wanted.saturating_sub(deadline);
            let fits = turn.plan().run_limit.is_none_or(|limit| wanted <= limit);
            (fits && extended + more <= turn.plan().extend_max).then(|| {
                stop.progress.extended = Some(extended + more);
                stop.deadline = Some(wanted);
                stop.progress.ends = stop.progress.ends.map(|ends| ends + more);
                more
            })
        });
        rule(turn.has(Effect::Answer(granted.is_some())), "who asks for time is answered")?;
        let more = granted.unwrap_or_default();
        rule(turn.says(Note::Extended(more)) != more.is_zero(), "a moved deadline is told")
    }

    fn stop_of(turn: &Turn<'_>, cause: Cause) -> Stop {
        let received = if let Cause::Signal(received) = cause { Some(received) } else { None };
        let by_terminal = received.filter(|received| received.main_has_it).map(|received| received.signal);
        let deadline = Self::deadline_of(turn, cause);
        let plan = turn.plan();
        let progress = Progress {
            rest: deadline.map(|deadline| deadline.saturating_sub(turn.at).saturating_sub(plan.shares())),
            by_terminal: by_terminal.is_some(),
            as_received: received
                .and_then(|received| plan.forwarded(received.signal))
                .unwrap_or(Signal::TERM),
            ..Progress::default()
        };
        let mut stop = Stop {
            deadline,
            heard: received.map(|received| received.signal).into_iter().collect(),
            given: by_terminal.into_iter().collect(),
            progress,
            ..Stop::default()
        };
        if let Some(received) = received {
            stop.interrupted(received, turn.at);
        }
        stop
    }

    /// No stop request is lost: one while stopping is told, passed on or not, or kills.
    fn further_request(&self, turn: &Turn<'_>, further: Option<Received>) -> Verdict {
        let Some(received) = further else { return Ok(()) };
        let is_duplicate = self.interrupt_age(turn).is_some();
        let is_told =
            |effect: &Effect| matches!(effect, Effect::Say(Note::Repeated(it, _)) if *it == received);
        rule(is_duplicate || turn.count(is_told) == 1, "a further stop request is told")?;
        rule(
            turn.has(Effect::AskedByTerminal(received.signal)) == (received.main_has_it && !is_duplicate),
            "whoever the terminal's key reached counts as asked",
        )
    }

    /// The signal of this event goes to the main process, or it doesn't.
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

    /// `given` is what the main process had got before this turn's steps.
    fn forwarded(&self, turn: &Turn<'_>, received: Received, given: Option<SignalSet>) -> Option<Signal> {
        let target = turn.plan().forwarded(received.signal)?;
        if received.main_has_it {
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

    /// SIGKILL goes to the whole tree, before anything is told, and again until the end.
    fn kill(&mut self, turn: &Turn<'_>, kills: bool) -> Verdict {
        rule(turn.becomes(Phase::Killing) >= kills, "a deadline is kept")?;
        let killed = turn.count(|effect| *effect == Effect::KillTree);
        if turn.before.phase() < Phase::Killing {
            rule((killed > 0) == kills, "SIGKILL at the deadline and never before")?;
            rule(turn.says(Note::Killing) == kills, "a kill is told")?;
        }
        let first_word = turn.effects.iter().position(|effect| matches!(effect, Effect::Say(_)));
        let kill = turn.effects.iter().position(|effect| *effect == Effect::KillTree);
        rule(
            kill.is_none() || first_word.is_none() || kill < first_word,
            "nothing that can block stands before SIGKILL",
        )?;
        if turn.was(Phase::Killing) {
            let repeats = turn.event == Event::Tick && turn.after.phase() == Phase::Killing;
            rule(!repeats || killed == 1, "SIGKILL is repeated until the tree is empty")?;
            let remain = turn.event == Event::Remains && turn.after.phase() == Phase::Killing;
            rule(!remain || turn.has(Effect::KillOrphans), "whoever lost its parent is killed at once")?;
        }
        if kills {
            let wait = turn.plan().kill_wait.length();
            self.give_up = wait.map(|wait| turn.at.saturating_add(wait.max(LEAST_KILL_WAIT)));
        }
        Ok(())
    }

    /// Those who became children of winddown are asked: while the main process lives, only those who
    /// did so since somebody was asked.
    fn orphans(&mut self, turn: &Turn<'_>, cause: Option<Cause>, had_asked: bool) -> Verdict {
        let which = if self.main_has_ended { Orphans::All } else { Orphans::New };
        let stops = turn.after.phase() == Phase::Terminating;
        let gone = self.main_has_ended;
        let progress = self.stop.as_mut().map(|stop| &mut stop.progress);
        let is_on = had_asked || gone;
        let signal = progress.as_ref().map_or(Signal::TERM, |progress| progress.straggler_signal);
        let asked: Vec<Effect> =
            turn.effects.iter().filter(|effect| matches!(effect, Effect::AskOrphans(..))).copied().collect();
        // One that a step of this turn had still to change comes with the signal before it.
        let is_theirs = |effect: &Effect| matches!(effect, Effect::AskOrphans(_, it) if *it == which);
        rule(asked.iter().all(is_theirs), "the old ones wait for the main process")?;
        let last = asked.last().copied().filter(|_| stops);
        let keeps = turn.event != Event::Remains || turn.plan().is_plain();
        rule(
            !keeps || last.is_none_or(|last| last == Effect::AskOrphans(signal, which)),
            "stragglers get the signal that is theirs",
        )?;
        rule(stops || asked.is_empty() || turn.was(Phase::Terminating), "nobody is asked but by a stop")?;
        let lost_parent = turn.event == Event::Remains && turn.was(Phase::Terminating) && stops && is_on;
        let by_all = turn.has(Effect::AskEveryone(signal));
        let main_gone = cause.is_some() && gone && stops && !by_all && turn.plan().first_signal().is_some();
        if let Some(progress) = progress {
            progress.has_asked |= !asked.is_empty();
        }
        rule(!(lost_parent || main_gone) || !asked.is_empty(), "whoever lost its parent is asked at once")
    }

    /// A stopped main process stops winddown while it runs, and is let go on while it is to stop.
    fn stopped_main(turn: &Turn<'_>) -> Verdict {
        let is_it = turn.event == Event::MainStopped;
        let stops = is_it && turn.after.phase() == Phase::Running;
        let goes_on = is_it && turn.after.phase() == Phase::Terminating;
        rule(turn.has(Effect::StopWithMain) == stops, "winddown stops with the main process")?;
        // One that a step kills in the same turn may get it before.
        let is_killed = turn.becomes(Phase::Killing);
        rule(is_killed || turn.has(Effect::ContinueMain) == goes_on, "who is to stop must be able to act")
    }

    /// It is over when everything is reaped, and not before; or when patience has an end.
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
        rule(turn.after.has_survivors() == (is_over && survivors), "survivors are known as such")
    }

    /// The hook that follows the end is started once the workload has ended, and is waited for within
    /// its share; one that has no time left is killed, and what is left of it is waited for a little.
    fn hook_after_the_end(&mut self, turn: &Turn<'_>) -> Verdict {
        let share =
            turn.plan().post_stop.filter(|_| !turn.was(Phase::Starting) || turn.event != Event::NotStarted);
        let ends = turn.becomes(Phase::Stopped);
        let starts = ends && share.is_some();
        rule(turn.has(Effect::StartPostStop) == starts, "what follows the end is started at the end")?;
        rule(!ends || turn.after.is_stopped() != starts, "the end is the end, but for what follows it")?;
        if starts {
            self.after = share.map(|share| (turn.at + share, false));
        }
        let Some((until, is_ending)) = self.after else { return Ok(()) };
        let is_due = !turn.is_end() && until <= turn.at;
        let has_ended = matches!(turn.event, Event::HookEnded(_) | Event::TreeEmpty);
        let is_over = !starts && (has_ended || (is_ending && is_due));
        rule(turn.after.is_stopped() == is_over, "what follows the end is waited for, but not for ever")?;
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
                Note::ShellHint => 3,
                Note::MainExited(_) => 4,
                Note::KillAsked(_) => 5,
                Note::Killing => 6,
                Note::Stopped => 7,
                Note::GaveUp => 8,
                Note::PostMortem => 9,
                Note::Forwarded(..)
                | Note::Repeated(..)
                | Note::MainStopped
                | Note::Abandoned
                | Note::Step(_)
                | Note::Dumped
                | Note::HookEnded(_)
                | Note::HookOverran
                | Note::Extended(_)
                | Note::NotExtended(_) => continue,
            };
            rule(!turn.was(Phase::Killing) || number >= 7, "after the kill only the end is told")?;
            rule(self.told & (1 << number) == 0, "nothing is told twice")?;
            self.told |= 1 << number;
        }
        Ok(())
    }

    /// Nobody could be heard meanwhile.
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
        // What no rule is about any more is forgotten, so that fewer states are left to walk.
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
        // One that was overslept was moved.
        let is_moved = turn.after.phase() == Phase::Running && turn.before.deadline() < due;
        let is_due_tick = turn.event == Event::Tick && !is_moved;
        rule(!is_due_tick || !turn.effects.is_empty(), "a deadline is for something")?;
        let deadline = self.stop.as_ref().and_then(|stop| stop.deadline);
        rule(turn.after.kill_at() == deadline, "the deadline is the limit's end, and stays where it is")?;
        let soon = turn.at.saturating_add(LONGEST_PAUSE);
        match turn.after.phase() {
            Phase::Starting => rule(due.is_none(), "nothing is due yet"),
            Phase::Stopped => {
                let until = self.after.map(|(until, _)| until);
                rule(due == until, "nothing is due any more, but for what follows the end")
            }
            Phase::Running => {
                let runs_out = [turn.plan().run_limit_stop(), self.silent_at].into_iter().flatten().min();
                let runs_out = runs_out.filter(|_| !self.main_has_ended);
                rule(due == runs_out, "idle costs nothing: only a run limit, or a silence, is waited for")
            }
            Phase::Terminating | Phase::Killing => {
                rule(due.is_some_and(|due| due <= soon), "those who lost their parent are looked for")
            }
        }
    }
}

/// What steps do when they begin or end; stragglers have a rule of their own.
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
    /// In the place of all steps that are left, everybody is asked.
    fn abandoned(&mut self, turn: &Turn<'_>) -> Vec<Effect> {
        let signal = turn.plan().straggler_signal();
        let progress = &mut self.progress;
        let hook = std::mem::take(&mut progress.hook_runs).then_some(Effect::EndHook);
        progress.ends = None;
        progress.has_asked = true;
        progress.straggler_signal = signal;
        progress.extended = None;
        self.given = self.given.with(signal);
        let sooner = turn.at + ABANDONED;
        self.deadline = Some(self.deadline.map_or(sooner, |deadline| deadline.min(sooner)));
        hook.into_iter().chain([Effect::AskEveryone(signal)]).collect()
    }

    /// The steps that begin in this turn, with what they owe.
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
                next = Some(progress.step + 1);
            }
            let Some(index) = next.take().filter(|index| *index < plan.steps.len()) else { return begun };
            let step = plan.steps[index];
            let stands_in = progress.by_terminal && !progress.has_asked;
            progress.step = index;
            owed.extend(progress.begin(step, index + 1 == plan.steps.len(), turn.at, gone));
            begun.push(index);
            match step.action {
                Action::Kill => return begun,
                Action::Signal(signal, _) => {
                    progress.by_terminal = false;
                    if !stands_in {
                        self.given = self.given.with(signal.unwrap_or(progress.as_received));
                    }
                }
                Action::Wait | Action::Run(_) | Action::Dump(_) => {}
            }
        }
    }

    /// Whether the deadline comes before a second INT could count as a repeat of one `at` that moment.
    fn is_too_late(&self, at: Duration) -> bool {
        self.deadline.is_some_and(|end| at + REPEAT >= end)
    }

    /// A stop signal while stopping: the terminal's key has reached the main process by itself.
    fn saw(&mut self, received: Received) {
        if received.main_has_it {
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
