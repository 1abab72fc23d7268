//! `winddown report`: the story of recorded runs, for people.

mod events;
mod explain;
mod options;
mod paint;
mod read;
mod record;
mod several;
mod story;
mod words;

use std::ffi::OsString;

use self::options::Job;
use self::paint::Paint;
use crate::cli::UsageError;
use crate::observe::log;

pub use options::definition;

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
        Job::Show { files } => {
            let mut records = Vec::new();
            for file in &files {
                records.extend(read::read(file)?);
            }
            let paint = Paint { is_on: log::may_colour(STDOUT) };
            match records.as_slice() {
                [] => Err(UsageError::Invalid(
                    "report: no record given; usage: winddown report FILE... (see --help)".to_owned(),
                )),
                [one] => Ok(story::story(&one.record, paint)),
                _ => Ok(several::several(&records, paint)),
            }
        }
    }
}
