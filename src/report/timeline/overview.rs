//! What comes before the runs: the verdict of a test, how long the stops took, and a table.

use super::super::groups::{alone, groups, sentences};
use super::super::judgement::{Judgement, Test, verdict};
use super::super::read::Named;
use super::super::several::{HEAD, NUMBERS_FROM, row};
use super::canvas::escaped;
use super::section::{judgements, passed_and_skipped};
use super::{distribution, outcome_class};

/// In a test all runs have the same command: its verdict has that column.
const COMMAND: usize = 1;

/// All runs, of which so many have a section of their own. They come in this order.
pub(super) fn overview(
    title: &str,
    records: &[Named],
    runs: &[&Named],
    test: Option<&Test>,
    drawn: usize,
) -> String {
    format!(
        "<section aria-labelledby=\"overview\">\n<h1 id=\"overview\">{}</h1>\n{}{}{}</section>\n",
        escaped(title),
        test.map(|test| overall(&test.judgements)).unwrap_or_default(),
        table(runs, test.is_some(), drawn),
        distributions(records, test.is_some())
    )
}

/// Of the whole test.
fn overall(all: &[Judgement]) -> String {
    let Some((grade, text)) = verdict(all) else { return String::new() };
    format!(
        "<p class=\"verdict {}\">{}</p>\n{}{}",
        grade.class(),
        escaped(&text),
        judgements(all),
        passed_and_skipped(all)
    )
}

fn table(runs: &[&Named], is_judged: bool, drawn: usize) -> String {
    let name = |column: usize| match column {
        0 if is_judged => "run",
        COMMAND if is_judged => "verdict",
        _ => HEAD[column],
    };
    let head =
        (0..HEAD.len()).map(|column| format!("<th scope=\"col\"{}>{}</th>", number(column), name(column)));
    let rows = runs.iter().enumerate().map(|(index, named)| {
        let cells = row(named).into_iter().enumerate().map(|(column, text)| match column {
            0 if index < drawn => {
                format!("<th scope=\"row\"><a href=\"#run-{}\">{}</a></th>", index + 1, escaped(&text))
            }
            0 => format!("<th scope=\"row\">{}</th>", escaped(&text)),
            COMMAND if is_judged => judged(named),
            COMMAND => format!("<td class=\"command\">{}</td>", escaped(&text)),
            // The verdict may be another: one of the two has the colours.
            2 if !is_judged => {
                format!("<td class=\"{}\">{}</td>", outcome_class(&named.record), escaped(&text))
            }
            _ => format!("<td{}>{}</td>", number(column), escaped(&text)),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    format!(
        "<div class=\"wide\" role=\"region\" aria-label=\"All runs\" tabindex=\"0\">\n<table class=\"runs\">\n<tr>{}</tr>\n{}</table>\n</div>\n",
        head.collect::<String>(),
        rows.collect::<String>()
    )
}

fn judged(run: &Named) -> String {
    match verdict(&run.judgements) {
        Some((grade, text)) => format!("<td class=\"{}\">{}</td>", grade.class(), escaped(&text)),
        None => "<td class=\"skipped\">not judged</td>".to_owned(),
    }
}

const fn number(column: usize) -> &'static str {
    if column < NUMBERS_FROM { "" } else { " class=\"number\"" }
}

/// Of each group of runs that can be compared.
fn distributions(records: &[Named], is_judged: bool) -> String {
    let groups = groups(records);
    let summed_up = groups.iter().filter(|group| group.has_several() || groups.len() == 1);
    let shown = summed_up.enumerate().map(|(index, group)| {
        let title = format!("Stop times of {}", group.title());
        let sentences =
            sentences(&group.times).into_iter().map(|text| format!("<p>{}</p>\n", escaped(&text)));
        format!(
            "<h2>{}</h2>\n<div class=\"wide\" role=\"region\" aria-label=\"Distribution\" tabindex=\"0\">\n{}</div>\n{}",
            escaped(&title),
            distribution::svg(&group.times, &format!("times-{}", index + 1), &title),
            sentences.collect::<String>()
        )
    });
    let left_out = alone(&groups)
        .filter(|_| !is_judged)
        .map(|text| format!("<p class=\"facts\">{}</p>\n", escaped(&text)));
    shown.chain(left_out).collect()
}
