//! What changed between the looks: frozen, spinning, progressing or starved.

use serde::{Deserialize, Serialize};

use super::look::{Look, Moment, SeenProcess, Thread};
use super::series::Series;

/// The whole workload in one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Nothing moved.
    Frozen,
    /// It has less open than before, or did some work.
    Progressing,
    /// It used more than four fifths of a CPU.
    Spinning,
    /// It waited for a CPU for more than a fifth of the time.
    Starved,
}

impl Progress {
    /// The word that is printed.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Progressing => "progressing",
            Self::Spinning => "spinning",
            Self::Starved => "starved",
        }
    }
}

/// Percent of one CPU, or of the time: at or above the first a process works, above the second it spins, above
/// the third a thread starves.
const WORKS_PERCENT: u64 = 5;
const SPINS_PERCENT: u64 = 80;
const STARVES_PERCENT: u64 = 20;

/// What one process did between the first and the last look after it was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity<'a> {
    pub(super) first: &'a SeenProcess,
    pub(super) last: &'a SeenProcess,
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
}

impl<'a> Series<'a> {
    /// `None` with fewer than two looks.
    pub(super) fn change(&self) -> Option<Activity<'a>> {
        let ((from_ms, first), (to_ms, last)) = (*self.after.first()?, *self.after.last()?);
        (to_ms > from_ms).then_some(Activity { first, last, from_ms, to_ms })
    }

    /// What shrank from each look to the next. The last look comes soon after the one before, so there it only
    /// must not grow. To shrink once, or by chance, is not progress.
    pub(super) fn steady_decline(&self) -> Option<(&'static str, usize, usize)> {
        let (what, first, last) = self.change()?.decline()?;
        let count = |seen: &SeenProcess| {
            counts(seen).into_iter().find(|(name, _)| *name == what).map(|(_, count)| count)
        };
        let all: Vec<usize> = self.after.iter().filter_map(|(_, seen)| count(seen)).collect();
        let spans = all.len().saturating_sub(2).max(1);
        let mut pairs = all.windows(2);
        let is_steady = pairs.by_ref().take(spans).all(|pair| pair[1] < pair[0]);
        (is_steady && pairs.all(|pair| pair[1] <= pair[0])).then_some((what, first, last))
    }
}

impl Activity<'_> {
    pub(super) fn length_ms(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "to_ms is the larger one, and both are of this run"
        )]
        let length_ms = (self.to_ms - self.from_ms) as u64;
        length_ms
    }

    fn percent(&self, ms: u64) -> u64 {
        ms.saturating_mul(100) / self.length_ms().max(1)
    }

    pub(super) fn cpu_ms(&self) -> u64 {
        self.last.cpu_ms.saturating_sub(self.first.cpu_ms)
    }

    /// The wait of the thread that waited longest.
    pub(super) fn starved_ms(&self) -> u64 {
        let of = |thread: &Thread| {
            let first = self.first.threads.iter().find(|one| one.tid == thread.tid)?.starved_ms?;
            Some(thread.starved_ms?.saturating_sub(first))
        };
        self.last.threads.iter().filter_map(of).max().unwrap_or_default()
    }

    /// Whether one thread starves: many that wait a little each do not count, nor does a process that has a whole
    /// CPU and wants more.
    pub(super) fn starves(&self) -> bool {
        self.percent(self.starved_ms()) > STARVES_PERCENT && !self.spins()
    }

    pub(super) fn spins(&self) -> bool {
        self.percent(self.cpu_ms()) > SPINS_PERCENT
    }

    fn works(&self) -> bool {
        self.percent(self.cpu_ms()) >= WORKS_PERCENT
    }

    /// The first figure that shrank: its name, and its first and last value.
    pub(super) fn decline(&self) -> Option<(&'static str, usize, usize)> {
        let pairs = counts(self.first).into_iter().zip(counts(self.last));
        let mut declines = pairs.filter(|((_, first), (_, last))| last < first);
        declines.next().map(|((name, first), (_, last))| (name, first, last))
    }
}

/// What a process has open.
fn counts(seen: &SeenProcess) -> [(&'static str, usize); 3] {
    [
        ("connections", seen.sockets.connected),
        ("threads", seen.thread_count),
        ("open files", seen.file_count.unwrap_or_default()),
    ]
}

/// The word for the whole workload, from the processes that were killed; `None` with fewer than two looks.
pub(super) fn of(all: &[Series<'_>], looks: &[Look], killed: usize) -> Option<Progress> {
    let each = all.iter().filter_map(Series::change).map(|change| match change {
        _ if change.starves() => Progress::Starved,
        _ if change.spins() => Progress::Spinning,
        _ if change.works() || change.decline().is_some() => Progress::Progressing,
        _ => Progress::Frozen,
    });
    each.max().max(fewer_processes(looks, killed).map(|_| Progress::Progressing))
}

/// How many processes there were in the first and in the last look after the signal, if they became fewer. Killed
/// processes were still there, even if the last look had no time to count them.
fn fewer_processes(looks: &[Look], killed: usize) -> Option<(usize, usize)> {
    let mut after = looks.iter().filter(|look| look.moment > Moment::Before);
    let count = |look: &Look| look.processes.len() + look.left_out;
    let first = count(after.next()?);
    let last = count(after.next_back()?).max(killed);
    (last < first).then_some((first, last))
}
