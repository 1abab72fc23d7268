//! What several runs show, and what they can't show, in words.

use std::fmt::Write;

use serde::Serialize;

use crate::check::observed::{AllRuns, Noise, Observed};
use crate::check::time::short;
use crate::report::histogram;
use crate::statistics::{Summary, covered_percent, failure_bound_percent, recommended_limit_s, summary};
use crate::text::counted;

/// The stop times of all plain runs, and how busy the machine was meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct Times {
    times_ms: Vec<u64>,
    /// The worst of all runs.
    pub(in crate::check) noise: Noise,
}

/// The figures of several plain runs. Statements about the future hold with 95 % confidence.
#[derive(Serialize)]
pub(in crate::check) struct Figures {
    runs: usize,
    failed: usize,
    /// The failure rate is below that; nothing where a run has failed.
    failure_bound_percent: Option<f64>,
    min_ms: u64,
    median_ms: u64,
    max_ms: u64,
    /// How many of the stops to come are within the longest of these.
    covered_percent: u32,
    /// Nothing where the runs can show none.
    recommended_limit_s: Option<u64>,
    /// The worst that a stop met.
    cpu_wait_ms: u64,
    cpu_pressure: Option<f64>,
}

impl Times {
    pub(in crate::check) fn of(seen: &AllRuns) -> Self {
        let noise = seen.plain_runs().map(|run| run.noise).fold(Noise::default(), Noise::or);
        Self::new(seen.plain_runs().filter_map(Observed::stop_ms).collect(), noise)
    }

    fn new(times_ms: Vec<u64>, noise: Noise) -> Self {
        Self { times_ms, noise }
    }

    pub(in crate::check) fn count(&self) -> usize {
        self.times_ms.len()
    }

    /// The median, rounded up to whole milliseconds.
    pub(in crate::check) fn median(&self) -> u64 {
        whole(self.summary().map(|found| found.median))
    }

    pub(in crate::check) fn max(&self) -> u64 {
        whole(self.summary().map(|found| found.max))
    }

    fn min(&self) -> u64 {
        whole(self.summary().map(|found| found.min))
    }

    fn summary(&self) -> Option<Summary> {
        summary(&self.values())
    }

    /// The times as numbers for statistics. Whole milliseconds stay exact.
    #[expect(clippy::cast_precision_loss, reason = "exact for runs of up to 285,000 years")]
    fn values(&self) -> Vec<f64> {
        self.times_ms.iter().map(|time| *time as f64).collect()
    }

    fn recommended_s(&self) -> u64 {
        recommended_limit_s(self.summary().map_or(0.0, |found| found.max))
    }

    /// The same as numbers, where so many of the runs have failed.
    pub(in crate::check) fn figures(&self, failed: usize) -> Figures {
        let count = self.count();
        Figures {
            runs: count,
            failed,
            failure_bound_percent: (failed == 0).then(|| failure_bound_percent(count)),
            min_ms: self.min(),
            median_ms: self.median(),
            max_ms: self.max(),
            covered_percent: covered_percent(count),
            recommended_limit_s: self.recommends(failed).then(|| self.recommended_s()),
            cpu_wait_ms: self.noise.waited_ms,
            cpu_pressure: self.noise.pressure,
        }
    }

    /// Whether the runs can show a limit: none failed, and they are enough to say anything of the next.
    fn recommends(&self, failed: usize) -> bool {
        failed == 0 && failure_bound_percent(self.count()) < 100.0
    }

    fn recommendation(&self, failed: usize) -> String {
        if self.recommends(failed) {
            format!("recommended limit: -t {}s (twice the longest)", self.recommended_s())
        } else if failed > 0 {
            "no limit is recommended as long as runs fail".to_owned()
        } else {
            "no limit is recommended: that takes more runs (--runs)".to_owned()
        }
    }

    /// The range, a plot, and what it is worth.
    pub(in crate::check) fn describe(&self, failed: usize) -> String {
        let mut text = String::new();
        let count = self.count();
        let runs = counted(count, "run", "s");
        let [min, median, max] = [self.min(), self.median(), self.max()].map(short);
        let _ = writeln!(text, "  stops  {runs}: {min} to {max}, median {median}");
        for bar in histogram::lines(&self.values()) {
            let _ = writeln!(text, "  {bar}");
        }
        let rate = if failed == 0 {
            let bound = failure_bound_percent(count);
            format!("no failure in {runs}: up to {bound:.0} % may still fail")
        } else {
            format!("{failed} of {runs} failed")
        };
        let covered = covered_percent(count);
        let _ = writeln!(text, "  {rate}; {covered} % of stops are within {max} (95 % confidence)");
        let _ = writeln!(text, "  {}", self.recommendation(failed));
        let _ = writeln!(text, "  the worst stop {}", self.noise);
        text
    }
}

/// Rounded up; 0 if there is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is one of the times, or between two"
)]
fn whole(ms: Option<f64>) -> u64 {
    ms.unwrap_or_default().ceil() as u64
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData as _, assert_data_eq, str};

    use super::*;

    #[test]
    fn the_median_is_that_of_the_report() {
        let median = |times: &[u64]| Times::new(times.to_vec(), Noise::default()).median();
        assert_eq!([median(&[]), median(&[9, 1, 2]), median(&[9, 1, 2, 4]), median(&[1, 2])], [0, 2, 3, 2]);
    }

    #[test]
    fn no_failure_is_no_proof() {
        let text = Times::new(vec![7; 5], Noise::default()).describe(0);
        assert_data_eq!(
            text,
            str![[r#"
  stops  5 runs: 7ms to 7ms, median 7ms
  7ms to 7ms  ######################################## 5
  no failure in 5 runs: up to 60 % may still fail; 54 % of stops are within 7ms (95 % confidence)
  recommended limit: -t 1s (twice the longest)
  the worst stop waited 0ms for a CPU

"#]]
            .into_data()
            .raw()
        );
    }

    #[test]
    fn a_limit_is_recommended_only_where_the_runs_can_show_one() {
        let recommended = |runs, failed| Times::new(vec![7; runs], Noise::default()).recommendation(failed);
        assert_eq!(recommended(5, 0), "recommended limit: -t 1s (twice the longest)");
        assert_eq!(recommended(3, 0), "no limit is recommended: that takes more runs (--runs)");
        assert_eq!(recommended(5, 1), "no limit is recommended as long as runs fail");
    }

    #[test]
    fn the_limit_is_twice_the_longest_and_round() {
        let limit = |max: u64| Times::new(vec![1, max], Noise::default()).recommended_s();
        assert_eq!([0, 400, 600, 2600, 31_000, 70_000].map(limit), [1, 1, 2, 10, 120, 180]);
    }
}
