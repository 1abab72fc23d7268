//! Compares the stop times with those of an earlier day.

use super::check::{Check, Judge, Profile, Run};
use super::several::Times;
use super::verdict::Verdict;
use crate::check::observed::Observed;
use crate::check::options::baseline::Baseline;
use crate::check::runs::scenario::Scenario;
use crate::check::time::short;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[BASELINE];

/// Anything less than either is noise.
const WORSE_PERCENT: u64 = 25;
const WORSE_MS: u64 = 100;

pub(in crate::check) const BASELINE: Check = Check {
    id: "baseline",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "stops have not become slower",
    more: "Only with --baseline FILE. Fails when the median of the stop times is more than 25 % and more \
         than 100 ms above that of the file; inconclusive when the machine was busy, or has another number \
         of cores.",
    judge: Judge::Times(compared),
};

/// Compares the times of this test with those of the file.
fn compared(run: &Run<'_>) -> Verdict {
    let Some(before) = &run.options.baseline else {
        return Verdict::skip(BASELINE.id, "there is nothing to compare with: give --baseline FILE");
    };
    let is_starved = run.all.plain_runs().any(Observed::is_starved);
    baseline(before, &Baseline::of(&Times::of(run.all)), is_starved)
}

/// Whether the stop has become slower.
pub(super) fn baseline(before: &Baseline, now: &Baseline, is_starved: bool) -> Verdict {
    let text =
        format!("median stop time {}, {} in the baseline", short(now.median_ms), short(before.median_ms));
    let more = now.median_ms.saturating_sub(before.median_ms);
    let is_worse =
        more > WORSE_MS && more.saturating_mul(100) > before.median_ms.saturating_mul(WORSE_PERCENT);
    match (is_worse, is_starved) {
        (false, _) => Verdict::pass(BASELINE.id, text),
        (true, true) => {
            Verdict::inconclusive(BASELINE.id, format!("{text}; the machine was too busy to tell"))
        }
        (true, false) if before.cores != now.cores => {
            let text = format!("{text}; cores then and now: {} and {}", before.cores, now.cores);
            Verdict::inconclusive(BASELINE.id, text)
        }
        (true, false) => Verdict::fail(
            BASELINE.id,
            text,
            "find what has become slower, or accept it: --save-baseline FILE",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::checks::verdict::Word;
    use crate::check::observed::Noise;

    #[test]
    fn only_a_real_regression_fails() {
        let noise = Noise::default();
        let of = |median_ms| Baseline { schema: 1, runs: 5, median_ms, max_ms: median_ms, cores: 2, noise };
        let word = |before, now| super::baseline(&of(before), &of(now), false).word();
        assert_eq!(word(10, 100), Word::Pass, "within the noise of a clock");
        assert_eq!(word(1000, 1200), Word::Pass, "less than a quarter");
        assert_eq!(word(1000, 1300), Word::Fail);
        assert_eq!(super::baseline(&of(1000), &of(1300), true).word(), Word::Inconclusive);
    }
}
