//! The timeline of recorded runs: one page for a browser, without a script and without anything that
//! would have to be fetched. Well-formed as XML too.

mod bars;
mod canvas;
mod clients;
mod curves;
mod distribution;
mod draw;
mod marks;
mod picture;
mod scale;

use canvas::{cut, escaped};
use picture::Picture;

use super::read::Named;
use super::record::Record;
use super::several::{HEAD, StopTimes, row};
use super::{story, words};

const STYLE: &str = include_str!("style.css");

/// So many lines of a log are in its table.
const LINES_MAX: usize = 200;
/// The page is to be sent and opened without a thought: no picture is added beyond that.
const BYTES_MAX: usize = 190_000;

/// What a row of the table takes of that.
const ROW_BYTES: usize = 250;

/// What a line of a log is cut to.
const LINE_MAX: usize = 400;

/// The whole page.
pub(super) fn page(records: &[Named]) -> String {
    let title = match records {
        [one] => words::command(&one.record),
        _ => format!("{} runs", records.len()),
    };
    let sections = sections(records);
    let overview = if records.len() > 1 { overview(records, sections.len()) } else { String::new() };
    let body = sections.concat();
    let left_out = match records.len() - sections.len() {
        0 => String::new(),
        more => format!("<section><p>No room for {more} more: report them with fewer files.</p></section>\n"),
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{overview}{body}{left_out}</body>\n</html>\n",
        escaped(&format!("winddown: {title}"))
    )
}

/// A section for each run, as far as there is room; always one.
fn sections(records: &[Named]) -> Vec<String> {
    let mut room = BYTES_MAX.saturating_sub(records.len() * ROW_BYTES);
    let sections = records.iter().enumerate().map(|(index, named)| section(index, named, records.len() > 1));
    let fits = |(index, section): &(usize, String)| {
        let is_first = *index == 0;
        let fits = is_first || section.len() <= room;
        room = room.saturating_sub(section.len());
        fits
    };
    sections.enumerate().take_while(fits).map(|(_, section)| section).collect()
}

/// The table of all runs, and how long their stops took.
fn overview(records: &[Named], drawn: usize) -> String {
    let times = StopTimes::of(records.iter().map(|named| &named.record));
    let sentences = times.sentences().into_iter().map(|text| format!("<p>{}</p>\n", escaped(&text)));
    let head = HEAD.iter().enumerate().map(|(column, name)| format!("<th{}>{name}</th>", number(column)));
    let rows = records.iter().enumerate().map(|(index, named)| {
        let cells = row(named).into_iter().enumerate().map(|(column, text)| match column {
            0 if index < drawn => format!("<td><a href=\"#run-{}\">{}</a></td>", index + 1, escaped(&text)),
            1 => format!("<td class=\"{}\">{}</td>", outcome_class(&named.record), escaped(&text)),
            _ => format!("<td{}>{}</td>", number(column), escaped(&text)),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    format!(
        "<section>\n<h1>{} runs</h1>\n{}{}<table>\n<tr>{}</tr>\n{}</table>\n</section>\n",
        records.len(),
        distribution::svg(&times),
        sentences.collect::<String>(),
        head.collect::<String>(),
        rows.collect::<String>()
    )
}

const fn number(column: usize) -> &'static str {
    if column < 2 { "" } else { " class=\"number\"" }
}

/// Only a word that is known can be a class.
fn outcome_class(record: &Record) -> &'static str {
    const KNOWN: [&str; 7] = ["completed", "failed", "crashed", "stopped", "killed", "stuck", "not-started"];
    let outcome = words::outcome(record);
    KNOWN.into_iter().find(|known| *known == outcome).unwrap_or("unfinished")
}

fn section(index: usize, named: &Named, is_one_of_several: bool) -> String {
    let record = &named.record;
    let sign = match outcome_class(record) {
        "completed" | "stopped" => "✓",
        "failed" | "crashed" | "unfinished" => "◆",
        _ => "✕",
    };
    let from = if is_one_of_several {
        format!("<p class=\"facts\">{}</p>\n", escaped(&named.name))
    } else {
        String::new()
    };
    format!(
        "<section id=\"run-{}\">\n{from}<h1>{}</h1>\n<p class=\"verdict {}\">{sign} {}</p>\n<p class=\"facts\">{}</p>\n{}{}{}</section>\n",
        index + 1,
        escaped(&words::command(record)),
        outcome_class(record),
        escaped(&words::verdict(record)),
        escaped(&story::facts(record)),
        findings(record),
        picture(record),
        log(record)
    )
}

fn findings(record: &Record) -> String {
    if record.findings.is_empty() {
        return String::new();
    }
    let progress = record.progress.as_deref().map(|word| format!(" ({word})")).unwrap_or_default();
    let items = record.findings.iter().enumerate().map(|(index, finding)| {
        let remedy = if story::is_last_with_remedy(&record.findings[index..]) {
            format!("<br/><span class=\"faint\">try: {}</span>", escaped(&finding.remedy))
        } else {
            String::new()
        };
        format!(
            "<li><b>{} {}</b>: {}{remedy}</li>\n",
            escaped(&finding.code),
            escaped(&finding.name),
            escaped(&finding.text_with_others())
        )
    });
    let items: String = items.collect();
    format!("<h2>Why{}</h2>\n<ul class=\"findings\">\n{items}</ul>\n", escaped(&progress))
}

fn picture(record: &Record) -> String {
    let Some(picture) = Picture::of(record) else { return String::new() };
    let title = format!("Timeline of {}", words::command(record));
    let svg = draw::svg(&picture, &title, &words::verdict(record));
    let legend = legend(record, &picture);
    format!("<div class=\"wide\">\n{svg}</div>\n<p class=\"legend\">{legend}</p>\n")
}

/// Only of what is in the picture.
fn legend(record: &Record, picture: &Picture) -> String {
    let zero = if record.stop.is_some() { "the stop request" } else { "the start" };
    let signals =
        if picture.marks.is_empty() { "" } else { " Signals: ▼ received, ▲ sent, ✕ SIGKILL." };
    let states = if picture.bars.iter().all(|bar| bar.states.is_empty()) {
        ""
    } else {
        "<br/>\nStates, from one look to the next: <b class=\"r\">R</b> runs <b class=\"s\">S</b> sleeps \
         <b class=\"d\">D</b> waits in the kernel <b class=\"t\">T</b> stopped <b class=\"z\">Z</b> dead \
         <b class=\"unseen\">\u{a0}</b> not looked at"
    };
    let probes = if picture.probes.is_empty() {
        ""
    } else {
        "<br/>\nProbes: a low bar was answered, a stroke refused, a high bar cut or left without an answer."
    };
    format!("Times from {zero}.{signals}{states}{probes}")
}

/// The lines that were logged, or what there was to tell where nothing was logged.
fn log(record: &Record) -> String {
    let told = |at_ms: f64, level: &str, message: &str| {
        let class = if level == "error" { " class=\"error\"" } else { "" };
        let offset = words::offset(at_ms - record.zero_ms());
        format!(
            "<tr{class}><td class=\"number\">{offset}</td><td>{}</td></tr>\n",
            escaped(&cut(message, LINE_MAX))
        )
    };
    let lines: String = if record.log.is_empty() {
        super::events::events(record)
            .iter()
            .take(LINES_MAX)
            .map(|event| told(event.at_ms, "", &event.text))
            .collect()
    } else {
        record.log.iter().take(LINES_MAX).map(|line| told(line.at_ms, &line.level, &line.message)).collect()
    };
    let head = if record.log.is_empty() { "What happened" } else { "Log" };
    let more = match record.log.len().saturating_sub(LINES_MAX) {
        0 => String::new(),
        more => format!("<p class=\"faint\">and {more} more lines</p>\n"),
    };
    if lines.is_empty() { lines } else { format!("<h2>{head}</h2>\n<table>\n{lines}</table>\n{more}") }
}
