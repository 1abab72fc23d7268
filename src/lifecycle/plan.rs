//! The user's settings, as plain values: the input of the machine.

use std::time::Duration;

use super::cause::Cause;
use super::signal::{Signal, SignalSet};

/// How long something may last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// At most this long; zero means at once.
    Finite(Duration),
    /// No limit.
    Infinite,
}

impl Limit {
    /// The moment at which a limit that starts `now` ends, if it ever does.
    pub(crate) const fn after(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Finite(length) => Some(now.saturating_add(length)),
            Self::Infinite => None,
        }
    }

    /// Its length; `None` if there is no limit.
    #[must_use]
    pub const fn length(self) -> Option<Duration> {
        match self {
            Self::Finite(length) => Some(length),
            Self::Infinite => None,
        }
    }
}

/// Which processes are asked first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Target {
    /// The main process alone.
    #[default]
    Main,
    /// The whole tree at once.
    All,
}

impl Target {
    /// `main`, `all`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::All => "all",
        }
    }
}

/// What happens to a forwarded signal under `--map`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The signal that winddown received.
    pub from: Signal,
    /// The signal that the workload gets; `None` drops it.
    pub to: Option<Signal>,
}

/// How a process is made to dump its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Dump {
    /// SIGQUIT to the processes that respond with the stacks of their threads: JVM and Go.
    Auto,
    /// This signal to every process.
    Signal(Signal),
}

/// What a step of the stop plan does when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Action {
    /// Nothing: the workload goes on undisturbed.
    Wait,
    /// Runs this hook of the run; the next step begins once it has ended.
    Run(usize),
    /// Asks with this signal; `None` means the signal received.
    Signal(Option<Signal>, Target),
    /// Makes the remaining processes dump their state, by a signal that does not ask them to stop.
    Dump(Dump),
    /// Kills the whole tree. No step follows it.
    Kill,
}

/// One step of the stop plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// How long until the next step begins; `None` means what the others leave of the limit.
    pub share: Option<Duration>,
}

/// What the end of winddown's parent does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AtParentsEnd {
    /// It is a stop request like any other.
    #[default]
    Ask,
    /// It kills at once, also in the middle of a stop.
    Kill,
}

/// What a workload has to do before it counts as ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct ReadyWhen {
    /// It has to send READY=1.
    pub notify: bool,
    /// It has to send READY=1, or to listen at a socket, which a probe can see.
    pub auto: bool,
    /// It has to do other things that a probe can see.
    pub others: bool,
}

/// Everything the machine needs to know about a run before it starts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long the whole shutdown may last.
    pub limit: Limit,
    /// The steps of a stop, in order. There is at least one; at most one has no share; a hook always has one.
    pub steps: Vec<Step>,
    /// How many steps at the end are last words: for a workload that the steps before did not end.
    pub last_words: usize,
    /// Whether a process that sends winddown a stop signal has asked the whole workload, so that winddown asks none.
    pub others_ask: bool,
    /// The signals that are stop requests.
    pub stop_on: SignalSet,
    /// How to rewrite signals when they are forwarded.
    pub map: Vec<Mapping>,
    /// The whole run ends this long after the start, at the latest.
    pub run_limit: Option<Duration>,
    /// The stop begins this long after the start, at the latest. Not together with a run limit.
    pub stop_after: Option<Duration>,
    /// What the workload has to do before it counts as ready; if nothing, it does with the exec.
    pub ready: Option<ReadyWhen>,
    /// How long that may take; only where something has to be ready.
    pub start_limit: Option<Duration>,
    /// The workload is stopped once it has been silent for this long.
    pub watchdog: Option<Duration>,
    /// By how much the workload may move the deadline of a stop, with all its requests together; the same again for the
    /// end of its start limit.
    pub extend_max: Duration,
    /// How long to wait after SIGKILL.
    pub kill_wait: Limit,
    /// How long the hook after the end may take, if there is one.
    pub post_stop: Option<Duration>,
    /// Whether to look at the workload during a stop, to say afterwards why it did not end in time.
    pub looks: bool,
    /// Whether a main process that ends by itself may leave processes behind.
    pub leave_stragglers: bool,
    /// What the end of winddown's parent is, if it is to stop with it.
    pub at_parents_end: AtParentsEnd,
    /// How long the stragglers may go on without being asked or reported. During a stop, how long readers of the last
    /// lines of others may.
    pub straggler_grace: Duration,
}

impl Plan {
    /// The signal that the workload gets when winddown receives this one; `None` if it is dropped.
    #[must_use]
    pub fn forwarded(&self, signal: Signal) -> Option<Signal> {
        let mapping = self.map.iter().rev().find(|mapping| mapping.from == signal);
        mapping.map_or(Some(signal), |mapping| mapping.to)
    }

    /// Whether a stop is one signal for the whole limit, apart from last words.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let is_asked = matches!(self.steps.first(), Some(Step { action: Action::Signal(..), .. }));
        is_asked && self.steps.len() == 1 + self.last_words
    }

    /// The first step of the last words; without any, the end of the plan, or its kill.
    #[must_use]
    pub fn first_last_word(&self) -> usize {
        let kills = self.steps.last().is_some_and(|step| step.action == Action::Kill);
        self.steps.len().saturating_sub(self.last_words + usize::from(kills && self.last_words > 0))
    }

    /// The first step that asks, if any.
    #[must_use]
    pub fn first_signal(&self) -> Option<usize> {
        self.steps.iter().position(|step| matches!(step.action, Action::Signal(..)))
    }

    /// The signal for stragglers: they never got the one received.
    #[must_use]
    pub fn straggler_signal(&self) -> Signal {
        match self.first_signal().map(|index| self.steps[index].action) {
            Some(Action::Signal(Some(signal), _)) => signal,
            _ => Signal::TERM,
        }
    }

    /// The sum of all shares.
    #[must_use]
    pub fn shares(&self) -> Duration {
        let shares = self.steps.iter().filter_map(|step| step.share);
        shares.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// The longest time that a stop takes: a plan that kills may end before the limit.
    pub(crate) fn length(&self) -> Limit {
        let kills = self.steps.last().is_some_and(|step| step.action == Action::Kill);
        let rest = self.steps.iter().any(|step| step.share.is_none() && step.action != Action::Kill);
        if kills && !rest { self.limit.min(Limit::Finite(self.shares())) } else { self.limit }
    }

    /// When the length of the run asks for the stop, and why. A run limit does so early enough for the whole stop to
    /// fit.
    pub(crate) fn time_up(&self) -> Option<(Duration, Cause)> {
        let by_limit = |run_limit: Duration| {
            (run_limit.saturating_sub(self.length().length().unwrap_or_default()), Cause::RunLimit)
        };
        self.stop_after.map(|at| (at, Cause::StopAfter)).or(self.run_limit.map(by_limit))
    }

    /// The same moment without the reason.
    #[must_use]
    pub fn time_up_at(&self) -> Option<Duration> {
        self.time_up().map(|(at, _)| at)
    }

    /// When everything is over, as far as that is known before a stop. Extensions can make it later, except for a run
    /// limit.
    pub(crate) fn over_at(&self) -> Option<Duration> {
        self.run_limit.or_else(|| self.length().after(self.stop_after?))
    }

    /// The deadline of a stop that starts `now`, never past the run limit. If the run limit is already over (the job
    /// was stopped meanwhile, by Ctrl+Z), the stop has the whole time limit.
    pub(crate) fn deadline(&self, now: Duration) -> Option<Duration> {
        match (self.length().after(now), self.run_limit.filter(|at| *at > now)) {
            (Some(by_limit), Some(run_limit)) => Some(by_limit.min(run_limit)),
            (by_limit, run_limit) => by_limit.or(run_limit),
        }
    }
}
