//! Options from one source: the command line, or a table of the configuration file.

use std::collections::HashSet;
use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::config::{GivenOption, GivenValue, Section};
use super::definition::definition;
use super::port::{Port, PortChoice};
use crate::cli::usage::{self, Line, UsageError};

/// Options that make no sense in a file.
const ON_THE_LINE: [&str; 5] = ["config", "list", "explain", "help", "version"];
/// Options of the whole test: none for a single server.
const OF_ALL: [&str; 2] = ["verbose", "log-format"];

/// The words of one source.
pub(super) enum Words<'a> {
    Line(&'a [OsString]),
    Section(&'a Section),
}

/// A parsed source.
pub(super) struct Layer {
    matches: ArgMatches,
    /// Switches that it turns off.
    off: HashSet<String>,
}

impl Words<'_> {
    /// The port that is asked for here; the other values are not read yet.
    pub(super) fn port(&self) -> Result<Option<PortChoice>, UsageError> {
        let unread = |option: Arg| {
            let is_read = option.get_id() == "port" || !option.get_action().takes_values();
            if is_read { option } else { option.value_parser(OsStringValueParser::new()) }
        };
        Ok(self.read(&mut definition().mut_args(unread), None)?.matches.get_one("port").copied())
    }

    /// Reads all values, with the port filled in.
    pub(super) fn layer(&self, port: Option<&Port>) -> Result<Layer, UsageError> {
        self.read(&mut definition(), port)
    }

    fn read(&self, definition: &mut Command, port: Option<&Port>) -> Result<Layer, UsageError> {
        let fill = |word: &OsString| port.map_or_else(|| word.clone(), |port| port.fill(word));
        match self {
            Words::Line(words) => {
                let words: Vec<OsString> = words.iter().map(fill).collect();
                Ok(Layer { matches: matches(definition, &words)?, off: HashSet::new() })
            }
            Words::Section(section) => {
                let mut words = vec![OsString::from("check")];
                let mut found = matches(definition, &words)?;
                for entry in &section.entries {
                    words.extend(words_of(entry, definition)?.iter().map(fill));
                    found = matches(definition, &words).map_err(|error| entry.at.refuse(&plain(&error)))?;
                }
                let off =
                    section.entries.iter().filter(|entry| matches!(entry.value, GivenValue::Switch(false)));
                Ok(Layer { matches: found, off: off.map(|entry| entry.long.clone()).collect() })
            }
        }
    }
}

fn matches(definition: &mut Command, words: &[OsString]) -> Result<ArgMatches, UsageError> {
    match usage::read(definition, words)? {
        Line::Given(matches) => Ok(matches),
        // It was printed when the command line was read.
        Line::Print(text) => Err(UsageError::Invalid(text)),
    }
}

/// Without the name of the subcommand, which comes before the file.
fn plain(error: &UsageError) -> String {
    let text = error.to_string();
    text.strip_prefix("check: ").unwrap_or(&text).to_owned()
}

/// An entry as words of the command line.
fn words_of(entry: &GivenOption, definition: &Command) -> Result<Vec<OsString>, UsageError> {
    let long = entry.long.as_str();
    if ON_THE_LINE.contains(&long) {
        return Err(entry.at.refuse("this belongs on the command line; leave it out here"));
    }
    let option = definition.get_arguments().find(|option| option.get_long() == Some(long));
    let is_switch = option.is_some_and(|option| !option.get_action().takes_values());
    let is_list = option.is_none_or(|option| matches!(option.get_action(), clap::ArgAction::Append));
    let word = |value: &str| OsString::from(format!("--{long}={value}"));
    match &entry.value {
        GivenValue::Switch(true) if is_switch => Ok(vec![OsString::from(format!("--{long}"))]),
        GivenValue::Switch(false) if is_switch => Ok(Vec::new()),
        _ if is_switch => Err(entry.at.refuse("use true or false")),
        GivenValue::Switch(is_on) => Ok(vec![word(&is_on.to_string())]),
        GivenValue::One(value) => Ok(vec![word(value)]),
        GivenValue::Several(_) if !is_list => Err(entry.at.refuse("this has one value; use one, not a list")),
        GivenValue::Several(values) => Ok(values.iter().map(|value| word(value)).collect()),
    }
}

/// Refuses options of the whole test in the table of a server.
pub(super) fn refuse_options_of_all(section: &Section) -> Result<(), UsageError> {
    let entry = section.entries.iter().find(|entry| OF_ALL.contains(&entry.long.as_str()));
    entry
        .map_or(Ok(()), |entry| Err(entry.at.refuse("this is for all servers; put it above the first table")))
}

impl Layer {
    /// Whether it says anything about an option.
    pub(super) fn decides(&self, long: &str) -> bool {
        self.matches.value_source(long) == Some(ValueSource::CommandLine) || self.off.contains(long)
    }

    pub(super) fn one<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Option<T> {
        self.matches.get_one::<T>(long).cloned()
    }

    pub(super) fn each<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Vec<T> {
        self.matches.get_many::<T>(long).into_iter().flatten().cloned().collect()
    }

    pub(super) fn switch(&self, long: &str) -> bool {
        self.matches.get_flag(long)
    }
}
