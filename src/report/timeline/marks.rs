//! The lane of signals: received and sent signals, half of the limit and its end.

use super::super::words;
use crate::record::schema::{Record, SentRecord};
use crate::text::counted;

/// At most this many marks: a storm of signals would be a black bar.
const MARKS_MAX: usize = 40;

/// What a mark is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MarkKind {
    /// A signal that winddown got.
    Received,
    /// A signal that winddown sent.
    Sent,
    /// SIGKILL.
    Kill,
    /// Half of the limit.
    Half,
    /// The deadline.
    Limit,
}

/// A vertical line with its label.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Mark {
    pub(super) at_ms: f64,
    pub(super) kind: MarkKind,
    pub(super) text: String,
    /// It is part of the stop itself, and takes precedence over other marks.
    pub(super) is_of_stop: bool,
}

/// The marks in order of time, and how many are left out.
pub(super) fn marks(record: &Record, end_ms: f64) -> (Vec<Mark>, usize) {
    let request_ms = record.stop.as_ref().map(|stop| stop.at_ms);
    let received = record.received.iter().map(|received| Mark {
        at_ms: received.at_ms,
        kind: MarkKind::Received,
        text: words::signal_from(&received.signal, &received.sender),
        is_of_stop: request_ms.is_some_and(|at_ms| (at_ms - received.at_ms).abs() < 0.001),
    });
    let of_limit = of_the_limit(record).into_iter().filter(|mark| mark.at_ms <= end_ms);
    // The marks of the limit come first, so that many signals of the stop don't push them out.
    let all = of_limit.chain(received).chain(sent(record));
    let (mut marks, mut others): (Vec<Mark>, Vec<Mark>) = all.partition(|mark| mark.is_of_stop);
    others.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
    let left_out = others.len().saturating_sub(MARKS_MAX) + marks.len().saturating_sub(MARKS_MAX);
    others.truncate(MARKS_MAX);
    marks.truncate(MARKS_MAX);
    marks.extend(others);
    marks.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
    (marks, left_out)
}

/// Signals sent at one moment for one purpose are one mark. A signal that was only passed on is marked where it was
/// received.
fn sent(record: &Record) -> Vec<Mark> {
    const AT_ONCE_MS: f64 = 1.0;
    let mut groups: Vec<Vec<&SentRecord>> = Vec::new();
    for sent in record.signals.iter().filter(|sent| sent.purpose != "forward") {
        let fits = |group: &&mut Vec<&SentRecord>| {
            let first = group[0];
            first.signal == sent.signal
                && first.purpose == sent.purpose
                && sent.at_ms - first.at_ms <= AT_ONCE_MS
        };
        match groups.last_mut().filter(fits) {
            Some(group) => group.push(sent),
            None => groups.push(vec![sent]),
        }
    }
    groups.iter().map(|group| mark(record, group)).collect()
}

fn mark(record: &Record, group: &[&SentRecord]) -> Mark {
    let first = group[0];
    let to = match group {
        [one] => words::named(one.target.pid, record.name_of(one.target.pid)),
        _ => counted(group.len(), "process", "es"),
    };
    let failed = if first.result == "ok" || first.result.is_empty() { "" } else { ", already gone" };
    let kind = if first.purpose == "kill" { MarkKind::Kill } else { MarkKind::Sent };
    let text = format!("{} to {to}{failed}", words::signal(&first.signal));
    Mark { at_ms: first.at_ms, kind, text, is_of_stop: true }
}

fn of_the_limit(record: &Record) -> Vec<Mark> {
    let Some(stop) = &record.stop else { return Vec::new() };
    let Some(deadline_ms) = stop.deadline_ms else { return Vec::new() };
    let half_ms = f64::midpoint(stop.at_ms, deadline_ms);
    let length = words::short(deadline_ms - stop.at_ms);
    let mark = |at_ms, kind, text| Mark { at_ms, kind, text, is_of_stop: true };
    vec![
        mark(half_ms, MarkKind::Half, "half of the limit".to_owned()),
        mark(deadline_ms, MarkKind::Limit, format!("limit {length}")),
    ]
}
