//! Medians, and how far a ratio of medians can be trusted.

const RESAMPLES: u32 = 400;

/// A ratio with the interval that holds 95 % of its bootstrap resamples.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 1, 2)
}

/// The sample at `part`/`of` in the sorted list.
pub(crate) fn quantile(samples: &[f64], part: usize, of: usize) -> Option<f64> {
    if samples.is_empty() {
        return None;
    }
    let mut sorted = samples.to_vec();
    let rank = ((sorted.len() - 1) * part + of / 2) / of;
    let (_, value, _) = sorted.select_nth_unstable_by(rank, f64::total_cmp);
    Some(*value)
}

/// Resamples whole rounds, so that a disturbance of both programs in a round stays together.
pub(crate) fn ratio_of_medians(samples: &[f64], baseline: &[f64]) -> Option<Ratio> {
    let value = median(samples)? / median(baseline).filter(|base| *base > 0.0)?;
    let rounds = samples.len().min(baseline.len());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut ratios = Vec::new();
    for _ in 0..RESAMPLES {
        let drawn: Vec<usize> = (0..rounds).map(|_| random.below(rounds)).collect();
        let pick = |from: &[f64]| median(&drawn.iter().map(|&at| from[at]).collect::<Vec<_>>());
        ratios.push(pick(samples)? / pick(baseline)?);
    }
    let (low, high) = (quantile(&ratios, 1, 40)?, quantile(&ratios, 39, 40)?);
    Some(Ratio { value, low, high })
}

/// xorshift64: the same draws in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }
}
