//! Where an option's value comes from: the command line, or else its variable, `WINDDOWN_TIME_LIMIT` for
//! `--time-limit`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::ContextKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::meant;
use super::table::{Spec, specs};
use super::usage::{UsageError, invalid, one_line};

/// The first word of our variables; the rest is the option's name.
const VARIABLE_PREFIX: &str = "WINDDOWN_";
/// The length of `WINDDOWN_TO`, not much more than the first word.
const SHORT: usize = 11;
/// Opposites: the variable of either does nothing if one of them is on the command line.
const OPPOSITES: [[&str; 2]; 2] = [["verbose", "quiet"], ["run-limit", "stop-after"]];

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

/// The variables that have set something, for messages that name the source of a setting.
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// The option or the variable, whichever was used.
    pub(super) fn name(&self, option: &str) -> String {
        let variable = variable_name(option.trim_start_matches('-'));
        if self.0.contains(&variable) { variable } else { option.to_owned() }
    }
}

/// Our variables in the environment.
pub(super) struct Variables {
    /// Their names.
    pub(super) consumed: Vec<OsString>,
    /// Advice about names that resemble ours.
    pub(super) advice: Vec<String>,
}

/// A parsed command line, with our variables.
pub(super) struct GivenOptions {
    line: ArgMatches,
    /// The variables of options that are not on the line, parsed with the same definition.
    variables: Option<ArgMatches>,
    used: Vec<String>,
    /// The names of our variables.
    consumed: Vec<OsString>,
    /// What variables with names like ours probably mean.
    advice: Vec<String>,
}

/// The advice about a variable that is not ours, but resembles one. `WINDDOWN_PORT` and
/// `WINDDOWN_SERVICE_HOST`, which Kubernetes sets for a service of that name, resemble none.
fn advice((name, value): &(OsString, OsString)) -> Option<String> {
    let name = name.to_str().filter(|_| !value.is_empty())?;
    let settable = specs().map(|spec| spec.long).filter(|long| variable_of_option(long).is_some());
    let meant = if let Some(word) = name.strip_prefix(VARIABLE_PREFIX) {
        let word = word.to_ascii_lowercase().replace('_', "-");
        variable_name(meant::nearest(&word, &settable.collect::<Vec<_>>())?)
    } else if name.get(..3)?.eq_ignore_ascii_case("win") {
        // A typo in the first word, or lower case.
        let name = name.to_ascii_uppercase();
        settable.map(variable_name).find(|ours| ours.len() > SHORT && meant::is_near(&name, ours))?
    } else {
        return None;
    };
    (meant != name).then(|| format!("{name} is not a variable of winddown; did you mean {meant}?"))
}

/// A variable as words of the command line; none for a switch that is off.
fn as_words(spec: &Spec, name: &str, value: &OsStr) -> Result<Vec<OsString>, UsageError> {
    let word = OsString::from(format!("--{}", spec.long));
    if spec.takes_value() {
        let with = |value: &[u8]| {
            let bytes = [word.as_bytes(), b"=", value].concat();
            OsString::from_vec(bytes)
        };
        let values = value.as_bytes().split(|byte| *byte == b'\n' && spec.is_by_line());
        return Ok(values.filter(|value| !value.is_empty()).map(with).collect());
    }
    let value = value.to_string_lossy();
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(vec![word]),
        "0" | "false" | "no" | "off" => Ok(Vec::new()),
        _ => Err(of_variable(name, &invalid(&word.to_string_lossy(), &value, "use 1 or 0"))),
    }
}

fn of_variable(name: &str, why: &str) -> UsageError {
    UsageError::Invalid(format!("{name}: {why}"))
}

/// Whether the option or its opposite is on the command line: then its variable does nothing.
fn is_decided(line: &ArgMatches, long: &str) -> bool {
    let opposites = OPPOSITES.iter().filter(|pair| pair.contains(&long)).flatten();
    opposites.chain([&long]).any(|long| line.value_source(long) == Some(ValueSource::CommandLine))
}

impl GivenOptions {
    /// Adds our variables to the command line; an empty one counts as unset.
    pub(super) fn new(
        definition: &mut Command,
        line: ArgMatches,
        variables: &[(OsString, OsString)],
    ) -> Result<Self, UsageError> {
        // Most variables are not ours at all, and need no comparison with every option.
        let is_ours =
            |(name, _): &&(OsString, OsString)| name.as_bytes().starts_with(VARIABLE_PREFIX.as_bytes());
        let ours: Vec<&(OsString, OsString)> = variables.iter().filter(is_ours).collect();
        let mut given = Self {
            line,
            variables: None,
            used: Vec::new(),
            consumed: Vec::new(),
            advice: variables.iter().filter_map(advice).collect(),
        };
        let mut words = vec![OsString::from("winddown")];
        for spec in specs() {
            let Some(name) = variable_of_option(spec.long) else { continue };
            let mut found = ours.iter().filter(|(variable, _)| variable.as_os_str() == name.as_str());
            let Some((_, value)) = found.next_back() else { continue };
            given.consumed.push(OsString::from(&name));
            if !value.is_empty() && !is_decided(&given.line, spec.long) {
                words.extend(as_words(spec, &name, value)?);
                given.used.push(name);
            }
        }
        if words.len() > 1 {
            let read = definition.try_get_matches_from_mut(words);
            given.variables = Some(read.map_err(|error| {
                let option = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
                let long = option.split(' ').next().unwrap_or_default().trim_start_matches('-');
                of_variable(&variable_name(long), &one_line(&error, definition))
            })?);
        }
        Ok(given)
    }

    /// Returns our variables, the advice about others, and where settings came from.
    pub(super) fn finish(self) -> (Variables, Origins) {
        (Variables { consumed: self.consumed, advice: self.advice }, Origins(self.used))
    }

    /// The matches that decide about the option. One copy of the code, not one per caller: the slim build has a
    /// size limit.
    #[inline(never)]
    fn source(&self, long: &str) -> &ArgMatches {
        match &self.variables {
            Some(variables) if !is_decided(&self.line, long) => variables,
            _ => &self.line,
        }
    }

    /// The value of an option; the last of several counts.
    pub(super) fn one<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Option<T> {
        self.source(long).get_one::<T>(long).cloned()
    }

    /// All values of an option whose values add up.
    pub(super) fn many<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Vec<T> {
        self.source(long).get_many::<T>(long).into_iter().flatten().cloned().collect()
    }

    /// Whether a switch is on.
    pub(super) fn switch(&self, long: &str) -> bool {
        self.source(long).get_flag(long)
    }

    /// The words after the options.
    pub(super) fn words(&self, id: &str) -> Vec<OsString> {
        self.line.get_many::<OsString>(id).into_iter().flatten().cloned().collect()
    }
}
