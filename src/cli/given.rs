//! What was given of an option: on the command line, or else by its variable, `WINDDOWN_TIME_LIMIT` for
//! `--time-limit`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use super::UsageError;
use super::options::specs;
use super::values::text;

/// The first word of the names that are ours; the rest is the option's.
const VARIABLE_PREFIX: &str = "WINDDOWN_";

/// `WINDDOWN_TIME_LIMIT` for `--time-limit`: exact names of options that set something.
#[must_use]
pub fn variable_of(option: &Arg) -> Option<String> {
    variable_of_option(option.get_long()?)
}

fn variable_of_option(long: &str) -> Option<String> {
    (!["help", "version", "explain-plan"].contains(&long)).then(|| variable_name(long))
}

pub(super) fn variable_name(long: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", long.to_ascii_uppercase().replace('-', "_"))
}

/// The variables that have set something, for messages that tell where a setting came from.
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// The option or the variable, whichever was used.
    pub(super) fn name(&self, option: &str) -> String {
        let variable = variable_name(option.trim_start_matches('-'));
        if self.0.contains(&variable) { variable } else { option.to_owned() }
    }
}

/// A command line that was understood, with the variables beside it.
pub(super) struct Given<'a> {
    matches: &'a ArgMatches,
    /// Those that are ours: option, name, value.
    variables: Vec<(&'static str, String, &'a OsStr)>,
    used: Vec<String>,
}

impl<'a> Given<'a> {
    pub(super) fn new(matches: &'a ArgMatches, variables: &'a [(OsString, OsString)]) -> Self {
        let known = |(name, value): &'a (OsString, OsString)| {
            let spec = specs().find(|spec| {
                variable_of_option(spec.long).is_some_and(|variable| name.as_os_str() == variable.as_str())
            })?;
            Some((spec.long, variable_name(spec.long), value.as_os_str()))
        };
        // Most are not ours at all, and need no comparison with every option.
        let is_ours =
            |(name, _): &&(OsString, OsString)| name.as_bytes().starts_with(VARIABLE_PREFIX.as_bytes());
        let variables = variables.iter().filter(is_ours).filter_map(known).collect();
        Self { matches, variables, used: Vec::new() }
    }

    /// The names of the variables that were meant for winddown, and where settings came from.
    pub(super) fn finish(self) -> (Vec<OsString>, Origins) {
        (self.variables.into_iter().map(|(_, name, _)| name.into()).collect(), Origins(self.used))
    }

    /// Whether the option is on the command line.
    pub(super) fn is_on_line(&self, long: &str) -> bool {
        self.matches.value_source(long) == Some(ValueSource::CommandLine)
    }

    /// What the variable says; nothing if the command line says something else, or it is empty.
    fn variable(&mut self, long: &str) -> Option<(String, &'a OsStr)> {
        if self.is_on_line(long) {
            return None;
        }
        let found =
            self.variables.iter().rev().find(|(option, _, value)| *option == long && !value.is_empty());
        let (_, name, value) = found?;
        self.used.push(name.clone());
        Some((name.clone(), value))
    }

    /// A value that is given once; of several the last counts.
    pub(super) fn one<T>(
        &mut self,
        long: &'static str,
        parse: &dyn Fn(&OsStr) -> Result<T, String>,
    ) -> Result<Option<T>, UsageError> {
        if let Some((name, value)) = self.variable(long) {
            return parse(value).map(Some).map_err(|why| Self::refused(Some(&name), long, value, &why));
        }
        let Some(value) = self.matches.get_one::<OsString>(long) else { return Ok(None) };
        parse(value).map(Some).map_err(|why| Self::refused(None, long, value, &why))
    }

    /// Values that add up, each a list itself.
    pub(super) fn many<T>(
        &mut self,
        long: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, UsageError> {
        let variable = self.variable(long);
        let on_line = self.matches.get_many::<OsString>(long).into_iter().flatten();
        let name = variable.as_ref().map(|(name, _)| name.as_str());
        let values: Vec<&OsStr> = match variable {
            Some((_, value)) => vec![value],
            None => on_line.map(OsString::as_os_str).collect(),
        };
        let mut all = Vec::new();
        for value in values {
            for part in text(value).split(',') {
                all.push(parse(part).map_err(|why| Self::refused(name, long, OsStr::new(part), &why))?);
            }
        }
        Ok(all)
    }

    /// Whether a switch is on.
    pub(super) fn switch(&mut self, long: &'static str) -> Result<bool, UsageError> {
        let Some((name, value)) = self.variable(long) else { return Ok(self.matches.get_flag(long)) };
        match text(value).to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            other => Err(UsageError::Invalid(format!("{name}: invalid value '{other}'; use 1 or 0"))),
        }
    }

    /// The words behind the options.
    pub(super) fn words(&self, id: &str) -> Vec<OsString> {
        self.matches.get_many::<OsString>(id).into_iter().flatten().cloned().collect()
    }

    /// As clap has it, with the variable in front where the value came from one.
    fn refused(variable: Option<&str>, long: &str, value: &OsStr, why: &str) -> UsageError {
        let names = specs().find(|spec| spec.long == long).and_then(|spec| spec.value).unwrap_or_default();
        let from = variable.map(|name| format!("{name}: ")).unwrap_or_default();
        let value = text(value).lines().collect::<Vec<_>>().join(" ");
        let told = format!("{from}invalid value '{value}' for '--{long} <{names}>': {why} (see --help)");
        UsageError::Invalid(told)
    }
}
