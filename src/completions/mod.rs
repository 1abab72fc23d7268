//! `winddown completions`: a script by which a shell completes winddown's words.

use std::ffi::OsString;

use clap::builder::PossibleValue;
use clap::{Arg, Command, ValueEnum};
use clap_complete::Generator;

use crate::cli::help;
use crate::cli::subcommands::COMPLETIONS;
use crate::cli::usage::{self, Line, Text, UsageError};
use command_line::CommandLine;

mod bash;
mod command_line;
mod fish;
mod zsh;

/// A shell for which there is a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InteractiveShell {
    /// GNU's.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive one.
    Fish,
}

impl ValueEnum for InteractiveShell {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Bash, Self::Zsh, Self::Fish]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }))
    }
}

const MORE: &str = "\
Where each shell finds it:
  winddown completions bash >~/.local/share/bash-completion/completions/winddown
  winddown completions zsh >DIR/_winddown\tDIR is one of $fpath
  winddown completions fish >~/.config/fish/completions/winddown.fish

Exit status: 0; 125 if there is none for this shell.";

/// The definition of its command line.
#[must_use]
pub fn definition() -> Command {
    let command = Command::new("winddown completions")
        .about(COMPLETIONS.about)
        .override_usage("winddown completions bash|zsh|fish")
        .after_long_help(MORE)
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .value_parser(Text::<InteractiveShell>::choice())
                .hide_possible_values(true)
                .help("The shell: bash, zsh or fish"),
        );
    help::with_options(command)
}

/// Runs the subcommand and returns what to print.
///
/// # Errors
/// If the words are wrong.
pub(crate) fn run(words: &[OsString]) -> Result<String, UsageError> {
    let matches = match usage::read(&mut definition(), words)? {
        Line::Given(matches) => matches,
        Line::Print(text) => return Ok(text),
    };
    let none = "completions: no shell given; use bash, zsh or fish";
    let shell =
        matches.get_one::<InteractiveShell>("shell").ok_or_else(|| UsageError::Invalid(none.to_owned()))?;
    Ok(script(*shell))
}

/// The script for this shell.
#[must_use]
pub fn script(shell: InteractiveShell) -> String {
    let lines = command_line::all();
    match shell {
        InteractiveShell::Bash => bash::script(&lines),
        InteractiveShell::Zsh => zsh::script(&lines),
        InteractiveShell::Fish => fish::script(&lines),
    }
}

/// What `clap_complete` makes of one command line, as if it were a program of its own.
fn of_line(shell: impl Generator, line: &CommandLine) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut line.definition.clone(), line.function(), &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The script with a change where it completes the values of one option, of which `mark` is the beginning.
fn with_values(script: &str, mark: &str, values: &str, instead: &str) -> String {
    let (before, option) = script.split_once(mark).unwrap_or((script, ""));
    [before, mark, &option.replacen(values, instead, 1)].concat()
}
