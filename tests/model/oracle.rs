//! The rules of the machine, in the words of the design rather than its own: the oracle gets each event with its
//! effects, and returns the rule that was broken.

use std::time::Duration;

use winddown::lifecycle::cause::{Cause, Reach};
use winddown::lifecycle::event::{Effect, Event, Moment, Note};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::signal::{Origin, Signal, SignalSet};

mod ending;
mod limit;
mod looks;
mod readers;
mod ready;
mod requests;
mod signals;
mod steps;
mod turn;

use readers::Patience;
use ready::Start;
pub(crate) use turn::Turn;

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
    /// The hook after the end: when it must be over, and whether it has been asked to end.
    after: Option<(Duration, bool)>,
    /// When the stop began, as far as it matters for the hook after the end.
    since: Option<Duration>,
    start: Start,
    /// Notes by their number, one bit each.
    reported: u16,
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

type Verdict = Result<(), String>;

/// A rule, and whether it is kept.
fn rule(is_kept: bool, words: &str) -> Verdict {
    if is_kept { Ok(()) } else { Err(format!("broken rule: {words}")) }
}

impl Oracle {
    /// Times relative to `now`, cut off where no rule needs them any longer.
    pub(crate) fn view(&self, now: Duration) -> Self {
        let mut view = self.clone();
        view.leaving = self.leaving.map(|at| at.saturating_sub(now));
        view.give_up = self.give_up.map(|at| at.saturating_sub(now));
        view.silent_at = self.silent_at.map(|at| at.saturating_sub(now));
        view.start.view(now);
        view.after = self.after.map(|(at, is_asked)| (at.saturating_sub(now), is_asked));
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
        self.readiness(turn, cause)?;
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
        self.requests(turn, cause)?;
        self.hook_after_the_end(turn)?;
        self.looks(turn, cause)?;
        self.reported_once(turn)?;
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
        let runs_out = self.lives(turn.before.phase())
            && !self.main_has_ended
            && turn.plan().time_up_at().is_some_and(|at| at <= turn.at);
        let is_silent = self.lives(turn.before.phase())
            && !self.main_has_ended
            && turn.event != Event::Alive
            && !self.overslept(turn)
            && self.silent_at.is_some_and(|at| at <= turn.at);
        match turn.event {
            Event::MainExited(_) | Event::TreeEmpty | Event::HookEnded(_) => None,
            _ if self.leaving.is_some_and(|until| until <= turn.at) => Some(Cause::MainExited),
            _ if runs_out && turn.plan().stop_after.is_some() => Some(Cause::StopAfter),
            _ if runs_out => Some(Cause::RunLimit),
            _ if is_silent => Some(Cause::Silent),
            _ if self.is_late(turn) => Some(Cause::StartLimit),
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
        let is_running = self.lives(turn.before.phase()) && self.leaving.is_none();
        is_running && self.main_has_ended && !turn.plan().leave_stragglers
    }

    /// The run limit leaves no more time.
    fn grace_ends(turn: &Turn<'_>) -> Duration {
        let ends = turn.at + turn.plan().straggler_grace;
        turn.plan().time_up_at().map_or(ends, |at| at.min(ends))
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

    fn reported_once(&mut self, turn: &Turn<'_>) -> Verdict {
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
                Note::Ready => 11,
                Note::NotReady(_) => 12,
                Note::Forwarded(..)
                | Note::Repeated(..)
                | Note::MainStopped
                | Note::Abandoned
                | Note::Step(_)
                | Note::Dumped
                | Note::HookEnded(_)
                | Note::HookOverran
                | Note::Extended { .. }
                | Note::NotExtended(_)
                | Note::TryEnded { .. }
                | Note::NoFurtherTry(_)
                | Note::Ended => continue,
            };
            rule(!turn.was(Phase::Killing) || number >= 7, "after the kill only the end is reported")?;
            let left = turn.after.kill_expected_at().map(|at| at.saturating_sub(turn.at));
            let is_late = *note == Note::HalfTime && left.is_some_and(|left| left < HALF_TIME_LEFT_MIN);
            rule(!is_late, "half of the limit is reported only while there is time to act")?;
            rule(self.reported & (1 << number) == 0, "nothing is reported twice")?;
            self.reported |= 1 << number;
        }
        Ok(())
    }

    /// No sign of life could arrive meanwhile.
    fn overslept(&self, turn: &Turn<'_>) -> bool {
        let is_watched = self.lives(turn.before.phase()) && !self.main_has_ended;
        is_watched && self.silent_at.is_some_and(|at| turn.at > at + OVERSLEPT)
    }

    fn remember(&mut self, turn: &Turn<'_>) {
        let overslept = self.overslept(turn);
        self.remember_start(turn);
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
            self.reported = 0;
        }
        if turn.after.is_stopped() {
            *self = Self::default();
        }
    }
}
