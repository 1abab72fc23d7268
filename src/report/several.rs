//! Several records: a table, and the distribution of their stop times.

use super::paint::Paint;
use super::read::Named;
use super::record::Record;
use super::words;
use crate::observe::message::counted;
use crate::statistics::{covered_percent, failure_bound_percent, histogram, recommended_limit_s, summary};

/// The columns of the table.
pub(super) const HEAD: [&str; 6] = ["record", "outcome", "status", "stop time", "limit", "of it"];
const BARS: usize = 10;
const BAR_WIDTH: usize = 40;

/// The stop times of the runs that were asked to stop.
#[derive(Debug, Default)]
pub(super) struct StopTimes {
    /// Of those that ended by themselves.
    pub(super) ended_ms: Vec<f64>,
    /// How many had to be killed, or outlived that: how long they would have taken is not known.
    pub(super) killed: usize,
}

impl StopTimes {
    pub(super) fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut times = Self::default();
        for record in records {
            let Some(stop_time_ms) = record.stop_time_ms() else { continue };
            match words::outcome(record) {
                "killed" | "stuck" => times.killed += 1,
                _ => times.ended_ms.push(stop_time_ms),
            }
        }
        times
    }

    /// What so many runs show, and what they don't.
    pub(super) fn sentences(&self) -> Vec<String> {
        let count = self.ended_ms.len() + self.killed;
        let Some(found) = summary(&self.ended_ms) else {
            return match count {
                0 => vec!["None of these runs was asked to stop.".to_owned()],
                _ => vec![format!(
                    "All {} that were asked to stop had to be killed.",
                    counted(count, "run", "s")
                )],
            };
        };
        let figures = format!(
            "n = {}, min {}, median {}, max {}",
            found.count,
            words::short(found.min),
            words::short(found.median),
            words::short(found.max)
        );
        if self.killed > 0 {
            let killed = format!("{} of {count} runs had to be killed", self.killed);
            let unknown = "how long they would have taken is not known, so no limit is recommended";
            return vec![figures + " (of those that ended in time)", format!("{killed}: {unknown}.")];
        }
        vec![
            figures,
            format!(
                "{}: the longest covers p{} with 95 % confidence, and less than {} of such stops fail.",
                counted(count, "run", "s"),
                covered_percent(count),
                percent(failure_bound_percent(count))
            ),
            format!(
                "Recommended limit: {} (twice the longest, on a machine under the same load).",
                words::short(seconds_ms(recommended_limit_s(found.max)))
            ),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is for people")]
fn seconds_ms(seconds: u64) -> f64 {
    seconds as f64 * 1000.0
}

fn percent(value: f64) -> String {
    if value < 1.0 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}

/// All of it.
pub(super) fn several(records: &[Named], paint: Paint) -> String {
    let times = StopTimes::of(records.iter().map(|named| &named.record));
    let mut lines = table(records, paint);
    lines.push(String::new());
    lines.extend(distribution(&times));
    lines.extend(times.sentences());
    lines.join("\n") + "\n"
}

/// The cells of a record's line, as in [`HEAD`].
pub(super) fn row(named: &Named) -> [String; 6] {
    let record = &named.record;
    let or_none = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    let stop_time_ms = record.stop_time_ms();
    let limit_ms = record.limit.ms;
    let share = stop_time_ms.zip(limit_ms.filter(|limit_ms| *limit_ms > 0.0));
    [
        named.name.clone(),
        crate::observe::log::printable(words::outcome(record)),
        or_none(record.exit_status.map(|status| status.to_string())),
        or_none(stop_time_ms.map(words::short)),
        or_none(limit_ms.map(words::short)),
        or_none(share.map(|(time_ms, limit_ms)| format!("{:.0} %", time_ms / limit_ms * 100.0))),
    ]
}

fn table(records: &[Named], paint: Paint) -> Vec<String> {
    let rows: Vec<[String; 6]> = records.iter().map(row).collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEAD[column].len()]).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: [&str; 6]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    let told = rows.iter().zip(records).map(|(row, named)| {
        paint
            .outcome(words::outcome(&named.record), &line(std::array::from_fn(|column| row[column].as_str())))
    });
    std::iter::once(paint.strong(&line(HEAD))).chain(told).collect()
}

/// One bar a line; nothing of less than two stop times.
fn distribution(times: &StopTimes) -> Vec<String> {
    if times.ended_ms.len() < 2 {
        return Vec::new();
    }
    let bars = histogram(&times.ended_ms, BARS);
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(1).max(1);
    let labels: Vec<String> =
        bars.iter().map(|bar| format!("{} to {}", words::short(bar.from), words::short(bar.to))).collect();
    let width = labels.iter().map(String::len).max().unwrap_or_default();
    let line = |(label, bar): (&String, &crate::statistics::Bar)| {
        let length = (bar.count * BAR_WIDTH).div_ceil(most);
        let line = format!("{label:>width$}  {} {}", "#".repeat(length), bar.count);
        if bar.count == 0 { format!("{label:>width$}") } else { line }
    };
    let lines = labels.iter().zip(&bars).map(line);
    std::iter::once("Stop times:".to_owned()).chain(lines).collect()
}
