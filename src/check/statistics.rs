//! What several runs show, and what they can't, for people.

use std::fmt::Write;

use super::observed::{Noise, Observed, Seen};
use super::time::told as time;
use crate::statistics::{Bar, covered_percent, failure_bound_percent, histogram, recommended_limit_s};

const BARS_MAX: usize = 8;
const BAR: usize = 40;

/// The stop times of all plain runs, and how the machine was meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Times {
    /// In order of length.
    sorted_ms: Vec<u64>,
    /// The worst that a run has met.
    pub(super) noise: Noise,
}

impl Times {
    pub(super) fn of(seen: &Seen) -> Self {
        let noise = seen.plain_runs().map(|run| run.noise).fold(Noise::default(), Noise::or);
        Self::new(seen.plain_runs().filter_map(Observed::stop_ms).collect(), noise)
    }

    fn new(mut sorted_ms: Vec<u64>, noise: Noise) -> Self {
        sorted_ms.sort_unstable();
        Self { sorted_ms, noise }
    }

    pub(super) fn count(&self) -> usize {
        self.sorted_ms.len()
    }

    pub(super) fn median(&self) -> u64 {
        self.sorted_ms.get(self.sorted_ms.len() / 2).copied().unwrap_or_default()
    }

    pub(super) fn max(&self) -> u64 {
        self.sorted_ms.last().copied().unwrap_or_default()
    }

    fn min(&self) -> u64 {
        self.sorted_ms.first().copied().unwrap_or_default()
    }

    /// As numbers for statistics: whole milliseconds of any run are exact.
    #[expect(clippy::cast_precision_loss, reason = "exact for runs of up to 285,000 years")]
    fn values(&self) -> Vec<f64> {
        self.sorted_ms.iter().map(|time| *time as f64).collect()
    }

    fn recommended_s(&self) -> u64 {
        recommended_limit_s(self.values().last().copied().unwrap_or_default())
    }

    /// Range, plot, and what it is worth.
    pub(super) fn told(&self, failed: usize) -> String {
        let mut text = String::new();
        let count = self.count();
        let [min, median, max] = [self.min(), self.median(), self.max()].map(time);
        let _ = writeln!(text, "  stops  {count} runs: from {min} to {max}, half of them within {median}");
        self.plot(&mut text);
        let rate = if failed == 0 {
            let bound = failure_bound_percent(count);
            format!("no failure in {count} runs: up to {bound:.0} % may still fail")
        } else {
            format!("{failed} of {count} runs failed")
        };
        let covered = covered_percent(count);
        let _ = writeln!(text, "  {rate}; {covered} % of stops are within {max} (95 % confidence)");
        let _ = writeln!(text, "  recommended limit: -t {}s (twice the longest)", self.recommended_s());
        let _ = writeln!(text, "  at worst a stop {}", self.noise);
        text
    }

    fn plot(&self, text: &mut String) {
        // No bar is narrower than the clock, and few runs need few.
        let range_ms = usize::try_from(self.max() - self.min()).unwrap_or(BARS_MAX);
        let bars = BARS_MAX.min(self.count()).min(range_ms + 1);
        let bars = histogram(&self.values(), bars);
        let most = bars.iter().map(|bar| bar.count).max().unwrap_or_default().max(1);
        for Bar { from, count, .. } in bars {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "one of the times")]
            let from = from as u64;
            let bar = "#".repeat((count * BAR).div_ceil(most));
            let _ = writeln!(text, "  {:>9} | {bar:<BAR$} {count}", time(from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_one_bar() {
        let text = Times::new(vec![7; 5], Noise::default()).told(0);
        assert_eq!(text.lines().filter(|line| line.contains('|')).count(), 1, "{text}");
        assert!(text.contains("no failure in 5 runs: up to 60 % may still fail"), "{text}");
    }

    #[test]
    fn the_limit_is_twice_the_longest_and_round() {
        let limit = |max: u64| Times::new(vec![1, max], Noise::default()).recommended_s();
        assert_eq!([0, 400, 600, 2600, 31_000, 70_000].map(limit), [1, 1, 2, 10, 120, 180]);
    }
}
