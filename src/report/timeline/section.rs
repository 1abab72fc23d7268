//! A run in the page: its verdicts and causes, its picture, and its log.

use super::super::judgement::{Grade, Judgement, named, verdict};
use super::super::read::Named;
use super::super::{events, story, words};
use super::canvas::{cut, escaped};
use super::picture::Picture;
use super::{draw, outcome_class};
use crate::record::schema::Record;

/// At most this many lines of the log are in its table.
const LINES_MAX: usize = 200;
/// A line of the log is cut to this many characters.
const LINE_MAX: usize = 400;
/// What a picture says to those who can't see it is cut to so many events.
const EVENTS_MAX: usize = 20;

/// The run with this number. One of several has a heading of its own, and its command where that is not the same for
/// all of them.
pub(super) fn section(
    number: usize,
    named: &Named,
    picture: Option<&Picture>,
    is_one_of_several: bool,
) -> String {
    let record = &named.record;
    let command = escaped(&words::command(record));
    let (id, level) = (format!("run-{number}"), if is_one_of_several { 3 } else { 2 });
    let head = match (is_one_of_several, named.judgements.is_empty()) {
        (false, _) => format!("<h1 id=\"{id}-name\">{command}</h1>\n"),
        (true, true) => {
            format!("<h2 id=\"{id}-name\">{}</h2>\n<p><code>{command}</code></p>\n", escaped(&named.name))
        }
        (true, false) => format!(
            "<h2 id=\"{id}-name\">{}</h2>\n<p class=\"facts\">{}</p>\n",
            escaped(&named.name),
            escaped(&named.about)
        ),
    };
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-name\">\n{head}{}<p class=\"facts\">{}</p>\n{}{}{}{}</section>\n",
        verdicts(named),
        escaped(&story::facts(record)),
        findings(record, level),
        picture.map(|picture| drawn(number, record, picture)).unwrap_or_default(),
        log(record, level),
        left_out(record)
    )
}

/// How it is judged, and how it went.
fn verdicts(named: &Named) -> String {
    let (class, outcome) = (outcome_class(&named.record), words::verdict(&named.record));
    let Some((grade, text)) = verdict(&named.judgements) else {
        let sign = outcome_sign(class);
        return format!("<p class=\"verdict {class}\">{sign} {}</p>\n", escaped(&outcome));
    };
    format!(
        "<p class=\"verdict {}\">{}</p>\n{}{}<p>{}</p>\n",
        grade.class(),
        escaped(&text),
        judgements(&named.judgements),
        passed_and_skipped(&named.judgements),
        escaped(&outcome)
    )
}

const fn outcome_sign(class: &str) -> char {
    match class.as_bytes() {
        b"completed" | b"stopped" => '✓',
        b"failed" | b"crashed" | b"unfinished" => '◆',
        _ => '✕',
    }
}

/// Those that have not passed, with what they rest on. What several say in the same words is one.
pub(super) fn judgements(all: &[Judgement]) -> String {
    let mut causes: Vec<(Vec<&str>, &Judgement)> = Vec::new();
    for one in all.iter().filter(|one| !matches!(one.grade, Grade::Passed | Grade::Skipped)) {
        let is_alike = |cause: &&mut (Vec<&str>, &Judgement)| {
            cause.1.grade == one.grade && cause.1.summary == one.summary && cause.1.evidence == one.evidence
        };
        match causes.iter_mut().find(is_alike) {
            Some((checks, _)) => checks.push(&one.check),
            None => causes.push((vec![&one.check], one)),
        }
    }
    let items = causes.iter().map(|(checks, one)| {
        let evidence =
            one.evidence.iter().map(|line| format!("<br/><span class=\"faint\">{}</span>", escaped(line)));
        format!(
            "<li><b class=\"{}\">{} {}</b>: {}{}</li>\n",
            one.grade.class(),
            one.grade.sign(),
            escaped(&checks.join(", ")),
            escaped(&one.summary),
            evidence.collect::<String>()
        )
    });
    let items: String = items.collect();
    if items.is_empty() { items } else { format!("<ul class=\"findings\">\n{items}</ul>\n") }
}

/// The names of the others.
pub(super) fn passed_and_skipped(all: &[Judgement]) -> String {
    let lists = [(Grade::Passed, "passed"), (Grade::Skipped, "skipped")].map(|(grade, word)| {
        let names = named(all, grade);
        if names.is_empty() { names } else { format!("<p class=\"facts\">{word}: {}</p>\n", escaped(&names)) }
    });
    lists.concat()
}

fn drawn(number: usize, record: &Record, picture: &Picture) -> String {
    let zero_ms = record.zero_ms();
    let first = events::events(record).into_iter().take(EVENTS_MAX);
    let lines = first.map(|event| format!("{} {}", words::offset(event.at_ms - zero_ms), event.text));
    let description = format!("{}. {}", words::verdict(record), lines.collect::<Vec<_>>().join("; "));
    let title = format!("Timeline of {}", words::command(record));
    let svg = draw::svg(picture, &format!("picture-{number}"), &title, &description);
    format!("<div class=\"wide\" role=\"region\" aria-label=\"Timeline\" tabindex=\"0\">\n{svg}</div>\n")
}

fn findings(record: &Record, level: u8) -> String {
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
    format!("<h{level}>Why{}</h{level}>\n<ul class=\"findings\">\n{items}</ul>\n", escaped(&progress))
}

fn left_out(record: &Record) -> String {
    let paragraph =
        words::left_out(record).map(|text| format!("<p class=\"faint\">{}</p>\n", escaped(&text)));
    paragraph.unwrap_or_default()
}

/// The logged lines, or the events if nothing was logged.
fn log(record: &Record, level: u8) -> String {
    let row = |at_ms: f64, level: &str, message: &str| {
        let class = if level == "error" { " class=\"error\"" } else { "" };
        let offset = words::offset(at_ms - record.zero_ms());
        format!(
            "<tr{class}><td class=\"number\">{offset}</td><td>{}</td></tr>\n",
            escaped(&cut(message, LINE_MAX))
        )
    };
    let lines: String = if record.log.is_empty() {
        events::events(record).iter().take(LINES_MAX).map(|event| row(event.at_ms, "", &event.text)).collect()
    } else {
        record.log.iter().take(LINES_MAX).map(|line| row(line.at_ms, &line.level, &line.message)).collect()
    };
    let head = if record.log.is_empty() { "What happened" } else { "Log" };
    let more = match record.log.len().saturating_sub(LINES_MAX) {
        0 => String::new(),
        more => format!("<p class=\"faint\">and {more} more lines</p>\n"),
    };
    if lines.is_empty() {
        lines
    } else {
        format!(
            "<h{level}>{head}</h{level}>\n<table>\n<tr><th scope=\"col\" class=\"number\">time</th><th scope=\"col\">what</th></tr>\n{lines}</table>\n{more}"
        )
    }
}
