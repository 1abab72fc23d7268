//! What several runs show, and what they can't show, in words.

use serde::Serialize;

use crate::check::observed::{AllRuns, Noise, Observed};
use crate::check::time::{short, whole_ms};
use crate::report::histogram;
use crate::statistics::{RECOMMENDING_RUNS_MIN, StopTimes};
use crate::text::counted;

/// The stop times of all plain runs, and how busy the machine was meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct Times {
    times: StopTimes,
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
    recommended_limit_ms: Option<u64>,
    /// The worst that a stop met.
    cpu_wait_ms: u64,
    cpu_pressure: Option<f64>,
}

impl Times {
    pub(in crate::check) fn of(seen: &AllRuns) -> Self {
        let noise = seen.plain_runs().map(|run| run.noise).fold(Noise::default(), Noise::or);
        Self::new(seen.plain_runs().filter_map(Observed::stop_ms), noise)
    }

    /// Whole milliseconds stay exact as numbers for statistics.
    #[expect(clippy::cast_precision_loss, reason = "exact for runs of up to 285,000 years")]
    fn new(times_ms: impl Iterator<Item = u64>, noise: Noise) -> Self {
        let times_ms: Vec<f64> = times_ms.map(|time| time as f64).collect();
        Self { times: StopTimes { runs: times_ms.len(), times_ms, failed: 0 }, noise }
    }

    /// So many of the runs have failed a check.
    pub(in crate::check) fn with_failed(mut self, failed: usize) -> Self {
        self.times.failed = failed;
        self
    }

    pub(in crate::check) fn count(&self) -> usize {
        self.times.runs
    }

    pub(in crate::check) fn median(&self) -> u64 {
        whole(self.times.summary().map(|found| found.median))
    }

    pub(in crate::check) fn max(&self) -> u64 {
        whole(self.times.summary().map(|found| found.max))
    }

    fn min(&self) -> u64 {
        whole(self.times.summary().map(|found| found.min))
    }

    /// The same as numbers.
    pub(in crate::check) fn figures(&self) -> Figures {
        Figures {
            runs: self.count(),
            failed: self.times.failed,
            failure_bound_percent: self.times.failure_bound_percent(),
            min_ms: self.min(),
            median_ms: self.median(),
            max_ms: self.max(),
            covered_percent: self.times.covered_percent(),
            recommended_limit_ms: self.times.recommended_limit_ms(),
            cpu_wait_ms: self.noise.waited_ms,
            cpu_pressure: self.noise.pressure,
        }
    }

    fn recommendation(&self) -> String {
        match self.times.recommended_limit_ms() {
            Some(limit_ms) => format!("recommended limit: -t {} (twice the longest)", short(limit_ms)),
            None if self.times.failed > 0 => "no limit is recommended as long as runs fail".to_owned(),
            None => format!("no limit is recommended: that takes --runs {RECOMMENDING_RUNS_MIN} or more"),
        }
    }

    /// The range, a plot, and what it is worth, in lines for a terminal of so many columns.
    pub(in crate::check) fn describe(&self, columns: Option<usize>) -> Vec<String> {
        let runs = counted(self.count(), "run", "s");
        let [min, median, max] = [self.min(), self.median(), self.max()].map(short);
        let range = format!("stops  {runs}: {min} to {max}, median {median}");
        let bars = histogram::lines(&self.times.times_ms, columns);
        let rate = match self.times.failure_bound_percent() {
            Some(bound) => format!("no failure in {runs}: up to {bound:.0} % may still fail"),
            None => format!("{} of {runs} failed", self.times.failed),
        };
        let covered = self.times.covered_percent();
        let sentences = [
            format!("{rate}; {covered} % of stops are within {max} (95 % confidence)"),
            self.recommendation(),
            format!("the machine at its busiest: {}", self.noise),
        ];
        [range].into_iter().chain(bars).chain(sentences).collect()
    }
}

/// 0 if there is none.
fn whole(ms: Option<f64>) -> u64 {
    whole_ms(ms.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData as _, assert_data_eq, str};

    use super::*;

    fn times(times_ms: &[u64], failed: usize) -> Times {
        Times::new(times_ms.iter().copied(), Noise::default()).with_failed(failed)
    }

    #[test]
    fn the_median_is_that_of_the_report() {
        let median = |times_ms: &[u64]| times(times_ms, 0).median();
        assert_eq!([median(&[]), median(&[9, 1, 2]), median(&[9, 1, 2, 4]), median(&[1, 2])], [0, 2, 3, 2]);
    }

    #[test]
    fn no_failure_is_no_proof() {
        let text = times(&[7; 20], 0).describe(None).join("\n");
        assert_data_eq!(
            text,
            str![[r#"
stops  20 runs: 7ms to 7ms, median 7ms
7ms to 7ms  ######################################## 20
no failure in 20 runs: up to 15 % may still fail; 86 % of stops are within 7ms (95 % confidence)
recommended limit: -t 1s (twice the longest)
the machine at its busiest: no wait for a CPU
"#]]
            .into_data()
            .raw()
        );
    }

    #[test]
    fn a_limit_is_recommended_only_where_the_runs_can_show_one() {
        let recommended = |runs, failed| times(&vec![7; runs], failed).recommendation();
        assert_eq!(recommended(15, 0), "recommended limit: -t 1s (twice the longest)");
        assert_eq!(recommended(14, 0), "no limit is recommended: that takes --runs 15 or more");
        assert_eq!(recommended(16, 1), "no limit is recommended as long as runs fail");
    }
}
