//! When winddown looks at the workload during a stop.

use std::time::Duration;

use crate::lifecycle::event::Moment;

/// The first look comes this long after the signal, so that a quick stop has none.
const EARLY_AFTER: Duration = Duration::from_millis(100);
/// The last look comes this long before SIGKILL, so that it can't delay it.
const LAST_BEFORE: Duration = Duration::from_millis(25);

/// The looks that are still to come.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(super) struct Moments {
    /// `None` once the look was taken.
    pub(super) early: Option<Duration>,
    pub(super) half: Option<Duration>,
    pub(super) late: Option<Duration>,
    has_last: bool,
    /// Whether looks are wanted at all.
    is_wanted: bool,
}

impl Moments {
    /// The looks of a stop that starts now.
    pub(super) fn new(looks: bool, now: Duration, deadline: Option<Duration>) -> Self {
        let length = deadline.map(|deadline| deadline.saturating_sub(now)).filter(|_| looks);
        Self {
            early: looks.then(|| now.saturating_add(EARLY_AFTER)),
            half: length.map(|length| now.saturating_add(length / 2)),
            late: length.map(|length| now.saturating_add(length / 10 * 9)),
            has_last: looks,
            is_wanted: looks,
        }
    }

    /// The deadline moved: the last look is due again.
    pub(super) const fn await_last(&mut self) {
        self.has_last = self.is_wanted;
    }

    /// Takes the last look now; false if it is not wanted, or was taken already.
    pub(super) fn take_last(&mut self) -> bool {
        (self.early, self.half, self.late) = (None, None, None);
        std::mem::take(&mut self.has_last)
    }

    fn each(&self, kill_at: Option<Duration>) -> [(Moment, Option<Duration>); 4] {
        let last = kill_at.map(|at| at.saturating_sub(LAST_BEFORE)).filter(|_| self.has_last);
        [
            (Moment::Early, self.early),
            (Moment::Half, self.half),
            (Moment::Late, self.late),
            (Moment::Last, last),
        ]
    }

    /// When the next look is due, with SIGKILL due at `kill_at`.
    pub(super) fn next(&self, kill_at: Option<Duration>) -> Option<Duration> {
        self.each(kill_at).into_iter().filter_map(|(_, at)| at).min()
    }

    /// Takes the latest look that is due; earlier ones are skipped.
    pub(super) fn take(&mut self, now: Duration, kill_at: Option<Duration>) -> Option<Moment> {
        let is_due = |(_, at): &(Moment, Option<Duration>)| at.is_some_and(|at| at <= now);
        let (due, _) = self.each(kill_at).into_iter().rfind(is_due)?;
        self.early = None;
        self.half = self.half.filter(|_| due < Moment::Half);
        self.late = self.late.filter(|_| due < Moment::Late);
        self.has_last &= due < Moment::Last;
        Some(due)
    }
}
