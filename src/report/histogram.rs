//! The stop times of several runs as bars of text: for a report, and for the page of check.

use super::words::short;
use crate::statistics::{Bin, histogram, tallest};

const BARS_MAX: usize = 10;
const BAR_WIDTH: usize = 40;

/// One bar a line, on a terminal of so many columns; nothing of less than two times.
pub(crate) fn lines(times_ms: &[f64], columns: Option<usize>) -> Vec<String> {
    if times_ms.len() < 2 {
        return Vec::new();
    }
    let bars = histogram(times_ms, bars_max(times_ms));
    let most = tallest(&bars);
    let labels: Vec<String> =
        bars.iter().map(|bar| format!("{} to {}", short(bar.from), short(bar.to))).collect();
    let width = labels.iter().map(String::len).max().unwrap_or_default();
    let beside = format!("{:width$}   {most}", "").len();
    let longest = columns.map_or(BAR_WIDTH, |columns| columns.saturating_sub(beside).clamp(1, BAR_WIDTH));
    let line = |(label, bar): (&String, &Bin)| match bar.count {
        0 => format!("{label:>width$}"),
        count => {
            let length = (count * longest).div_ceil(most);
            format!("{label:>width$}  {} {count}", "#".repeat(length))
        }
    };
    labels.iter().zip(&bars).map(line).collect()
}

/// Few runs need few, and none is narrower than a millisecond.
fn bars_max(times_ms: &[f64]) -> usize {
    let (min, max) =
        times_ms.iter().fold((f64::MAX, f64::MIN), |(min, max), time| (time.min(min), time.max(max)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let milliseconds = (max - min) as usize;
    BARS_MAX.min(times_ms.len()).min(milliseconds.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_that_of_most_runs() {
        let full = "#".repeat(BAR_WIDTH);
        let third = "#".repeat(BAR_WIDTH.div_ceil(3));
        let expected = [
            format!("100ms to 325ms  {full} 3"),
            "325ms to 550ms".to_owned(),
            "550ms to 775ms".to_owned(),
            format!("   775ms to 1s  {third} 1"),
        ];
        assert_eq!(lines(&[100.0, 120.0, 324.0, 1000.0], None), expected);
    }

    #[test]
    fn on_a_narrow_terminal_a_bar_takes_what_is_left() {
        let times = [100.0, 120.0, 324.0, 1000.0];
        let widest = |columns| lines(&times, Some(columns)).iter().map(String::len).max();
        assert_eq!([80, 59, 58, 30, 20, 1].map(widest), [58, 58, 58, 30, 20, 19].map(Some));
    }

    #[test]
    fn equal_times_are_one_bar_and_a_single_one_is_none() {
        assert_eq!(lines(&[7.0; 5], None), [format!("7ms to 7ms  {} 5", "#".repeat(BAR_WIDTH))]);
        assert!(lines(&[7.0], None).is_empty() && lines(&[], None).is_empty());
    }

    #[test]
    fn no_bar_is_narrower_than_a_millisecond() {
        assert_eq!(lines(&[7.0, 7.2, 8.0, 8.9], None).len(), 2);
    }
}
