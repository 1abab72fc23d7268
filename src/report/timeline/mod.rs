//! The timeline of recorded runs: one page for a browser, without scripts, and with nothing to fetch. It is
//! well-formed XML, too.

mod bars;
mod canvas;
mod clients;
mod curves;
mod distribution;
mod draw;
mod legend;
mod marks;
mod overview;
mod picture;
mod scale;
mod section;
mod tries;

use canvas::escaped;
use picture::Picture;

use super::judgement::{Grade, Test, worst};
use super::read::Named;
use super::words;
use crate::os::io::own_file::FileKind;
use crate::record::schema::Record;

const STYLE: &str = include_str!("style.css");

/// A page should be small enough to send and open without a thought: no picture is added beyond this.
const BYTES_MAX: usize = 190_000;

const HEAD_OF_PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
                            <meta charset=\"utf-8\"/>\n<meta name=\"generator\" content=\"winddown\"/>\n";

/// What a file with a page holds.
pub(crate) const KIND: FileKind = FileKind {
    name: "a page of winddown",
    may_be_stream: true,
    bytes_max: 64 << 20,
    may_be_longer: false,
    is_it: |bytes| bytes.starts_with(HEAD_OF_PAGE.as_bytes()) && bytes.ends_with(b"</body>\n</html>\n"),
};

/// The whole page: of several runs those first that failed.
pub(super) fn page(records: &[Named], test: Option<&Test>) -> String {
    let mut runs: Vec<&Named> = records.iter().collect();
    runs.sort_by_key(|named| std::cmp::Reverse(rank(named)));
    let title = match (test, records) {
        (Some(test), _) => test.name.clone(),
        (None, [one]) => words::command(&one.record),
        (None, _) => format!("{} runs", records.len()),
    };
    let pictures: Vec<Option<Picture>> = runs.iter().map(|named| Picture::of(named)).collect();
    let legend =
        legend::legend(pictures.iter().flatten(), runs.iter().any(|named| named.record.stop.is_some()));
    let is_one = runs.len() == 1 && test.is_none();
    let overview = |drawn| match test {
        None if is_one => String::new(),
        _ => overview::overview(&title, records, &runs, test, drawn),
    };
    let room = BYTES_MAX.saturating_sub(overview(runs.len()).len() + legend.len());
    let sections = sections(&runs, &pictures, room, !is_one);
    let left_out = match runs.len() - sections.len() {
        0 => String::new(),
        more => {
            format!("<section><p>No room for {more} more: report on fewer files at a time.</p></section>\n")
        }
    };
    let (first, last) = if is_one { (String::new(), legend) } else { (legend, String::new()) };
    format!(
        "{HEAD_OF_PAGE}<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}{first}{}{left_out}{last}</main>\n</body>\n</html>\n",
        escaped(&format!("winddown: {title}")),
        overview(sections.len()),
        sections.concat()
    )
}

/// A section for each run, as far as there is room; at least one.
fn sections(
    runs: &[&Named],
    pictures: &[Option<Picture>],
    room: usize,
    is_one_of_several: bool,
) -> Vec<String> {
    let mut room = room;
    let sections = runs.iter().zip(pictures).enumerate().map(|(index, (named, picture))| {
        (index, section::section(index + 1, named, picture.as_ref(), is_one_of_several))
    });
    let fits = |(index, section): &(usize, String)| {
        let fits = *index == 0 || section.len() <= room;
        room = room.saturating_sub(section.len());
        fits
    };
    sections.take_while(fits).map(|(_, section)| section).collect()
}

/// What is to be looked at first is the highest.
fn rank(named: &Named) -> u8 {
    match worst(&named.judgements) {
        Some(Grade::Failed) => 5,
        Some(Grade::Inconclusive) => 4,
        Some(Grade::Warned) => 3,
        Some(Grade::Passed | Grade::Skipped) => 0,
        None => match outcome_class(&named.record) {
            "completed" | "stopped" => 0,
            "failed" | "crashed" | "unfinished" => 1,
            _ => 2,
        },
    }
}

/// Only a known word becomes a class.
fn outcome_class(record: &Record) -> &'static str {
    const KNOWN: [&str; 7] = ["completed", "failed", "crashed", "stopped", "killed", "stuck", "not-started"];
    let outcome = words::outcome(record);
    KNOWN.into_iter().find(|known| *known == outcome).unwrap_or("unfinished")
}
