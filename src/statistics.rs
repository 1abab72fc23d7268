//! What a number of runs can show, and what it can't.

/// The chance that a statement is wrong: 5 %.
const DOUBT: f64 = 0.05;

/// With fewer runs, more than a fifth of the stops to come may fail: a limit beside that would promise too much.
pub(crate) const RECOMMENDING_RUNS_MIN: usize = 15;

const MINUTE_MS: u64 = 60_000;

/// Limits that are easy to remember.
const ROUND_MS: [u64; 10] = [1000, 2000, 3000, 5000, 10_000, 15_000, 20_000, 30_000, 45_000, MINUTE_MS];

/// How long the stops of some runs took, and what that says of the next ones.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct StopTimes {
    /// Of the runs that have one.
    pub(crate) times_ms: Vec<f64>,
    pub(crate) runs: usize,
    /// How many of the runs failed.
    pub(crate) failed: usize,
}

impl StopTimes {
    pub(crate) fn summary(&self) -> Option<Summary> {
        summary(&self.times_ms)
    }

    /// How many of the stops to come are within the longest of these.
    pub(crate) fn covered_percent(&self) -> u32 {
        covered_percent(self.runs)
    }

    /// Fewer of the stops to come fail; `None` where one has failed.
    pub(crate) fn failure_bound_percent(&self) -> Option<f64> {
        (self.failed == 0).then(|| failure_bound_percent(self.runs))
    }

    /// Twice the longest time, rounded up; `None` where a run has failed, or there are fewer than
    /// [`RECOMMENDING_RUNS_MIN`].
    pub(crate) fn recommended_limit_ms(&self) -> Option<u64> {
        let is_shown = self.failed == 0 && self.runs >= RECOMMENDING_RUNS_MIN;
        self.summary().filter(|_| is_shown).map(|found| round_ms(found.max * 2.0))
    }
}

/// A sample in a few figures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) min: f64,
    /// The one in the middle.
    pub(crate) median: f64,
    pub(crate) max: f64,
}

/// `None` without values.
fn summary(values: &[f64]) -> Option<Summary> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() {
        0 => return None,
        count if count.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    };
    Some(Summary { count: sorted.len(), min: sorted[0], median, max: sorted[sorted.len() - 1] })
}

/// The quantile that the maximum of this many runs reaches with 95 % confidence, in percent: 86 for 20 runs.
#[expect(clippy::cast_precision_loss, reason = "nobody counts that many runs")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within 0 to 100")]
fn covered_percent(runs: usize) -> u32 {
    if runs == 0 {
        return 0;
    }
    (DOUBT.powf(1.0 / runs as f64) * 100.0) as u32
}

/// The upper bound of the failure rate, with 95 % confidence, if none of this many runs failed; in percent.
#[expect(clippy::cast_precision_loss, reason = "nobody counts that many runs")]
fn failure_bound_percent(runs: usize) -> f64 {
    if runs == 0 { 100.0 } else { (300.0 / runs as f64).min(100.0) }
}

/// The next limit that is easy to remember; from a minute on, whole minutes.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn round_ms(wanted_ms: f64) -> u64 {
    let wanted_ms = wanted_ms.ceil() as u64;
    let round = ROUND_MS.into_iter().find(|limit_ms| *limit_ms >= wanted_ms);
    round.unwrap_or_else(|| wanted_ms.div_ceil(MINUTE_MS).saturating_mul(MINUTE_MS))
}

/// One bar of a histogram.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Bin {
    /// Its lower end.
    pub(crate) from: f64,
    /// Its upper end, which only the last bar includes.
    pub(crate) to: f64,
    /// How many values are in it.
    pub(crate) count: usize,
}

/// At most this many bars of equal width, from the smallest value to the largest.
#[expect(clippy::cast_precision_loss, reason = "there are few bars")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the bars")]
pub(crate) fn histogram(values: &[f64], bars_max: usize) -> Vec<Bin> {
    let Some(Summary { min, max, .. }) = summary(values) else { return Vec::new() };
    let width = (max - min) / bars_max.max(1) as f64;
    if width <= 0.0 || !width.is_finite() {
        return vec![Bin { from: min, to: max, count: values.len() }];
    }
    let bar = |index: usize| {
        let from = width.mul_add(index as f64, min);
        Bin { from, to: from + width, count: 0 }
    };
    let mut bars: Vec<Bin> = (0..bars_max).map(bar).collect();
    for value in values {
        let index = ((value - min) / width) as usize;
        bars[index.min(bars_max - 1)].count += 1;
    }
    bars
}

/// The count of the fullest bar; never 0.
pub(crate) fn tallest(bars: &[Bin]) -> usize {
    bars.iter().map(|bar| bar.count).max().unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_middle() {
        assert_eq!(summary(&[]), None);
        let of_three = Summary { count: 3, min: 1.0, median: 2.0, max: 9.0 };
        assert_eq!(summary(&[9.0, 1.0, 2.0]), Some(of_three));
        assert_eq!(summary(&[4.0, 1.0, 2.0, 9.0]).map(|found| found.median), Some(3.0));
    }

    #[test]
    fn the_maximum_covers_what_the_number_of_runs_allows() {
        let covered = [0, 1, 20, 59, 299].map(covered_percent);
        assert_eq!(covered, [0, 5, 86, 95, 99]);
    }

    #[test]
    fn no_failure_bounds_the_rate() {
        let bounds = [0, 1, 3, 20, 300].map(failure_bound_percent);
        assert_eq!(bounds.map(|bound| bound.round().to_string()), ["100", "100", "100", "15", "1"]);
    }

    #[test]
    fn the_limit_is_twice_the_maximum_and_round() {
        let limit = |max_ms: f64| {
            StopTimes { times_ms: vec![1.0, max_ms], runs: 15, failed: 0 }.recommended_limit_ms()
        };
        let limits = [0.0, 499.0, 501.0, 1500.0, 2600.0, 30_000.0, 30_001.0, 70_000.0].map(limit);
        let expected = [1000, 1000, 2000, 3000, 10_000, 60_000, 120_000, 180_000];
        assert_eq!(limits, expected.map(Some));
        assert_eq!(limit(1e300), Some(u64::MAX));
    }

    #[test]
    fn a_limit_is_recommended_only_where_the_runs_can_show_one() {
        let limit =
            |runs, failed| StopTimes { times_ms: vec![7.0; runs], runs, failed }.recommended_limit_ms();
        assert_eq!([limit(15, 0), limit(14, 0), limit(0, 0), limit(16, 1)], [Some(1000), None, None, None]);
    }

    #[test]
    fn every_value_is_in_a_bar() {
        let counts = |values: &[f64]| histogram(values, 4).iter().map(|bar| bar.count).collect::<Vec<_>>();
        assert_eq!(counts(&[0.0, 1.0, 2.0, 3.0, 4.0]), [1, 1, 1, 2]);
        assert_eq!(counts(&[5.0, 5.0]), [2]);
        assert_eq!(counts(&[]), [0; 0]);
    }
}
