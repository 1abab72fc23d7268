//! The command line of `winddown report`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use super::{explain, timeline};
use crate::cli::help;
use crate::cli::subcommands::REPORT;
use crate::cli::usage::{self, Line, Text, UsageError, named};
use crate::cli::values::path;
use crate::observe::log::Format;
use crate::os::io::destination::Destination;

const MORE: &str = "\
FILE is written by `winddown --record FILE`; - is stdin. OUT.html may be -, for stdout. Prints the story of one record; of several, a table and the distribution of their stop times.

Examples:
  winddown --record run.json -- ./server\tRecord a run
  winddown report run.json\tWhat happened in it
  winddown report --html run.html run.json\tDraw it, for a browser
  winddown report --explain W04\tExplain a cause that a report names

Exit status: 0; 125 if a record can't be read or the report can't be written.";

/// What to do.
pub(super) enum ReportJob {
    /// Print a text: help, or what a code means.
    Print(String),
    /// Show records, as text or as a page.
    Show {
        /// Where they are.
        files: Vec<PathBuf>,
        /// Where the page goes.
        html: Option<Destination>,
        /// Whether the reader is a program.
        is_json: bool,
    },
}

/// The definition of its command line.
#[must_use]
pub fn definition() -> Command {
    let command = Command::new("winddown report")
        .about(REPORT.about)
        .override_usage("winddown report [--html OUT.html | --format json] FILE...\n       winddown report --explain [CODE]")
        .after_long_help(MORE)
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .action(ArgAction::Append)
                .num_args(1..)
                .help("Records; each may hold several, one after the other"),
        )
        .arg(
            Arg::new("html")
                .long("html")
                .value_name("OUT.html")
                .value_parser(path(|word| Destination::parse(word, &timeline::KIND)))
                .help("Write the timeline, as one HTML file"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("text|json")
                .value_parser(Text::<Format>::choice())
                .hide_possible_values(true)
                .conflicts_with("html")
                .help("For people, or one JSON object for programs"),
        )
        .arg(
            Arg::new("explain")
                .long("explain")
                .value_name("CODE")
                .num_args(0..=1)
                .value_parser(Text::of(explained).knows(|| named(explain::codes())))
                .hide_possible_values(true)
                .conflicts_with_all(["html", "format", "files"])
                .help("Explain a cause (W09, draining) and its remedy; without CODE, list all causes"),
        );
    help::with_options(command)
}

fn explained(word: &str) -> Result<String, String> {
    explain::explain(word)
        .ok_or_else(|| "there is no such cause; winddown report --explain lists them".to_owned())
}

/// Reads the words, from `report` on.
pub(super) fn parse(words: &[OsString]) -> Result<ReportJob, UsageError> {
    let mut matches = match usage::read(&mut definition(), words)? {
        Line::Given(matches) => matches,
        Line::Print(text) => return Ok(ReportJob::Print(text)),
    };
    if matches.contains_id("explain") {
        return Ok(ReportJob::Print(matches.remove_one("explain").unwrap_or_else(explain::list)));
    }
    let files = matches.remove_many("files").into_iter().flatten().collect();
    let is_json = matches.remove_one("format") == Some(Format::Json);
    Ok(ReportJob::Show { files, html: matches.remove_one("html"), is_json })
}
