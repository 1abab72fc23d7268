//! Options from the environment: `WINDDOWN_TIME_LIMIT` for `--time-limit`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use super::{UsageError, one_line};

/// The first word of the names that are ours; the rest is the option's.
const VARIABLE_PREFIX: &str = "WINDDOWN_";

/// The variables that have set something, for messages that tell where a setting came from.
pub(super) struct Origins(pub(super) Vec<String>);

impl Origins {
    /// The option or the variable, whichever was used.
    pub(super) fn name(&self, option: &str) -> String {
        let variable = variable_name(option.trim_start_matches('-'));
        if self.0.contains(&variable) { variable } else { option.to_owned() }
    }
}

/// A variable that is ours, the option it stands for, and its value.
pub(super) type Variable<'a> = (OsString, &'a Arg, &'a OsStr);

/// `WINDDOWN_TIME_LIMIT` for `--time-limit`: exact names of options that set something.
#[must_use]
pub fn variable_of(option: &Arg) -> Option<String> {
    let long = option.get_long().filter(|long| !["help", "version", "explain-plan"].contains(long))?;
    Some(variable_name(long))
}

pub(super) fn variable_name(long: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", long.to_uppercase().replace('-', "_"))
}

pub(super) fn known_variables<'a>(
    definition: &'a clap::Command,
    variables: &'a [(OsString, OsString)],
) -> Vec<Variable<'a>> {
    let known = |(name, value): &'a (OsString, OsString)| {
        let option = definition.get_arguments().find(|option| {
            variable_of(option).is_some_and(|variable| name.as_os_str() == variable.as_str())
        })?;
        Some((name.clone(), option, value.as_os_str()))
    };
    // Most are not ours at all, and need no comparison with every option.
    let ours = |(name, _): &&(OsString, OsString)| name.as_bytes().starts_with(VARIABLE_PREFIX.as_bytes());
    variables.iter().filter(ours).filter_map(known).collect()
}

/// Variables with the word of a command line that each stands for, without those that the real one overrides.
pub(super) fn words_from_variables(
    definition: &clap::Command,
    matches: &ArgMatches,
    ours: &[Variable<'_>],
) -> Result<Vec<(String, OsString)>, UsageError> {
    let mut words = Vec::new();
    for (variable, option, value) in ours {
        let given = matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine);
        if value.is_empty() || given {
            continue;
        }
        let variable = variable.to_string_lossy();
        let mut word = OsString::from(format!("--{}", option.get_long().unwrap_or_default()));
        if option.get_action().takes_values() {
            word.push("=");
            word.push(value);
        } else if !is_on(&variable, value)? {
            continue;
        }
        let alone = [OsString::from("winddown"), word.clone()];
        if let Err(error) = definition.clone().try_get_matches_from(alone) {
            return Err(UsageError::Invalid(format!("{variable}: {}", one_line(&error))));
        }
        words.push((variable.into_owned(), word));
    }
    Ok(words)
}

fn is_on(variable: &str, value: &OsStr) -> Result<bool, UsageError> {
    match value.to_string_lossy().to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        other => Err(UsageError::Invalid(format!("{variable}: invalid value '{other}'; use 1 or 0"))),
    }
}
