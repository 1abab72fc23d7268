//! What the machine owes, in the words of the design rather than in its own: told each event and
//! what came of it, the oracle answers with the rule that was broken.

use std::time::Duration;

use winddown::lifecycle::event::{Cause, Effect, Event, Note, Orphans, Received};
use winddown::lifecycle::machine::Machine;
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::{Plan, Target};
use winddown::lifecycle::signal::{Origin, Signal, SignalSet};

/// A second Ctrl+C sooner than this is the same key press.
const REPEAT: Duration = Duration::from_millis(200);
/// What is left when winddown was killed.
const ABANDONED: Duration = Duration::from_millis(500);
/// Nobody is given up on before the kernel had this long to carry a SIGKILL out.
const LEAST_KILL_WAIT: Duration = Duration::from_millis(25);
/// Those who lost their parent are looked for at least this often, and SIGKILL is repeated.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    /// Notes by their number, one bit each.
    told: u8,
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
        matches!(self.event, Event::MainExited(_) | Event::TreeEmpty)
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
        if let Some(stop) = &mut view.stop {
            let age =
                |at| if stop.is_too_late(at) { Duration::ZERO } else { now.saturating_sub(at).min(REPEAT) };
            (stop.key, stop.sent) = (stop.key.map(age), stop.sent.map(|(origin, at)| (origin, age(at))));
            stop.deadline = stop.deadline.map(|at| at.saturating_sub(now));
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
        let kills = self.kills(turn, cause);
        self.stop_request(turn, cause, kills)?;
        let further = turn.stop_signal().filter(|_| !matches!(cause, Some(Cause::Signal(_))) && !kills);
        let further = further.filter(|_| self.stop.is_some() && turn.before.phase() <= Phase::Terminating);
        self.further_request(turn, further)?;
        self.forwarding(turn, further, kills)?;
        self.kill(turn, kills)?;
        self.orphans(turn, cause)?;
        Self::stopped_main(turn)?;
        self.end(turn)?;
        self.told_once(turn)?;
        self.remember(turn);
        self.deadlines(turn)
    }

    /// Nothing is to happen after the end, and by an early look at the clock.
    fn is_idle(turn: &Turn<'_>) -> bool {
        let is_early = turn.before.deadline().is_none_or(|due| turn.at < due);
        turn.was(Phase::Stopped) || (turn.event == Event::Tick && is_early)
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
        match turn.event {
            Event::MainExited(_) | Event::TreeEmpty => None,
            _ if runs_out => Some(Cause::RunLimit),
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
        let abandoned = (cause == Cause::Abandoned).then_some(turn.at + ABANDONED);
        [by_limit, turn.plan().run_limit, abandoned].into_iter().flatten().min()
    }

    /// SIGKILL at the deadline and never before, except asked for: no time at all, or Ctrl+C again.
    fn kills(&self, turn: &Turn<'_>, cause: Option<Cause>) -> bool {
        if turn.before.phase() >= Phase::Killing || turn.is_end() {
            return false;
        }
        let at_once = cause
            .is_some_and(|cause| Self::deadline_of(turn, cause).is_some_and(|deadline| deadline <= turn.at));
        let deadline = self.stop.as_ref().and_then(|stop| stop.deadline);
        at_once || deadline.is_some_and(|deadline| deadline <= turn.at) || self.is_second_interrupt(turn)
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

    /// Each stop request begins one stop, which asks at once those who are to be asked first.
    fn stop_request(&mut self, turn: &Turn<'_>, cause: Option<Cause>, kills: bool) -> Verdict {
        let begun = turn.count(|effect| matches!(effect, Effect::Say(Note::StopRequested(_))));
        rule(begun == usize::from(cause.is_some()), "a stop begins when it is asked for, and once")?;
        let mut owed = Vec::new();
        if let Some(cause) = cause {
            rule(turn.says(Note::StopRequested(cause)), "the cause of the stop is told")?;
            rule(turn.after.cause() == Some(cause), "the cause of the stop is kept")?;
            rule(turn.after.stop_at() == Some(turn.at), "the clock starts with the stop request")?;
            let asked = self.asked(turn, cause);
            self.stop = Some(Self::stop_of(turn, cause, asked));
            owed.extend(asked.filter(|_| !kills));
        }
        let stops_already = turn.after.phase() == Phase::Terminating && cause != Some(Cause::Abandoned);
        if turn.event == Event::Abandoned && stops_already {
            owed.push(Effect::AskEveryone(turn.plan().straggler_signal()));
            let deadline = &mut self.stop.get_or_insert_default().deadline;
            let sooner = turn.at + ABANDONED;
            *deadline = Some(deadline.map_or(sooner, |deadline| deadline.min(sooner)));
        }
        let is_ask = |effect: &&Effect| matches!(effect, Effect::AskMain(_) | Effect::AskEveryone(_));
        let asked: Vec<Effect> = turn.effects.iter().filter(is_ask).copied().collect();
        rule(asked == owed, "whoever is to be asked first is asked at the stop request, and only then")
    }

    /// Who is asked first, with which signal: nobody, if the terminal has asked the main process.
    fn asked(&self, turn: &Turn<'_>, cause: Cause) -> Option<Effect> {
        let plan = turn.plan();
        let received = if let Cause::Signal(received) = cause { Some(received) } else { None };
        let to_all = plan.to == Target::All || cause == Cause::Abandoned;
        if self.main_has_ended {
            return to_all.then(|| Effect::AskEveryone(plan.straggler_signal()));
        }
        let as_received = received.and_then(|received| plan.forwarded(received.signal));
        let signal = plan.stop_signal.or(as_received).unwrap_or(Signal::TERM);
        let by_terminal = received.is_some_and(|received| received.main_has_it);
        match (to_all, by_terminal) {
            (true, _) => Some(Effect::AskEveryone(signal)),
            (false, true) => None,
            (false, false) => Some(Effect::AskMain(signal)),
        }
    }

    fn stop_of(turn: &Turn<'_>, cause: Cause, asked: Option<Effect>) -> Stop {
        let received = if let Cause::Signal(received) = cause { Some(received) } else { None };
        let by_terminal = received.filter(|received| received.main_has_it).map(|received| received.signal);
        let by_us = match asked {
            Some(Effect::AskMain(signal) | Effect::AskEveryone(signal)) => Some(signal),
            _ => None,
        };
        let mut stop = Stop {
            deadline: Self::deadline_of(turn, cause),
            heard: received.map(|received| received.signal).into_iter().collect(),
            given: by_terminal.or(by_us).into_iter().collect(),
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
    fn forwarding(&mut self, turn: &Turn<'_>, further: Option<Received>, kills: bool) -> Verdict {
        let forwarded: Vec<Signal> = turn
            .effects
            .iter()
            .filter_map(|effect| if let Effect::Forward(signal) = effect { Some(*signal) } else { None })
            .collect();
        let owed = turn.received().and_then(|received| {
            let can = !kills && turn.before.phase() < Phase::Killing && !self.main_has_ended;
            can.then(|| self.forwarded(turn, received)).flatten()
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

    fn forwarded(&self, turn: &Turn<'_>, received: Received) -> Option<Signal> {
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
            is_another && self.interrupt_age(turn).is_none()
        } else {
            received.signal.is_forwardable()
        };
        (is_wanted && !stop.given.contains(target)).then_some(target)
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
    /// did so since the stop began.
    fn orphans(&self, turn: &Turn<'_>, cause: Option<Cause>) -> Verdict {
        let which = if self.main_has_ended { Orphans::All } else { Orphans::New };
        let owed = Effect::AskOrphans(turn.plan().straggler_signal(), which);
        let is_ask = |effect: &Effect| matches!(effect, Effect::AskOrphans(..));
        let asked = turn.count(is_ask);
        rule(
            asked == turn.count(|effect| *effect == owed),
            "stragglers get the signal that is theirs, and the old ones wait for the main process",
        )?;
        let stops = turn.after.phase() == Phase::Terminating;
        rule(stops || asked == 0 || turn.was(Phase::Terminating), "nobody is asked but by a stop")?;
        let lost_parent = turn.event == Event::Remains && turn.was(Phase::Terminating) && stops;
        let to_all = cause == Some(Cause::Abandoned) || turn.plan().to == Target::All;
        let main_gone = cause.is_some() && self.main_has_ended && stops && !to_all;
        rule(!(lost_parent || main_gone) || asked > 0, "whoever lost its parent is asked at once")
    }

    /// A stopped main process stops winddown while it runs, and is let go on while it is to stop.
    fn stopped_main(turn: &Turn<'_>) -> Verdict {
        let is_it = turn.event == Event::MainStopped;
        let stops = is_it && turn.after.phase() == Phase::Running;
        let goes_on = is_it && turn.after.phase() == Phase::Terminating;
        rule(turn.has(Effect::StopWithMain) == stops, "winddown stops with the main process")?;
        rule(turn.has(Effect::ContinueMain) == goes_on, "who is to stop must be able to act")
    }

    /// It is over when everything is reaped, and not before; or when patience has an end.
    fn end(&self, turn: &Turn<'_>) -> Verdict {
        let gone = self.main_has_ended;
        let left = turn.plan().leave_stragglers && turn.was(Phase::Running) && gone;
        let in_vain = self.give_up.is_some_and(|at| at <= turn.at) && turn.was(Phase::Killing);
        let (is_over, survivors) = match turn.event {
            Event::TreeEmpty => (gone, false),
            Event::MainExited(_) => (false, false),
            Event::NotStarted => (turn.was(Phase::Starting) || in_vain, in_vain),
            Event::Remains if left => (true, false),
            _ => (in_vain, in_vain),
        };
        rule(turn.after.is_stopped() == is_over, "it is over when everything is reaped, and not before")?;
        rule(turn.after.has_survivors() == (is_over && survivors), "survivors are known as such")
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
                Note::GaveUp | Note::Stopped => 7,
                Note::Forwarded(..) | Note::Repeated(..) | Note::MainStopped | Note::Abandoned => continue,
            };
            rule(!turn.was(Phase::Killing) || number == 7, "after the kill only the end is told")?;
            rule(self.told & (1 << number) == 0, "nothing is told twice")?;
            self.told |= 1 << number;
        }
        Ok(())
    }

    fn remember(&mut self, turn: &Turn<'_>) {
        self.main_has_ended |= matches!(turn.event, Event::MainExited(_));
        // What no rule is about any more is forgotten, so that fewer states are left to walk.
        if turn.after.phase() == Phase::Killing {
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
        let is_due_tick = turn.event == Event::Tick;
        rule(!is_due_tick || !turn.effects.is_empty(), "a deadline is for something")?;
        let deadline = self.stop.as_ref().and_then(|stop| stop.deadline);
        rule(turn.after.kill_at() == deadline, "the deadline is the limit's end, and stays where it is")?;
        let soon = turn.at.saturating_add(LONGEST_PAUSE);
        match turn.after.phase() {
            Phase::Starting | Phase::Stopped => rule(due.is_none(), "nothing is due yet, or any more"),
            Phase::Running => {
                let runs_out = turn.plan().run_limit_stop().filter(|_| !self.main_has_ended);
                rule(due == runs_out, "idle costs nothing: only a run limit is waited for")
            }
            Phase::Terminating | Phase::Killing => {
                rule(due.is_some_and(|due| due <= soon), "those who lost their parent are looked for")
            }
        }
    }
}

impl Stop {
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
