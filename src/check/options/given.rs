//! The given options, by name.

use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches};

use super::definition::definition;
use super::port::{Port, PortChoice};
use crate::cli::usage::{self, Line, UsageError};

/// A parsed command line.
pub(super) struct Given {
    matches: ArgMatches,
    /// The port for the server.
    pub(super) port: Option<Port>,
}

/// The result of parsing the words.
pub(super) enum Words {
    Given(Given),
    /// A requested text: help, version.
    Print(String),
}

impl Given {
    /// Parses the words twice: for the port, and with the port filled in.
    pub(super) fn read(words: &[OsString]) -> Result<Words, UsageError> {
        let unread = |option: Arg| {
            let is_read = option.get_id() == "port" || !option.get_action().takes_values();
            if is_read { option } else { option.value_parser(OsStringValueParser::new()) }
        };
        let port = match usage::read(&mut definition().mut_args(unread), words)? {
            Line::Given(matches) => matches.get_one::<PortChoice>("port").copied(),
            Line::Print(text) => return Ok(Words::Print(text)),
        };
        let none = || UsageError::Invalid("check: --port auto: no port is free; give a number".to_owned());
        let port = port.map(|port| port.port().ok_or_else(none)).transpose()?;
        let fill = |word: &OsString| port.as_ref().map_or_else(|| word.clone(), |port| port.fill(word));
        let words: Vec<OsString> = words.iter().map(fill).collect();
        Ok(match usage::read(&mut definition(), &words)? {
            Line::Given(matches) => Words::Given(Self { matches, port }),
            Line::Print(text) => Words::Print(text),
        })
    }

    /// The last value of an option.
    pub(super) fn one<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Option<T> {
        self.matches.get_one::<T>(long).cloned()
    }

    /// All values of an option that can be given several times or takes a list; also the command's words.
    pub(super) fn each<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Vec<T> {
        self.matches.get_many::<T>(long).into_iter().flatten().cloned().collect()
    }

    pub(super) fn switch(&self, long: &str) -> bool {
        self.matches.get_flag(long)
    }
}
