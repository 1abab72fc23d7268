//! Stop times of another day, to compare with.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::observed::Noise;
use super::statistics::Times;
use super::time::told as time;
use super::verdict::{Verdict, Word};
use crate::os::{reason, whole_file};

/// Less than both is noise.
const WORSE_PERCENT: u64 = 25;
const WORSE_MS: u64 = 100;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Baseline {
    schema: u8,
    runs: usize,
    median_ms: u64,
    max_ms: u64,
    cores: usize,
    noise: Noise,
}

impl Baseline {
    pub(super) fn of(times: &Times) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            schema: 1,
            runs: times.count(),
            median_ms: times.median(),
            max_ms: times.max(),
            cores,
            noise: times.noise,
        }
    }

    pub(super) fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}; make one with --save-baseline", reason(&error)))?;
        let baseline: Self = serde_json::from_str(&text)
            .map_err(|_| "that is no baseline; make one with --save-baseline".to_owned())?;
        if baseline.schema == 1 {
            Ok(baseline)
        } else {
            Err("it was made by another version; make a new one".to_owned())
        }
    }

    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string(self).map_err(std::io::Error::other)?;
        whole_file::write(path, format!("{text}\n").as_bytes(), |_| {})
    }

    /// Whether the stop has become slower.
    pub(super) fn judge(&self, now: &Self, is_starved: bool) -> Verdict {
        let text = format!(
            "half of the stops within {}, {} in the baseline",
            time(now.median_ms),
            time(self.median_ms)
        );
        let more = now.median_ms.saturating_sub(self.median_ms);
        let is_worse =
            more > WORSE_MS && more.saturating_mul(100) > self.median_ms.saturating_mul(WORSE_PERCENT);
        match (is_worse, is_starved) {
            (false, _) => Verdict::new("baseline", Word::Pass, text),
            (true, true) => {
                Verdict::new("baseline", Word::Inconclusive, format!("{text}; but the machine starved it"))
            }
            (true, false) if self.cores != now.cores => {
                let text =
                    format!("{text}; but it was made on {} cores, and this has {}", self.cores, now.cores);
                Verdict::new("baseline", Word::Inconclusive, text)
            }
            (true, false) => Verdict::new("baseline", Word::Fail, text)
                .because("find what has become slower; or accept it: --save-baseline FILE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_regression_fails() {
        let noise = Noise::default();
        let baseline =
            |median_ms| Baseline { schema: 1, runs: 5, median_ms, max_ms: median_ms, cores: 2, noise };
        let word = |before, now| baseline(before).judge(&baseline(now), false).word;
        assert_eq!(word(10, 100), Word::Pass, "within the noise of a clock");
        assert_eq!(word(1000, 1200), Word::Pass, "less than a quarter");
        assert_eq!(word(1000, 1300), Word::Fail);
        assert_eq!(baseline(1000).judge(&baseline(1300), true).word, Word::Inconclusive);
    }
}
