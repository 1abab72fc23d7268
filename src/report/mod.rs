//! `winddown report`: the story of recorded runs, for people.

mod events;
mod explain;
mod options;
mod paint;
mod read;
pub(crate) mod record;
mod several;
mod story;
mod timeline;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use self::options::Job;
use self::paint::Paint;
use crate::cli::UsageError;
use crate::observe::log;
use crate::os::reason;

pub use options::definition;

#[cfg(feature = "check")]
pub(crate) use explain::explain;

const STDOUT: i32 = 1;

/// Runs the subcommand: what is to be printed.
///
/// # Errors
/// When the words are wrong, a record can't be read, or the page can't be written.
pub fn run(words: &[OsString]) -> Result<String, UsageError> {
    match options::parse(words)? {
        Job::Help(text) => Ok(text),
        Job::Explain(None) => Ok(explain::list()),
        Job::Explain(Some(word)) => explain::explain(&word).ok_or_else(|| {
            UsageError::Invalid(format!(
                "report: --explain {}: there is no such cause; see winddown report --explain",
                log::printable(&word)
            ))
        }),
        Job::Show { files, html } => show(&files, html.as_deref()),
    }
}

/// The timeline of runs that are known by these names, as one page.
#[cfg(feature = "check")]
pub(crate) fn page(runs: impl IntoIterator<Item = (String, record::Record)>) -> String {
    let named: Vec<read::Named> =
        runs.into_iter().map(|(name, record)| read::Named { name, record }).collect();
    timeline::page(&named)
}

fn show(files: &[PathBuf], html: Option<&Path>) -> Result<String, UsageError> {
    let mut records = Vec::new();
    for file in files {
        records.extend(read::read(file)?);
    }
    let paint = Paint { is_on: log::may_colour(STDOUT) };
    match (records.as_slice(), html) {
        ([], _) => Err(UsageError::Invalid(
            "report: no record given; usage: winddown report FILE... (see --help)".to_owned(),
        )),
        (records, Some(out)) if out == Path::new("-") => Ok(timeline::page(records)),
        (records, Some(out)) => write(out, &timeline::page(records)),
        ([one], None) => Ok(story::story(&one.record, paint)),
        (records, None) => Ok(several::several(records, paint)),
    }
}

/// Not by a rename: it may be a pipe, or a link that is to stay.
fn write(out: &Path, page: &str) -> Result<String, UsageError> {
    std::fs::write(out, page).map(|()| String::new()).map_err(|error| {
        let out = log::printable(&out.to_string_lossy());
        let why = reason(&error);
        UsageError::Invalid(format!("report: --html {out}: {why}; name a file that can be written"))
    })
}
