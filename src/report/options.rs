//! Its command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, StringValueParser};
use clap::{Arg, ArgAction, Command};

use crate::cli::{UsageError, one_line};

const AFTER_HELP: &str = "\
FILE is what `winddown --record FILE` has written; - is stdin, and OUT.html may be - for stdout.
Of one record the story; of several a table and the distribution of the stop times.
Exit status: 0; 125 if a record can't be read or the report can't be written.";

/// What is to be done.
pub(super) enum Job {
    /// A text to print.
    Help(String),
    /// What this code means; what all of them mean without one.
    Explain(Option<String>),
    /// The records, for people or as a page.
    Show {
        /// Where they are.
        files: Vec<PathBuf>,
        /// Where the page goes.
        html: Option<PathBuf>,
    },
}

/// The definition of its command line.
#[must_use]
pub fn definition() -> Command {
    Command::new("winddown report")
        .about("Tells the story of recorded runs")
        .override_usage("winddown report [--html OUT.html] FILE...\n       winddown report --explain [CODE]")
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .arg(
            Arg::new("html")
                .long("html")
                .value_name("OUT.html")
                .value_parser(OsStringValueParser::new())
                .help("Draw the timeline, as one file for a browser"),
        )
        .arg(
            Arg::new("explain")
                .long("explain")
                .value_name("CODE")
                .num_args(0..=1)
                .value_parser(StringValueParser::new())
                .conflicts_with_all(["html", "files"])
                .help("What a cause (W09, draining) means, and what to do; all of them without CODE"),
        )
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .value_parser(OsStringValueParser::new())
                .action(ArgAction::Append)
                .num_args(1..)
                .help("Records; each may hold several, one after the other"),
        )
}

/// Reads the words, from `report` on.
pub(super) fn parse(words: &[OsString]) -> Result<Job, UsageError> {
    let mut matches = match definition().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Job::Help(error.render().to_string())),
        Err(error) => return Err(UsageError::Invalid(format!("report: {}", one_line(&error)))),
    };
    if matches.contains_id("explain") {
        return Ok(Job::Explain(matches.remove_one("explain")));
    }
    let files = matches.remove_many::<OsString>("files").into_iter().flatten().map(PathBuf::from).collect();
    let html = matches.remove_one::<OsString>("html").map(PathBuf::from);
    Ok(Job::Show { files, html })
}
