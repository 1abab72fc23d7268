//! What changed between the looks: frozen, spinning, progressing or starved.

use serde::{Deserialize, Serialize};

use super::look::{Look, Moment, Seen};
use super::series::Series;

/// The whole workload in one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Nothing moved.
    Frozen,
    /// What is open became less, or it did some work.
    Progressing,
    /// It ran at more than four fifths of a CPU.
    Spinning,
    /// It stood in the queue of the CPU for more than a fifth of the time.
    Starved,
}

impl Progress {
    /// As it is told.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Progressing => "progressing",
            Self::Spinning => "spinning",
            Self::Starved => "starved",
        }
    }
}

/// Parts of a hundred of one CPU: from here on a process is at work, or does nothing else.
const WORKS_PERCENT: u64 = 5;
const SPINS_PERCENT: u64 = 80;
const STARVES_PERCENT: u64 = 20;

/// What one process did between its first and its last look after it was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) first: &'a Seen,
    pub(super) last: &'a Seen,
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
}

impl<'a> Series<'a> {
    /// Nothing with less than two looks.
    pub(super) fn change(&self) -> Option<Change<'a>> {
        let ((from_ms, first), (to_ms, last)) = (*self.after.first()?, *self.after.last()?);
        (to_ms > from_ms).then_some(Change { first, last, from_ms, to_ms })
    }
}

impl Change<'_> {
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

    pub(super) fn starved_ms(&self) -> u64 {
        let (Some(first), Some(last)) = (self.first.starved_ms, self.last.starved_ms) else { return 0 };
        last.saturating_sub(first)
    }

    /// At most once for each CPU: of many threads all may wait at the same time.
    pub(super) fn starves(&self) -> bool {
        self.percent(self.starved_ms()) > STARVES_PERCENT
    }

    pub(super) fn spins(&self) -> bool {
        self.percent(self.cpu_ms()) > SPINS_PERCENT
    }

    fn works(&self) -> bool {
        self.percent(self.cpu_ms()) >= WORKS_PERCENT
    }

    /// What there was first and last of something that became less: its name, and both numbers.
    pub(super) fn decline(&self) -> Option<(&'static str, usize, usize)> {
        let counts = |seen: &Seen| {
            [
                ("connections", seen.sockets.connected),
                ("threads", seen.thread_count),
                ("open files", seen.file_count.unwrap_or_default()),
            ]
        };
        let pairs = counts(self.first).into_iter().zip(counts(self.last));
        let mut declines = pairs.filter(|((_, first), (_, last))| last < first);
        declines.next().map(|((name, first), (_, last))| (name, first, last))
    }
}

/// The word for the whole workload, from those that were killed; nothing with less than two looks.
pub(super) fn of(all: &[Series<'_>], looks: &[Look]) -> Option<Progress> {
    let each = all.iter().filter_map(Series::change).map(|change| match change {
        _ if change.starves() => Progress::Starved,
        _ if change.spins() => Progress::Spinning,
        _ if change.works() || change.decline().is_some() => Progress::Progressing,
        _ => Progress::Frozen,
    });
    each.max().max(fewer_processes(looks).map(|_| Progress::Progressing))
}

/// How many processes there were in the first and in the last look after the signal, if they became fewer.
pub(super) fn fewer_processes(looks: &[Look]) -> Option<(usize, usize)> {
    let mut after = looks.iter().filter(|look| look.moment != Moment::Before);
    let count = |look: &Look| look.processes.len() + look.left_out;
    let first = count(after.next()?);
    let last = count(after.next_back()?);
    (last < first).then_some((first, last))
}
