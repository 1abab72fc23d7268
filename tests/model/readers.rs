//! Readers of the last lines of others: they may go on for the grace, and for half of the limit at most.

use std::time::Duration;

use winddown::lifecycle::cause::Cause;

use winddown::lifecycle::event::{Effect, Event, Readers};
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::Plan;

use super::{Oracle, Turn, Verdict, rule};

/// Without a grace they are asked like all others.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Patience(Option<Left>);

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Left {
    /// Set for a moment after a pipe has ended.
    until: Option<Duration>,
    latest: Option<Duration>,
}

impl Patience {
    pub(super) fn new(plan: &Plan, at: Duration, deadline: Option<Duration>) -> Self {
        let latest = deadline.map(|deadline| at + deadline.saturating_sub(at) / 2);
        Self((!plan.straggler_grace.is_zero()).then_some(Left { until: None, latest }))
    }

    pub(super) fn view(&mut self, now: Duration) {
        for at in self.0.iter_mut().flat_map(|left| [&mut left.until, &mut left.latest]).flatten() {
            *at = at.saturating_sub(now);
        }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.0.iter().flat_map(|left| [left.until, left.latest]).flatten().min()
    }

    fn owed(&self) -> Readers {
        match &self.0 {
            None => Readers::Asked,
            Some(Left { until: Some(_), .. }) => Readers::Left,
            Some(_) => Readers::Overdue,
        }
    }
}

impl Oracle {
    /// A reader is asked when its time is over, and not before; the ask after the silent grace spares only readers
    /// whose pipe has not ended.
    pub(super) fn readers(
        &mut self,
        turn: &Turn<'_>,
        cause: Option<Cause>,
        had_asked: bool,
        asked: &[Effect],
    ) -> Verdict {
        let stop = self.stop.as_mut().filter(|_| turn.after.phase() == Phase::Terminating);
        let Some(stop) = stop else { return Ok(()) };
        let patience = &mut stop.readers;
        let had_asked = self.main_has_ended || had_asked || (cause.is_some() && stop.progress.has_asked);
        if let (Event::PipeEnded, Some(left), true) = (turn.event, &mut patience.0, had_asked) {
            left.until = Some(turn.at + turn.plan().straggler_grace);
        }
        let goes_on = !turn.is_end() && !stop.progress.is_left_to_others();
        let is_due = |at: Option<Duration>| goes_on && at.is_some_and(|at| at <= turn.at);
        let due = is_due(patience.next());
        patience.0 = patience.0.take().filter(|left| !is_due(left.latest));
        patience.0.iter_mut().for_each(|left| left.until = left.until.filter(|at| !is_due(Some(*at))));
        let may_ask = stop.progress.has_asked || self.main_has_ended;
        rule(!due || !may_ask || !asked.is_empty(), "a reader whose time is over is asked")?;
        let Some(Effect::AskOrphans(_, _, readers)) = asked.last() else { return Ok(()) };
        let after_grace = cause == Some(Cause::MainExited) && *readers == Readers::AtEnd;
        rule(after_grace || *readers == patience.owed(), "a reader has its time, and no longer")
    }
}
