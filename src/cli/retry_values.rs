//! The values of the options about further tries, one parser each. An error is the remedy.

use super::values::{length, share};
use crate::lifecycle::retry::policy::{CrashRate, Delay};

/// The times of that many failures are kept.
const CRASHES_MAX: usize = 1000;

/// `3`, `forever`.
pub(super) fn retries(text: &str) -> Result<Option<u32>, String> {
    match text {
        "forever" => Ok(None),
        "-1" | "infinity" | "infinite" | "unlimited" | "always" => Err("write forever".to_owned()),
        _ => text.parse().map(Some).map_err(|_| "use a number of retries such as 3, or forever".to_owned()),
    }
}

/// `10s`, `4s..15m`.
pub(super) fn delay(text: &str) -> Result<Delay, String> {
    let Some((first, longest)) = text.split_once("..") else { return length(text).map(Delay::Fixed) };
    match (length(first), length(longest)) {
        (Ok(from), Ok(to)) if from > to => {
            Err(format!("the first delay is longer than the longest one; write {longest}..{first}"))
        }
        (Ok(from), Ok(to)) => Ok(Delay::Exponential { first: from, longest: to }),
        (Err(why), _) | (_, Err(why)) => Err(format!("{why}; 4s..15m for ever longer delays")),
    }
}

/// A status after which no try follows.
pub(super) fn permanent(text: &str) -> Result<u8, String> {
    match text.trim().parse() {
        Ok(0) => {
            Err("0 is success, after which no try follows anyway; use statuses from 1 to 255".to_owned())
        }
        Ok(status) => Ok(status),
        Err(_) => Err("use exit statuses from 1 to 255, e.g. 64,78".to_owned()),
    }
}

/// `10/1m`.
pub(super) fn max_crashes(text: &str) -> Result<CrashRate, String> {
    let remedy = || "use a number of failures and a time, e.g. 10/1m".to_owned();
    let (most, within) = text.split_once('/').ok_or_else(remedy)?;
    let most = most.parse().map_err(|_| remedy())?;
    if !(1..=CRASHES_MAX).contains(&most) {
        return Err(format!("use 1 to {CRASHES_MAX} failures, e.g. 10/1m"));
    }
    let within = share(within).map_err(|why| format!("the time after '/': {why}"))?;
    Ok(CrashRate { most, within })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_are_read() {
        assert_eq!((retries("0"), retries("3"), retries("forever")), (Ok(Some(0)), Ok(Some(3)), Ok(None)));
        let longest = Duration::from_secs(900);
        assert_eq!(delay("250ms"), Ok(Delay::Fixed(Duration::from_millis(250))));
        assert_eq!(delay("4s..15m"), Ok(Delay::Exponential { first: Duration::from_secs(4), longest }));
        assert_eq!((permanent("64"), permanent("255")), (Ok(64), Ok(255)));
        assert_eq!(max_crashes("10/1m"), Ok(CrashRate { most: 10, within: Duration::from_secs(60) }));
    }

    #[test]
    fn other_values_have_their_remedy() {
        for text in ["-2", "", "3.5", "many", "4294967296"] {
            assert!(retries(text).unwrap_err().contains("3, or forever"), "{text}");
        }
        assert!(retries("-1").unwrap_err().contains("write forever"));
        assert!(delay("15m..4s").unwrap_err().contains("write 4s..15m"));
        for text in ["..", "4s..", "..4s", "4s..infinity", "4s...5s", "x", ""] {
            assert!(delay(text).is_err(), "{text}");
        }
        for text in ["0", "256", "-1", "x", ""] {
            assert!(permanent(text).unwrap_err().contains("1 to 255"), "{text}");
        }
        for text in ["10/0s", "0/1m", "1001/1m", "10", "/1m", "10/", "10/1m/2", "x/1m"] {
            assert!(max_crashes(text).is_err(), "{text}");
        }
    }
}
