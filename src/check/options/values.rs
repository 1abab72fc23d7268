//! The values of options that only `check` has, one function each.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValue, ValueParser};

use super::allow::Allowance;
use super::probing::Probing;
use crate::check::checks::catalogue;
use crate::check::checks::check::{Check, Profile};
use crate::check::runs::stdin::Input;
use crate::cli::usage::{Text, named};
use crate::cli::values::limit;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::plan::Limit;

fn known(id: &str) -> Result<&'static Check, String> {
    catalogue::find(id.trim())
        .ok_or_else(|| "there is no such check; winddown check --list lists them".to_owned())
}

/// A parser for ids of checks.
pub(super) fn checks() -> impl Into<ValueParser> {
    Text::of(known).knows(ids)
}

pub(super) fn ids() -> Vec<PossibleValue> {
    named(catalogue::checks().map(|check| check.id))
}

/// Known to `--explain`.
pub(super) fn topics() -> Vec<PossibleValue> {
    ids().into_iter().chain(named(crate::report::codes())).collect()
}

/// Explains a check, or a cause that the post-mortem names.
pub(super) fn explained(id: &str) -> Result<String, String> {
    match crate::report::explain(id) {
        Some(cause) => Ok(cause),
        None => known(id).map(catalogue::explain),
    }
}

pub(super) fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "use a number of at least 1, e.g. 20".to_owned())
}

pub(super) fn finite(text: &str) -> Result<Duration, String> {
    match limit(text)? {
        Limit::Finite(length) if !length.is_zero() => Ok(length),
        _ => Err("a test needs an end, and time to watch; use e.g. 10s".to_owned()),
    }
}

/// `0`, `143`, `TERM`.
pub(super) fn exit(text: &str) -> Result<Exit, String> {
    let text = text.trim();
    let code = text.parse().ok().map(Exit::Code);
    let exit = code.or_else(|| text.parse().ok().map(Exit::Signal));
    exit.ok_or_else(|| "use exit statuses from 0 to 255 and names of signals, e.g. 0,143,TERM".to_owned())
}

pub(super) fn directory(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("there is no such directory; create it first".to_owned()) }
}

/// A name for reports, each of which has it within a line.
pub(super) fn label(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err("use a name in one line, e.g. api".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn allowance(text: &str) -> Result<Allowance, String> {
    Allowance::parse(text.trim())
}

/// A command for a shell, which reports errors in it itself.
#[expect(clippy::unnecessary_wraps, reason = "every parser of a value returns a result")]
pub(super) fn shell_command(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

impl ValueEnum for Profile {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl ValueEnum for Probing {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Tcp, Self::Http, Self::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Auto => "auto",
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::None => "none",
        }))
    }
}

impl ValueEnum for Input {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Pipe, Self::Closed, Self::Terminal]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            // What there is without the option.
            Self::Empty => None,
            Self::Pipe => Some(PossibleValue::new("open")),
            Self::Closed => Some(PossibleValue::new("closed")),
            Self::Terminal => Some(PossibleValue::new("tty")),
        }
    }
}
