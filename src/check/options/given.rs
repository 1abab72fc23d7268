//! The words of the command line, parsed.

use std::ffi::OsString;

use clap::ArgMatches;

use super::super::port::Port;
use crate::cli::UsageError;

/// What was given, with the words that name the option in a message.
pub(super) struct Given {
    pub(super) matches: ArgMatches,
    port: Option<Port>,
}

impl Given {
    /// The words, with the port that the server is given in its places.
    pub(super) fn new(matches: ArgMatches) -> Result<Self, UsageError> {
        let mut given = Self { matches, port: None };
        given.port = given.one("port", Port::parse)?;
        Ok(given)
    }

    pub(super) fn command(&self) -> Vec<OsString> {
        let words = self.matches.get_many::<OsString>("command").into_iter().flatten();
        words.map(|word| self.port.as_ref().map_or_else(|| word.clone(), |port| port.fill(word))).collect()
    }

    fn texts(&self, long: &str) -> Vec<String> {
        let words = self.matches.get_many::<String>(long).into_iter().flatten();
        words
            .map(|word| self.port.as_ref().map_or_else(|| word.clone(), |port| port.fill_text(word)))
            .collect()
    }

    /// The last one.
    pub(super) fn one<T>(
        &self,
        long: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, UsageError> {
        Ok(self.each(long, parse)?.pop())
    }

    /// Of an option that can be given several times.
    pub(super) fn each<T>(
        &self,
        long: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, UsageError> {
        self.texts(long).iter().map(|word| parsed(long, word, &parse)).collect()
    }

    /// A list in one option, or in several.
    pub(super) fn list<T>(
        &self,
        long: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, UsageError> {
        let texts = self.texts(long);
        let words = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
        words.map(|word| parsed(long, word, &parse)).collect()
    }

    /// The port, once every word has been read.
    pub(super) fn into_port(self) -> Option<Port> {
        self.port
    }
}

fn parsed<T>(long: &str, word: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, UsageError> {
    let refuse = |why| UsageError::Invalid(format!("check: invalid value '{word}' for '--{long}': {why}"));
    parse(word).map_err(refuse)
}
