//! What several runs show, and what they can't.

use std::fmt::Write;

use super::judge::time;
use super::observed::Seen;

/// Limits that people remember, in seconds.
const LIMITS_S: [u64; 10] = [1, 2, 3, 5, 10, 15, 20, 30, 45, 60];
const BINS: usize = 8;
const BAR: usize = 40;

/// The stop times of all plain runs, in order of length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Times(Vec<u64>);

impl Times {
    pub(super) fn of(seen: &Seen) -> Self {
        Self::new(seen.plain_runs().filter_map(super::observed::Observed::stop_ms).collect())
    }

    fn new(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> u64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    pub(super) fn max(&self) -> u64 {
        self.0.last().copied().unwrap_or_default()
    }

    fn min(&self) -> u64 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Twice the longest, rounded up to a limit that people remember.
    pub(super) fn recommended_s(&self) -> u64 {
        let wanted = self.max().saturating_mul(2).div_ceil(1000);
        LIMITS_S.into_iter().find(|limit| *limit >= wanted).unwrap_or(wanted.div_ceil(60).saturating_mul(60))
    }

    /// The part of stops that the longest of so many covers with 95 % confidence, in percent.
    pub(super) fn covered_percent(&self) -> u64 {
        let runs = u32::try_from(self.count().max(1)).unwrap_or(u32::MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
        let percent = (0.05_f64.powf(1.0 / f64::from(runs)) * 100.0).floor() as u64;
        percent
    }

    /// The part of runs that may fail although none did, with 95 % confidence, in percent.
    pub(super) fn failing_percent(&self) -> u64 {
        300_u64.div_ceil(u64::try_from(self.count().max(1)).unwrap_or(u64::MAX)).min(100)
    }

    /// Range, plot, and what it is worth.
    pub(super) fn told(&self, failed: usize) -> String {
        let mut text = String::new();
        let count = self.count();
        let [min, median, max] = [self.min(), self.median(), self.max()].map(time);
        let _ = writeln!(text, "  stops  {count} runs: from {min} to {max}, half of them within {median}");
        self.plot(&mut text);
        let rate = if failed == 0 {
            format!("no failure in {count} runs: up to {} % may still fail", self.failing_percent())
        } else {
            format!("{failed} of {count} runs failed")
        };
        let _ = writeln!(
            text,
            "  {rate}; {} % of stops are within {max} (95 % confidence)",
            self.covered_percent()
        );
        let _ = writeln!(text, "  recommended limit: -t {}s (twice the longest)", self.recommended_s());
        text
    }

    fn plot(&self, text: &mut String) {
        let width = (self.max() - self.min()).div_ceil(BINS as u64).max(1);
        let mut bins = [0_usize; BINS];
        for one in &self.0 {
            let bin = usize::try_from((one - self.min()) / width).unwrap_or(BINS).min(BINS - 1);
            bins[bin] += 1;
        }
        let most = bins.iter().max().copied().unwrap_or_default().max(1);
        let last = bins.iter().rposition(|count| *count > 0).unwrap_or_default();
        for (at, count) in bins.iter().enumerate().take(last + 1) {
            let from = self.min().saturating_add(width.saturating_mul(at as u64));
            let bar = "#".repeat((count * BAR).div_ceil(most));
            let _ = writeln!(text, "  {:>9} | {bar:<BAR$} {count}", time(from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_runs_show_so_much() {
        let times = |count: u64| Times::new((1..=count).collect());
        assert_eq!([20, 59, 299].map(|count| times(count).covered_percent()), [86, 95, 99]);
        assert_eq!([1, 3, 20, 300].map(|count| times(count).failing_percent()), [100, 100, 15, 1]);
    }

    #[test]
    fn the_limit_is_twice_the_longest_and_round() {
        let limit = |max: u64| Times::new(vec![1, max]).recommended_s();
        assert_eq!([0, 400, 600, 2600, 31_000, 70_000].map(limit), [1, 1, 2, 10, 120, 180]);
    }

    #[test]
    fn equal_times_are_one_bar() {
        let text = Times::new(vec![7; 5]).told(0);
        assert_eq!(text.lines().filter(|line| line.contains('|')).count(), 1, "{text}");
        assert!(text.contains("no failure in 5 runs: up to 60 % may still fail"), "{text}");
    }
}
