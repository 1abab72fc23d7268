//! The tries before the last one, which have failed.

use super::words;
use crate::record::schema::{Record, TryRecord};
use crate::text::printable;

/// Of more tries than these, the first and the last ones get a line.
const SHOWN_FIRST: usize = 3;
const SHOWN_LAST: usize = 10;

/// When each ended, and what became of it. Those in the middle of many share a line.
pub(super) fn earlier(record: &Record) -> Vec<(f64, String)> {
    let Some((_, earlier)) = record.tries.split_last() else { return Vec::new() };
    let line = |one: &TryRecord| (one.ended_ms, describe(one));
    if earlier.len() <= SHOWN_FIRST + SHOWN_LAST + 1 {
        return earlier.iter().map(line).collect();
    }
    let (first, later) = earlier.split_at(SHOWN_FIRST);
    let (middle, last) = later.split_at(later.len() - SHOWN_LAST);
    let more = record.tries_total.saturating_sub(1 + SHOWN_FIRST + SHOWN_LAST);
    let at_ms = middle.first().map_or(0.0, |one| one.ended_ms);
    let summary = (at_ms, format!("{more} more tries that failed"));
    first.iter().map(line).chain([summary]).chain(last.iter().map(line)).collect()
}

/// `try 1: failed: exited with 3 after 300ms; next try in 10s`.
pub(super) fn describe(one: &TryRecord) -> String {
    let length = words::short(one.ended_ms - one.started_ms);
    let exit = one.exit.as_ref().map_or_else(|| printable(&one.outcome), words::exit);
    let cause = one.cause.as_ref().map(|cause| format!(" ({})", printable(cause)));
    let next = one.next_in_ms.map(|ms| format!("; next try in {}", words::short(ms)));
    let [cause, next] = [cause, next].map(Option::unwrap_or_default);
    format!("try {}: {}: {exit} after {length}{cause}{next}", one.attempt, printable(&one.outcome))
}
