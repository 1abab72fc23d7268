//! `winddown report`: shows recorded runs to people.

pub(crate) mod clients;
mod events;
mod explain;
mod groups;
pub(crate) mod histogram;
mod json;
pub(crate) mod judgement;
mod options;
pub(crate) mod read;
mod record;
mod several;
mod story;
mod timeline;
mod tries;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(feature = "check")]
use self::judgement::Test;
use self::options::ReportJob;
#[cfg(feature = "check")]
use self::read::Named;
use crate::cli::UsageError;
use crate::os::io::destination::Destination;
use crate::os::io::sink::terminal_columns;
use crate::os::io::terminal::may_colour;
use crate::os::reason;
use crate::text::{Paint, printable};

pub use options::definition;

#[cfg(feature = "check")]
pub(crate) use timeline::KIND as PAGE_KIND;

#[cfg(feature = "check")]
pub(crate) use explain::explain;
#[cfg(feature = "check")]
pub(crate) use explain::{codes, filled};

const STDOUT: i32 = 1;

/// Runs the subcommand and returns what to print.
///
/// # Errors
/// If the words are wrong, a record can't be read, or the page can't be written.
pub(crate) fn run(words: &[OsString]) -> Result<String, UsageError> {
    match options::parse(words)? {
        ReportJob::Print(text) => Ok(text),
        ReportJob::Show { files, html, is_json } => show(&files, html, is_json),
    }
}

/// The timelines of the runs of a test, as one page, with the verdicts on all of them.
#[cfg(feature = "check")]
pub(crate) fn page(runs: &[Named], test: &Test) -> String {
    timeline::page(runs, Some(test))
}

fn show(files: &[PathBuf], html: Option<Destination>, is_json: bool) -> Result<String, UsageError> {
    let mut records = Vec::new();
    for file in files {
        records.extend(read::read(file)?);
    }
    let paint = Paint { is_on: may_colour(STDOUT) };
    match (records.as_slice(), html) {
        ([], _) => Err(UsageError::Invalid(
            "report: no record given; usage: winddown report FILE... (see --help)".to_owned(),
        )),
        (records, Some(Destination::Descriptor(STDOUT))) => Ok(timeline::page(records, None)),
        (records, Some(out)) => write(&out, &timeline::page(records, None)),
        (records, None) if is_json => Ok(json::json(records)),
        ([one], None) => Ok(story::story(&one.record, paint)),
        (records, None) => Ok(several::several(records, paint, terminal_columns(STDOUT))),
    }
}

fn write(out: &Destination, page: &str) -> Result<String, UsageError> {
    out.write(&timeline::KIND, page.as_bytes()).map(|()| String::new()).map_err(|error| {
        let out = printable(&out.to_string());
        let why = reason(&error);
        UsageError::Invalid(format!("report: --html {out}: {why}; name a file that can be written"))
    })
}

/// Everything that `report` prints for a file with these bytes.
#[cfg(all(any(test, fuzzing), feature = "check"))]
pub(crate) fn everything_printed(bytes: &[u8]) -> Vec<String> {
    let paint = Paint { is_on: false };
    match read::parse("fuzzed", bytes) {
        Err(error) => vec![error.to_string()],
        Ok(records) => {
            let stories = records.iter().map(|one| story::story(&one.record, paint));
            stories
                .chain([
                    several::several(&records, paint, None),
                    timeline::page(&records, None),
                    json::json(&records),
                ])
                .collect()
        }
    }
}

/// Reads the words only.
#[cfg(all(any(test, fuzzing), feature = "check"))]
pub(crate) fn understand_any(words: &[OsString]) -> bool {
    options::parse(words).is_ok()
}
