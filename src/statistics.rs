//! What a number of runs can show, and what it can't.

/// The chance that a statement is wrong: 5 %.
const DOUBT: f64 = 0.05;

/// Limits that are easy to remember, in seconds.
const ROUND_S: [u64; 10] = [1, 2, 3, 5, 10, 15, 20, 30, 45, 60];

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
pub(crate) fn summary(values: &[f64]) -> Option<Summary> {
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
pub(crate) fn covered_percent(runs: usize) -> u32 {
    if runs == 0 {
        return 0;
    }
    (DOUBT.powf(1.0 / runs as f64) * 100.0) as u32
}

/// The upper bound of the failure rate, with 95 % confidence, if none of this many runs failed; in percent.
#[expect(clippy::cast_precision_loss, reason = "nobody counts that many runs")]
pub(crate) fn failure_bound_percent(runs: usize) -> f64 {
    if runs == 0 { 100.0 } else { (300.0 / runs as f64).min(100.0) }
}

/// Twice the largest stop time, rounded up to a limit that is easy to remember; in seconds.
pub(crate) fn recommended_limit_s(max_ms: f64) -> u64 {
    let wanted_s = max_ms * 2.0 / 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    let fits = |limit_s: &u64| *limit_s as f64 >= wanted_s;
    ROUND_S.into_iter().find(fits).unwrap_or_else(|| whole_minutes(wanted_s))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole_minutes(seconds: f64) -> u64 {
    ((seconds / 60.0).ceil() as u64).saturating_mul(60)
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
        let limits = [0.0, 499.0, 501.0, 1500.0, 2600.0, 30_000.0, 30_001.0, 1e300].map(recommended_limit_s);
        assert_eq!(limits[..7], [1, 1, 2, 3, 10, 60, 120]);
        assert_eq!(limits[7], u64::MAX);
    }

    #[test]
    fn every_value_is_in_a_bar() {
        let counts = |values: &[f64]| histogram(values, 4).iter().map(|bar| bar.count).collect::<Vec<_>>();
        assert_eq!(counts(&[0.0, 1.0, 2.0, 3.0, 4.0]), [1, 1, 1, 2]);
        assert_eq!(counts(&[5.0, 5.0]), [2]);
        assert_eq!(counts(&[]), [0; 0]);
    }
}
