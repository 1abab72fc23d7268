//! The lane of processes: a bar for each, from its start to its end, with the states that were seen.

use std::collections::BTreeMap;

use super::super::words;
use crate::postmortem::look::{Look, Moment};
use crate::record::schema::{ExitRecord, Record};

/// At most this many processes get a bar; the others are counted.
const BARS_MAX: usize = 60;

/// One process.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Bar {
    pub(super) pid: i32,
    pub(super) name: Option<String>,
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
    /// When it was gone at the latest, where its end was not seen.
    pub(super) gone_by_ms: Option<f64>,
    /// The state in each look, which holds until the next look.
    pub(super) states: Vec<(f64, char)>,
    pub(super) end: BarEnd,
}

/// What became of a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum BarEnd {
    /// It exited, or died of a signal.
    Ended(ExitRecord),
    /// winddown killed it.
    Killed,
    /// It outlived SIGKILL.
    Survived,
    /// Another process reaped it, or the record does not say.
    Unknown,
}

impl BarEnd {
    /// In a few words, beside the bar.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Ended(exit) => words::exit(exit),
            Self::Killed => "killed".to_owned(),
            Self::Survived => "survived".to_owned(),
            Self::Unknown => "end not seen".to_owned(),
        }
    }
}

/// The bars, the main process first, and how many processes have none.
pub(super) fn bars(record: &Record, end_ms: f64) -> (Vec<Bar>, usize) {
    let mut bars: BTreeMap<i32, Bar> = BTreeMap::new();
    let main_pid = record.main.as_ref().map(|main| main.pid);
    if let Some(pid) = main_pid {
        bars.insert(pid, new(record, pid, record.main_from_ms()));
    }
    for look in &record.looks {
        for seen in &look.processes {
            let bar = bars.entry(seen.pid).or_insert_with(|| {
                #[expect(clippy::cast_precision_loss, reason = "it is an age")]
                let age_ms = seen.age_ms as f64;
                new(record, seen.pid, (look.at_ms - age_ms).max(0.0))
            });
            bar.states.push((look.at_ms, seen.state));
            bar.to_ms = bar.to_ms.max(look.at_ms);
        }
    }
    for sent in &record.signals {
        let pid = sent.target.pid;
        let bar = bars.entry(pid).or_insert_with(|| new(record, pid, unseen_from_ms(record, sent.at_ms)));
        bar.to_ms = bar.to_ms.max(sent.at_ms);
    }
    for end in &record.ends {
        let bar = bars.entry(end.pid).or_insert_with(|| new(record, end.pid, end.at_ms));
        bar.to_ms = end.at_ms.max(bar.from_ms);
        bar.end = BarEnd::Ended(end.exit.clone());
    }
    for killed in &record.killed {
        let bar =
            bars.entry(killed.pid).or_insert_with(|| new(record, killed.pid, unseen_from_ms(record, end_ms)));
        if !matches!(bar.end, BarEnd::Ended(_)) {
            bar.to_ms = record.phase_at_ms("stopped").unwrap_or(end_ms).max(bar.from_ms);
        }
        bar.end = BarEnd::Killed;
    }
    for survivor in &record.survivors {
        let bar =
            bars.entry(survivor.process.pid).or_insert_with(|| new(record, survivor.process.pid, end_ms));
        bar.to_ms = end_ms.max(bar.from_ms);
        bar.end = BarEnd::Survived;
    }
    let mut bars: Vec<Bar> = bars.into_values().collect();
    for bar in bars.iter_mut().filter(|bar| bar.end == BarEnd::Unknown) {
        bar.gone_by_ms = Some(gone_by_ms(record, bar, end_ms));
    }
    bars.sort_by(|one, other| {
        let rank = |bar: &Bar| (Some(bar.pid) != main_pid, bar.from_ms, bar.pid);
        let (one, other) = (rank(one), rank(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)).then(one.2.cmp(&other.2))
    });
    let left_out = bars.len().saturating_sub(BARS_MAX);
    bars.truncate(BARS_MAX);
    (bars, left_out)
}

/// The first look that would have shown it, or the end of all.
fn gone_by_ms(record: &Record, bar: &Bar, end_ms: f64) -> f64 {
    let is_missing =
        |look: &&Look| look.at_ms > bar.to_ms && look.left_out == 0 && look.moment > Moment::Before;
    let missing = record.looks.iter().find(is_missing).map(|look| look.at_ms);
    missing.or_else(|| record.phase_at_ms("stopped")).unwrap_or(end_ms).max(bar.to_ms)
}

/// The start of a process that no look has: as far as is known, it was there since the first look that had no room
/// for all.
fn unseen_from_ms(record: &Record, at_ms: f64) -> f64 {
    let crowded = record.looks.iter().find(|look| look.left_out > 0);
    crowded.map_or(at_ms, |look| look.at_ms.min(at_ms))
}

fn new(record: &Record, pid: i32, from_ms: f64) -> Bar {
    let name = record.name_of(pid).map(str::to_owned);
    Bar { pid, name, from_ms, to_ms: from_ms, gone_by_ms: None, states: Vec::new(), end: BarEnd::Unknown }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_had_no_room_in_a_look_was_there_all_the_same() {
        let record = |left_out: usize| {
            let look = json!({ "at_ms": 100.0, "moment": "early", "processes": [], "left_out": left_out });
            let killed = json!([{ "pid": 7, "name": "x" }]);
            let record = json!({ "schema": 1, "looks": [look], "killed": killed });
            serde_json::from_value(record).expect("a record")
        };
        let span = |left_out| bars(&record(left_out), 900.0).0.first().map(|bar| (bar.from_ms, bar.to_ms));
        assert_eq!(span(1), Some((100.0, 900.0)));
        assert_eq!(span(0), Some((900.0, 900.0)));
    }

    #[test]
    fn who_is_missing_in_a_look_was_gone_by_then() {
        let look = |at_ms: f64, left_out: usize| json!({ "at_ms": at_ms, "moment": "half", "processes": [], "left_out": left_out });
        let asked = json!([{ "at_ms": 50.0, "signal": "TERM", "target": { "pid": 7 }, "purpose": "ask", "result": "ok" }]);
        let record = |looks| {
            let record = json!({ "schema": 1, "looks": looks, "signals": asked });
            serde_json::from_value(record).expect("a record")
        };
        let gone_by = |looks| bars(&record(looks), 900.0).0.first().and_then(|bar| bar.gone_by_ms);
        assert_eq!(gone_by(json!([look(20.0, 0), look(100.0, 0), look(200.0, 0)])), Some(100.0));
        // One that had no room for all shows nothing.
        assert_eq!(gone_by(json!([look(100.0, 1)])), Some(900.0));
    }
}
