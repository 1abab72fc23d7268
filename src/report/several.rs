//! Several records: a table, and the distribution of their stop times.

use super::groups::{Group, alone, groups, sentences};
use super::read::Named;
use super::{histogram, words};
use crate::text::{Paint, printable};

/// The columns of the table.
pub(super) const HEAD: [&str; 7] = ["record", "command", "outcome", "status", "stop time", "limit", "of it"];
/// Those before it are words, the others numbers.
pub(super) const NUMBERS_FROM: usize = 3;

/// The table, the distribution and the sentences, on a terminal of so many columns.
pub(super) fn several(records: &[Named], paint: Paint, columns: Option<usize>) -> String {
    let groups = groups(records);
    let shown = groups.iter().filter(|group| group.has_several() || groups.len() == 1);
    let summed_up = shown.map(|group| summed_up(group, groups.len() > 1, columns));
    let parts =
        std::iter::once(table(records, paint)).chain(summed_up).chain(alone(&groups).map(|line| vec![line]));
    let parts: Vec<String> = parts.map(|lines| lines.join("\n")).collect();
    parts.join("\n\n") + "\n"
}

/// A group among several says which it is.
fn summed_up(group: &Group<'_>, is_one_of_several: bool, columns: Option<usize>) -> Vec<String> {
    let bars = histogram::lines(&group.times.times_ms, columns);
    let mut lines = match (is_one_of_several, bars.is_empty()) {
        (true, _) => vec![format!("Stop times of {}:", group.title())],
        (false, false) => vec!["Stop times:".to_owned()],
        (false, true) => Vec::new(),
    };
    lines.extend(bars);
    lines.extend(sentences(&group.times));
    lines
}

/// The cells of a record's line, as in [`HEAD`].
pub(super) fn row(named: &Named) -> [String; 7] {
    let record = &named.record;
    let or_none = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    let stop_time_ms = record.stop_time_ms();
    let limit_ms = record.limit.ms;
    let share = stop_time_ms.zip(limit_ms.filter(|limit_ms| *limit_ms > 0.0));
    [
        named.name.clone(),
        words::command_in_short(record),
        printable(words::outcome(record)),
        or_none(record.exit_status.map(|status| status.to_string())),
        or_none(stop_time_ms.map(words::short)),
        or_none(limit_ms.map(words::short)),
        or_none(share.map(|(time_ms, limit_ms)| format!("{:.0} %", time_ms / limit_ms * 100.0))),
    ]
}

fn table(records: &[Named], paint: Paint) -> Vec<String> {
    let rows: Vec<[String; 7]> = records.iter().map(row).collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEAD[column].len()]).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: [&str; 7]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < NUMBERS_FROM { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    let lines = rows.iter().zip(records).map(|(row, named)| {
        paint
            .outcome(words::outcome(&named.record), &line(std::array::from_fn(|column| row[column].as_str())))
    });
    std::iter::once(paint.strong(&line(HEAD))).chain(lines).collect()
}
