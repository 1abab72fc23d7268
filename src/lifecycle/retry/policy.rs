//! The user's choices about further tries, and the arithmetic of their delays.

use std::time::Duration;

/// No delay is shorter: a command that fails at once must not keep a processor busy.
pub const SHORTEST_DELAY: Duration = Duration::from_millis(100);

const NANOS_A_SECOND: u128 = 1_000_000_000;

/// The delay before a further try.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// The first one, and then ever longer ones up to the longest.
    Exponential {
        /// The delay before the first retry.
        first: Duration,
        /// No delay is longer.
        longest: Duration,
    },
}

impl Delay {
    /// The delay before this retry, counted from 1. The jitter is any number, each equally likely.
    #[must_use]
    pub fn before(self, retry: u32, jitter: u32) -> Duration {
        let delay = match self {
            Self::Fixed(delay) => delay,
            Self::Exponential { first, longest } => {
                let more = retry.checked_sub(2).map_or(Some(0), |power| growth(first, power, jitter));
                let nanos = more.and_then(|more| more.checked_add(first.as_nanos()));
                nanos.map_or(longest, |nanos| from_nanos(nanos).min(longest))
            }
        };
        delay.max(SHORTEST_DELAY)
    }
}

/// Saturates.
fn from_nanos(nanos: u128) -> Duration {
    let whole = u64::try_from(nanos / NANOS_A_SECOND).unwrap_or(u64::MAX);
    Duration::new(whole, u32::try_from(nanos % NANOS_A_SECOND).unwrap_or_default())
}

/// `first` x 2^`power` x 0.8 to 1.2, in nanoseconds; nothing if that is beyond all bounds.
fn growth(first: Duration, power: u32, jitter: u32) -> Option<u128> {
    let doubled = 1_u128.checked_shl(power)?.checked_mul(first.as_nanos())?;
    let tenths = (8 << u32::BITS) + 4 * u128::from(jitter);
    Some(doubled.checked_mul(tenths)? / (10 << u32::BITS))
}

/// How many failures there may be within a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct CrashRate {
    /// One more ends the run.
    pub most: usize,
    /// The length of the time.
    pub within: Duration,
}

/// When a try is followed by another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// How many tries may follow the first one; `None` if there is no end.
    pub retries: Option<u32>,
    /// From the end of a try to the start of the next one.
    pub delay: Delay,
    /// A try that was ready for this long before it failed sets count and delay back.
    pub reset: Duration,
    /// Statuses after which no try follows.
    pub permanent: Vec<u8>,
    /// The most failures within a time, if there is a limit.
    pub max_crashes: Option<CrashRate>,
}

impl Policy {
    /// The policy of a run with one try.
    #[must_use]
    pub const fn once() -> Self {
        Self {
            retries: Some(0),
            delay: Delay::Fixed(SHORTEST_DELAY),
            reset: Duration::MAX,
            permanent: Vec::new(),
            max_crashes: None,
        }
    }

    /// Whether there can be more than one try.
    #[must_use]
    pub fn retries(&self) -> bool {
        self.retries != Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u32 = 0;
    const MOST: u32 = u32::MAX;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn delays_grow_to_the_longest_and_stay_there() {
        let delay = Delay::Exponential { first: seconds(4), longest: seconds(900) };
        let middle: Vec<u64> = (1..=12).map(|retry| delay.before(retry, 1 << 31).as_secs()).collect();
        assert_eq!(middle, [4, 8, 12, 20, 36, 68, 132, 260, 516, 900, 900, 900]);
        assert_eq!((delay.before(1, LEAST), delay.before(1, MOST)), (seconds(4), seconds(4)));
        assert_eq!(delay.before(2, LEAST), Duration::from_millis(7200));
        let most = delay.before(2, MOST);
        assert!(most > Duration::from_millis(8799) && most < Duration::from_millis(8800), "{most:?}");
        for retry in 1..=100 {
            let (now, next) = (delay.before(retry, MOST), delay.before(retry + 1, LEAST));
            assert!(next > now || (now == seconds(900) && next == now), "{retry}: {now:?}, {next:?}");
        }
        assert_eq!(delay.before(u32::MAX, LEAST), seconds(900));
    }

    #[test]
    fn no_delay_is_too_short_and_none_overflows() {
        for delay in [Delay::Fixed(Duration::ZERO), Delay::Fixed(Duration::from_millis(99))] {
            assert_eq!(delay.before(1, MOST), SHORTEST_DELAY);
        }
        let nothing = Delay::Exponential { first: Duration::ZERO, longest: Duration::ZERO };
        assert_eq!(nothing.before(70, MOST), SHORTEST_DELAY);
        let endless = Delay::Exponential { first: Duration::MAX, longest: Duration::MAX };
        assert!((1..200).all(|retry| endless.before(retry, MOST) == Duration::MAX));
    }
}
