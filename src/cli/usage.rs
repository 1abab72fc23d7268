//! Parses words with clap, and turns its errors into one line with the option, the value and the remedy.

use std::convert::Infallible;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgMatches, Command, ValueEnum};
use thiserror::Error;

use super::{help, meant};

/// Why nothing was started.
#[derive(Debug, Error)]
pub enum UsageError {
    /// The command line, or one variable, can't be understood.
    #[error("{0}")]
    Invalid(String),
    /// There is no command.
    #[error("no command given; usage: winddown [OPTIONS] [--] COMMAND [ARG]... (see --help)")]
    NoCommand,
    /// The word is reserved for a part that is not in this build.
    #[error("'{0}' is not part of this build of winddown; to run a command of that name: winddown -- {0}")]
    NotBuilt(String),
}

/// A command line that was understood.
pub(crate) enum Line {
    /// What is given.
    Given(ArgMatches),
    /// A requested text: help, version.
    Print(String),
}

/// Parses the words; the first is the name of the program.
pub(crate) fn read(definition: &mut Command, words: &[OsString]) -> Result<Line, UsageError> {
    match definition.try_get_matches_from_mut(words) {
        Ok(matches) => Ok(Line::Given(matches)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            Ok(Line::Print(help::page(definition, help::is_long(words), help::columns())))
        }
        Err(error) if !error.use_stderr() => Ok(Line::Print(error.render().to_string())),
        Err(error) => {
            // `check: ` comes first for `winddown check`.
            let part = definition.get_name().strip_prefix("winddown ");
            let part = part.map(|name| format!("{name}: ")).unwrap_or_default();
            Err(UsageError::Invalid(format!("{part}{}", one_line(&error, definition))))
        }
    }
}

/// clap's message without its decoration: what is wrong, and what was probably meant.
pub(super) fn one_line(error: &clap::Error, definition: &Command) -> String {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let option = context(ContextKind::InvalidArg);
    let value = context(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument if option.starts_with('-') => unknown(&option, definition),
        ErrorKind::UnknownArgument => format!("unexpected argument '{option}' (see --help)"),
        ErrorKind::TooManyValues => {
            format!("option '{option}' takes no value; leave out '{value}' (see --help)")
        }
        ErrorKind::ArgumentConflict => {
            // clap shows `FILE` as `[FILE]...`.
            let other = context(ContextKind::PriorArg);
            let other = other.strip_suffix("...").unwrap_or(&other).trim_matches(['[', ']']);
            format!("'{option}' does not go with '{other}'; leave one of them out (see --help)")
        }
        // The value is missing.
        ErrorKind::InvalidValue => {
            format!("a value is required for '{option}' but none was supplied (see --help)")
        }
        ErrorKind::ValueValidation => {
            invalid(&option, &value, &error.source().map(ToString::to_string).unwrap_or_default())
        }
        kind => format!("'{option}': {kind} (see --help)"),
    }
}

/// The error for a value that its option does not accept.
pub(super) fn invalid(option: &str, value: &str, why: &str) -> String {
    let value = value.lines().collect::<Vec<_>>().join(" ");
    format!("invalid value '{value}' for '{option}': {why} (see --help)")
}

/// The error for an unknown option. clap's own tip, `-- --option`, would run a command of that name.
fn unknown(option: &str, definition: &Command) -> String {
    let names: Vec<&str> = definition.get_arguments().filter_map(Arg::get_long).collect();
    let word = option.trim_start_matches('-');
    let meant = match meant::nearest(word, &names) {
        // `-9`, as for kill.
        _ if word.starts_with(|first: char| first.is_ascii_digit()) => "; did you mean -s?".to_owned(),
        _ if meant::is_needless(word) => "; winddown does that by itself: leave it out".to_owned(),
        Some(name) => format!("; did you mean --{name}?"),
        None => String::new(),
    };
    format!("there is no option '{option}'{meant} (see --help)")
}

/// Names as known values.
pub(crate) fn named(names: impl IntoIterator<Item = &'static str>) -> Vec<PossibleValue> {
    names.into_iter().map(PossibleValue::new).collect()
}

/// `main, all or none`.
pub(crate) fn either(values: &[PossibleValue]) -> String {
    let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    match names.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        names => names.concat(),
    }
}

/// clap's parser for a value that is text. It takes any bytes, so that a value that is not UTF-8 is refused
/// like any other: with the option's name and the remedy.
#[derive(Clone)]
pub(crate) struct Text<T> {
    read: fn(&str) -> Result<T, String>,
    /// Whether a value that is not UTF-8 is refused, rather than read with replacement characters.
    is_exact: bool,
    /// Values with a name of their own; there may be others.
    known: fn() -> Vec<PossibleValue>,
}

impl<T> Text<T> {
    pub(crate) fn of(read: fn(&str) -> Result<T, String>) -> Self {
        Self { read, is_exact: false, known: Vec::new }
    }

    /// For a value that is passed on, or names a file.
    pub(crate) fn exact(self) -> Self {
        Self { is_exact: true, ..self }
    }

    pub(crate) fn knows(self, known: fn() -> Vec<PossibleValue>) -> Self {
        // Names are for completions, which the slim build makes none of.
        if cfg!(feature = "completions") { Self { known, ..self } } else { self }
    }
}

impl<T: ValueEnum> Text<T> {
    /// One of a few words.
    pub(crate) fn choice() -> Self {
        Self::of(|text| T::from_str(text, false).map_err(|_| format!("use {}", either(&Self::words()))))
            .knows(Self::words)
    }

    fn words() -> Vec<PossibleValue> {
        T::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect()
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Text<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let text = value.to_string_lossy();
        let result = if self.is_exact && value.to_str().is_none() {
            Err(NOT_TEXT.to_owned())
        } else {
            (self.read)(&text)
        };
        result.map_err(|why| refused(command, option, &text, why))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some((self.known)()).filter(|known| !known.is_empty()).map(boxed)
    }
}

const NOT_TEXT: &str = "it is not valid UTF-8; use a name that is, or put the command into a script";

fn boxed<'a>(values: Vec<PossibleValue>) -> Box<dyn Iterator<Item = PossibleValue> + 'a> {
    Box::new(values.into_iter())
}

/// clap's own error for a value, which only its own parsers can create.
fn refused(command: &Command, option: Option<&Arg>, text: &str, why: String) -> clap::Error {
    let refuse = move |_: &str| Err::<Infallible, _>(why.clone());
    match refuse.parse_ref(command, option, OsStr::new(text)) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}
