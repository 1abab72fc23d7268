//! The start of a workload that has to become ready: what is still missing, and who looks for it.

use std::time::Duration;

use super::{Machine, State};
use crate::lifecycle::cause::Cause;
use crate::lifecycle::event::{Effect, Event, Moment, Note};
use crate::lifecycle::plan::ReadyWhen;

/// How long after the early end of a probe the next one comes.
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// How far a start has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) enum StartState {
    /// It is over: readiness was not waited for, or no longer matters.
    Over,
    /// Not ready yet.
    Awaited(Awaiting),
    /// Ready, and nobody has asked for a stop.
    Ready,
}

/// What came so far, of that for which a start waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub(super) struct Awaiting {
    /// READY=1 has come.
    has_message: bool,
    /// The probe has seen everything that it looks for.
    is_seen: bool,
    probe_runs: bool,
    /// When the next probe starts.
    pub(super) probe_at: Option<Duration>,
    /// When the start limit runs out, and by how much the workload has moved that.
    pub(super) ends: Option<Duration>,
    extended: Duration,
}

impl Awaiting {
    fn needs_probe(self, wanted: ReadyWhen) -> bool {
        !self.is_seen && (wanted.others || (wanted.auto && !self.has_message))
    }

    fn is_ready(self, wanted: ReadyWhen) -> bool {
        (self.has_message || !wanted.notify) && !self.needs_probe(wanted)
    }

    /// The latest end of the start limit, with at most `most` of extensions.
    pub(super) fn latest(&self, most: Duration) -> Option<Duration> {
        Some(self.ends?.saturating_add(most.saturating_sub(self.extended)))
    }

    /// Moves the end of the start limit to `until`, never to an earlier time. Returns by how much it moved.
    pub(super) fn extend(&mut self, until: Duration) -> Duration {
        let more = self.ends.map_or(Duration::ZERO, |ends| until.saturating_sub(ends));
        self.ends = self.ends.map(|ends| ends.saturating_add(more));
        self.extended = self.extended.saturating_add(more);
        more
    }
}

impl Machine {
    /// Whether the workload has to become ready, and has not.
    pub(super) const fn awaits_readiness(&self) -> bool {
        matches!(self.start, StartState::Awaited(_))
    }

    /// When the next probe starts.
    pub(super) const fn probe_at(&self) -> Option<Duration> {
        if let StartState::Awaited(missing) = self.start { missing.probe_at } else { None }
    }

    /// When the workload is stopped unless it is ready by then.
    #[must_use]
    pub const fn start_ends_at(&self) -> Option<Duration> {
        if let StartState::Awaited(missing) = self.start { missing.ends } else { None }
    }

    /// The main process runs.
    pub(super) fn started(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.state != State::Starting {
            return;
        }
        self.state = State::Running;
        effects.push(Effect::Say(Note::Started));
        if self.plan.ready.is_some() {
            let length = self.plan.start_limit.filter(|_| self.main.is_none());
            let ends = length.map(|length| now.saturating_add(length));
            self.start = StartState::Awaited(Awaiting { ends, ..Awaiting::default() });
            self.go_on_starting(effects);
        }
    }

    /// Whether the start limit has run out. What shows by now that the workload is ready comes in time.
    pub(super) fn is_late_with(&self, now: Duration, event: Event) -> bool {
        let (Some(wanted), StartState::Awaited(mut missing)) = (self.plan.ready, self.start) else {
            return false;
        };
        match event {
            Event::ReadyMessage => missing.has_message = true,
            Event::ProbeEnded { is_seen } if missing.probe_runs => missing.is_seen = is_seen,
            _ => return missing.ends.is_some_and(|at| at <= now),
        }
        missing.ends.is_some_and(|at| at <= now) && !missing.is_ready(wanted)
    }

    /// The start limit has run out: what the workload does is seen before its stop begins.
    pub(super) fn start_failed(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let extended =
            if let StartState::Awaited(missing) = self.start { missing.extended } else { Duration::ZERO };
        let length = self.plan.start_limit.unwrap_or_default().saturating_add(extended);
        effects.extend(self.plan.looks.then_some(Effect::Look(Moment::Start)));
        effects.push(Effect::Say(Note::NotReady(length)));
        self.stop(now, Cause::StartLimit, effects);
    }

    /// The workload says that it is ready. A probe that would look for a socket instead has less to do.
    pub(super) fn take_ready_message(&mut self, effects: &mut Vec<Effect>) {
        let Some((wanted, missing)) = self.missing() else { return };
        let is_news = !std::mem::replace(&mut missing.has_message, true);
        if is_news && wanted.auto && missing.probe_runs {
            missing.probe_runs = false;
            effects.push(Effect::EndProbe);
        }
        self.go_on_starting(effects);
    }

    /// The probe has ended: everything that it looks for holds, or it must look again.
    pub(super) fn probe_ended(&mut self, now: Duration, is_seen: bool, effects: &mut Vec<Effect>) {
        let Some((_, missing)) = self.missing() else { return };
        if std::mem::take(&mut missing.probe_runs) {
            missing.is_seen = is_seen;
            missing.probe_at = (!is_seen).then_some(now.saturating_add(PROBE_PAUSE));
            self.go_on_starting(effects);
        }
    }

    /// Starts the next probe when it is due.
    pub(super) fn probe_again(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.probe_at().is_some_and(|at| at <= now)
            && let Some((_, missing)) = self.missing()
        {
            missing.probe_at = None;
            self.go_on_starting(effects);
        }
    }

    /// The end of the main process or a stop request ends the start, and what it has led to, before anything else
    /// happens.
    pub(super) fn end_start(&mut self, is_stop: bool, effects: &mut Vec<Effect>) {
        match &mut self.start {
            StartState::Over => return,
            StartState::Ready => effects.push(Effect::RetractReady),
            StartState::Awaited(missing) => {
                effects.extend(std::mem::take(&mut missing.probe_runs).then_some(Effect::EndProbe));
                (missing.probe_at, missing.ends) = (None, None);
                if !is_stop {
                    return;
                }
            }
        }
        self.start = StartState::Over;
    }

    fn missing(&mut self) -> Option<(ReadyWhen, &mut Awaiting)> {
        let wanted = self.plan.ready.filter(|_| self.main.is_none())?;
        if let StartState::Awaited(missing) = &mut self.start { Some((wanted, missing)) } else { None }
    }

    fn go_on_starting(&mut self, effects: &mut Vec<Effect>) {
        let Some((wanted, missing)) = self.missing() else { return };
        if missing.is_ready(wanted) {
            self.start = StartState::Ready;
            effects.push(Effect::AnnounceReady);
            effects.push(Effect::Say(Note::Ready));
        } else if missing.needs_probe(wanted) && !missing.probe_runs && missing.probe_at.is_none() {
            missing.probe_runs = true;
            effects.push(Effect::StartProbe);
        }
    }
}
