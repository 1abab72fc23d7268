//! The table for people, and the file for machines.

use std::fmt::Write as _;
use std::fs;
use std::io;

use serde_json::{Value, json};

use crate::figure::{Figure, Limit, Row, Verdict};
use crate::stats;

pub(crate) fn print_figure(figure: &Figure) {
    let unit = if figure.unit.is_empty() { String::new() } else { format!(" [{}]", figure.unit) };
    let baseline = figure.baseline.map_or(String::new(), |kind| format!(", x {}", kind.label()));
    println!("\n{}{unit}: p50, p10-p90{baseline}", figure.title);
    for row in &figure.rows {
        println!("{}", line(figure, row).trim_end());
    }
}

fn line(figure: &Figure, row: &Row) -> String {
    let mut line = format!("  {:24}", row.name);
    if let Some(p50) = stats::median(&row.samples) {
        let _ = write!(line, "{:>10}", number(p50));
        let _ = write!(line, " {:<17}", spread(row));
        let _ = write!(line, " {:<24}", ratio_text(figure, row));
        let _ = write!(line, " {:>4} runs ", row.samples.len());
    }
    if let Some((limit, verdict)) = figure.goal(row) {
        let _ = write!(line, " goal {}: {} ", limit_text(limit), verdict.text());
    }
    if let Some(note) = &row.note {
        let _ = write!(line, " {note}");
    }
    line
}

fn spread(row: &Row) -> String {
    let ends = (stats::quantile(&row.samples, 1, 10), stats::quantile(&row.samples, 9, 10));
    match ends {
        (Some(low), Some(high)) if row.samples.len() > 1 => {
            format!("{}-{}", number(low), number(high))
        }
        _ => String::new(),
    }
}

fn ratio_text(figure: &Figure, row: &Row) -> String {
    match figure.ratio(row) {
        Some(_) if Some(row.kind) == figure.baseline => "1.00x".into(),
        Some(ratio) if row.samples.len() > 1 => {
            format!("{:.2}x ({:.2}-{:.2})", ratio.value, ratio.low, ratio.high)
        }
        Some(ratio) => format!("{:.2}x", ratio.value),
        None => String::new(),
    }
}

fn limit_text(limit: Limit) -> String {
    match limit {
        Limit::Ratio(most) => format!("<= {most:.2}x"),
        Limit::Value(most) => format!("<= {}", number(most)),
    }
}

/// Three significant digits: the measurement has no more.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// Prints a line for each goal of docs/performance.md.
pub(crate) fn print_summary(figures: &[Figure]) {
    println!("\nGoals");
    let mut counts = [0; 4];
    for figure in figures {
        for row in &figure.rows {
            let Some((limit, verdict)) = figure.goal(row) else {
                continue;
            };
            counts[verdict as usize] += 1;
            let value = match (limit, figure.ratio(row), stats::median(&row.samples)) {
                (Limit::Ratio(_), Some(ratio), _) => format!("{:.2}x", ratio.value),
                (Limit::Value(_), _, Some(p50)) => format!("{} {}", number(p50), figure.unit),
                _ => "-".into(),
            };
            let (title, name, limit) = (&figure.title, &row.name, limit_text(limit));
            let verdict = verdict.text();
            println!("  {title:46} {name:21} {value:>9}  {limit:8} {verdict}");
        }
    }
    let [reached, missed, close, open] = counts;
    println!("{reached} reached, {missed} missed, {close} within the noise, {open} not measured");
}

pub(crate) fn write_json(path: &std::path::Path, figures: &[Figure]) -> io::Result<()> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let figures: Vec<Value> = figures.iter().map(figure_json).collect();
    let all = json!({
        "schema": 1,
        "kernel": kernel.trim(),
        "cpus": cpus,
        "figures": figures,
    });
    fs::write(path, format!("{all:#}\n"))
}

fn figure_json(figure: &Figure) -> Value {
    let rows: Vec<Value> = figure.rows.iter().map(|row| row_json(figure, row)).collect();
    json!({
        "id": figure.id,
        "title": figure.title,
        "unit": figure.unit,
        "baseline": figure.baseline.map(crate::programs::Kind::label),
        "rows": rows,
    })
}

fn row_json(figure: &Figure, row: &Row) -> Value {
    let ratio = figure.ratio(row);
    let goal = figure.goal(row).map(|(limit, verdict)| {
        let (of, most) = match limit {
            Limit::Ratio(most) => ("ratio", most),
            Limit::Value(most) => ("value", most),
        };
        json!({
            "of": of,
            "at_most": most,
            "verdict": verdict.text(),
            "reached": verdict == Verdict::Reached,
        })
    });
    json!({
        "program": row.name,
        "runs": row.samples.len(),
        "p10": stats::quantile(&row.samples, 1, 10),
        "p50": stats::median(&row.samples),
        "p90": stats::quantile(&row.samples, 9, 10),
        "ratio": ratio.map(|ratio| ratio.value),
        "ratio_interval_95": ratio.map(|ratio| [ratio.low, ratio.high]),
        "goal": goal,
        "failed": row.failed,
        "note": row.note,
    })
}
