//! The story of one record, for people.

use super::events::events;
use super::words;
use crate::record::schema::{FindingRecord, Record};
use crate::text::{Paint, printable};

/// The whole story.
pub(super) fn story(record: &Record, paint: Paint) -> String {
    let mut lines = vec![
        paint.strong(&words::command(record)),
        paint.outcome(words::outcome(record), &words::verdict(record)),
        paint.faint(&facts(record)),
    ];
    lines.extend(time_line(record, paint));
    lines.extend(words::left_out(record).map(|text| format!("  {}", paint.faint(&text))));
    lines.extend(findings(record, paint));
    lines.join("\n") + "\n"
}

/// `2026-11-25 08:48:06 UTC; limit 2s (-t); exit status 137; 2.5ms of CPU`.
pub(super) fn facts(record: &Record) -> String {
    let limit = format!("limit {}", words::limit(record));
    let status = record.exit_status.map(|status| format!("exit status {status}"));
    let facts = [Some(words::started(record)), Some(limit), status, words::resources(record)];
    facts.into_iter().flatten().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Empty for a run that was not started.
fn time_line(record: &Record, paint: Paint) -> Vec<String> {
    let zero_ms = record.zero_ms();
    let events = events(record);
    let offsets: Vec<String> = events.iter().map(|event| words::offset(event.at_ms - zero_ms)).collect();
    let width = offsets.iter().map(String::len).max().unwrap_or_default();
    let line = |(offset, event): (&String, &super::events::StoryEvent)| {
        let padded = format!("{offset:>width$}");
        format!("  {}  {}", paint.faint(&padded), event.text)
    };
    let lines = offsets.iter().zip(&events).map(line);
    if events.is_empty() { Vec::new() } else { std::iter::once(String::new()).chain(lines).collect() }
}

/// Why the workload did not stop, and what to do.
fn findings(record: &Record, paint: Paint) -> Vec<String> {
    if record.findings.is_empty() {
        return Vec::new();
    }
    let word = record.progress.as_deref().map(|word| format!(" ({})", printable(word)));
    let head = format!("why{}", word.unwrap_or_default());
    let mut lines = vec![String::new(), paint.strong(&head)];
    for (index, finding) in record.findings.iter().enumerate() {
        let code = format!("{} {}", printable(&finding.code), printable(&finding.name));
        lines.push(format!("  {}: {}", paint.strong(&code), printable(&finding.text_with_others())));
        if is_last_with_remedy(&record.findings[index..]) {
            lines.push(format!("      try: {}", printable(&finding.remedy)));
        }
    }
    lines.push(paint.faint("  more: winddown report --explain CODE"));
    lines
}

/// A remedy shared by several findings is shown once, below the last of them.
pub(super) fn is_last_with_remedy(findings: &[FindingRecord]) -> bool {
    let [finding, later @ ..] = findings else { return false };
    !finding.remedy.is_empty() && later.iter().all(|other| other.remedy != finding.remedy)
}
