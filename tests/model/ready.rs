//! Readiness: when the workload counts as ready, and who looks for it until then.

use std::time::Duration;

use winddown::lifecycle::cause::Cause;

use winddown::lifecycle::event::{Effect, Event, Moment, Note};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::ReadyWhen;

use super::{Oracle, Turn, Verdict, rule};

/// From the early end of a probe to the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// The start so far.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each independent of the others")]
pub(super) struct Start {
    /// The main process was started, and the end of the run is not near.
    pub(super) has_begun: bool,
    has_message: bool,
    is_seen: bool,
    probes: bool,
    pub(super) again: Option<Duration>,
    is_ready: bool,
    /// When the start limit runs out, and by how much the workload has moved that.
    pub(super) ends: Option<Duration>,
    pub(super) moved: Duration,
}

impl Start {
    pub(super) fn view(&mut self, now: Duration) {
        self.again = self.again.map(|at| at.saturating_sub(now));
        self.ends = self.ends.map(|at| at.saturating_sub(now));
    }

    fn holds(&self, wanted: ReadyWhen) -> bool {
        let by_message = self.has_message || !wanted.notify;
        let by_any = self.has_message || self.is_seen || !wanted.auto;
        by_message && by_any && (self.is_seen || !wanted.others)
    }

    /// Whether there is something that a probe could see.
    fn is_of_use(&self, wanted: ReadyWhen) -> bool {
        !self.is_seen && (wanted.others || (wanted.auto && !self.has_message))
    }
}

impl Oracle {
    /// Whether the start limit has run out. What shows readiness at that moment is in time.
    pub(super) fn is_late(&self, turn: &Turn<'_>) -> bool {
        let is_over = self.start.ends.is_some_and(|at| at <= turn.at) && !self.main_has_ended;
        let mut with = self.start.clone();
        match turn.event {
            Event::ReadyMessage => with.has_message = true,
            Event::ProbeEnded { is_seen } if with.probes => with.is_seen |= is_seen,
            _ => return is_over,
        }
        is_over && turn.plan().ready.is_some_and(|wanted| !with.holds(wanted))
    }

    /// What the workload does instead of becoming ready is seen before its stop begins.
    fn failed_start(&self, turn: &Turn<'_>, cause: Option<Cause>) -> Result<Vec<Effect>, String> {
        let has_failed = cause == Some(Cause::StartLimit);
        let length = turn.plan().start_limit.unwrap_or_default() + self.start.moved;
        let look = Some(Effect::Look(Moment::Start)).filter(|_| turn.plan().looks);
        let owed = look.into_iter().chain([Effect::Say(Note::NotReady(length))]).filter(|_| has_failed);
        let owed: Vec<Effect> = owed.collect();
        let is_theirs =
            |effect: &&Effect| matches!(effect, Effect::Look(Moment::Start) | Effect::Say(Note::NotReady(_)));
        let done: Vec<Effect> = turn.effects.iter().filter(is_theirs).copied().collect();
        rule(done == owed, "a start that failed is looked at and reported, and no other")?;
        Ok(owed)
    }

    /// The workload is ready once, when everything holds, while it lives and nobody has asked for a stop; probes run
    /// until then, one at a time. Both end before anything else is done.
    pub(super) fn readiness(&mut self, turn: &Turn<'_>, cause: Option<Cause>) -> Verdict {
        let before_stop = self.failed_start(turn, cause)?;
        let ended = self.main_has_ended;
        let ends = matches!(turn.event, Event::MainExited(_)) || cause.is_some();
        let start = &mut self.start;
        let has_begun = start.has_begun || turn.event == Event::Started;
        if !start.has_begun && has_begun && turn.plan().ready.is_some() {
            start.ends = turn.plan().start_limit.filter(|_| !ended).map(|length| turn.at + length);
        }
        let wanted = turn.plan().ready.filter(|_| has_begun && !ended);
        let awaits = wanted.filter(|_| !start.is_ready && turn.before.phase() == Phase::Starting);
        let (mut first, mut owed) = (before_stop, Vec::new());
        if let Some(wanted) = awaits.filter(|_| !ends) {
            match turn.event {
                Event::ReadyMessage => {
                    let has_less = !start.has_message && wanted.auto && start.probes;
                    owed.extend(has_less.then_some(Effect::EndProbe));
                    start.probes &= !has_less;
                    start.has_message = true;
                }
                Event::ProbeEnded { is_seen } if start.probes => {
                    start.probes = false;
                    start.is_seen = is_seen;
                    start.again = (!is_seen).then_some(turn.at + PAUSE);
                }
                _ => {}
            }
            start.again = start.again.filter(|at| turn.is_end() || *at > turn.at);
            if start.holds(wanted) {
                (start.is_ready, start.again, start.ends) = (true, None, None);
                owed.push(Effect::AnnounceReady);
            } else if start.is_of_use(wanted) && !start.probes && start.again.is_none() {
                start.probes = true;
                owed.push(Effect::StartProbe);
            }
        } else if ends {
            first.extend(std::mem::take(&mut start.probes).then_some(Effect::EndProbe));
            first.extend(std::mem::take(&mut start.is_ready).then_some(Effect::RetractReady));
            (start.again, start.ends) = (None, None);
        }
        let is_announced = owed.contains(&Effect::AnnounceReady);
        let is_theirs = |effect: &&Effect| {
            use Effect::{AnnounceReady, EndProbe, RetractReady, StartProbe};
            matches!(effect, AnnounceReady | RetractReady | StartProbe | EndProbe)
        };
        let done: Vec<Effect> = turn.effects.iter().filter(is_theirs).copied().collect();
        rule(turn.effects.starts_with(&first), "at its end readiness is taken back before anything else")?;
        first.retain(|effect| is_theirs(&effect));
        first.extend(owed);
        rule(done == first, "probes run until the workload is ready, and it is ready once")?;
        rule(turn.says(Note::Ready) == is_announced, "readiness is reported")?;
        let becomes = turn.was(Phase::Starting) && turn.after.phase() == Phase::Running;
        let by_exec =
            turn.plan().ready.is_none() && turn.event == Event::Started && turn.was(Phase::Starting);
        rule(becomes == (is_announced || by_exec), "the start ends when the workload is ready")
    }

    pub(super) fn remember_start(&mut self, turn: &Turn<'_>) {
        self.start.has_begun |= turn.event == Event::Started && turn.before.phase() == Phase::Starting;
        if turn.after.phase() > Phase::Running {
            self.start = Start::default();
        }
    }

    /// Whether the main process was started, and no stop has begun.
    pub(super) fn lives(&self, phase: Phase) -> bool {
        phase == Phase::Running || (phase == Phase::Starting && self.start.has_begun)
    }
}
