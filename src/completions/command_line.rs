//! The command lines that are completed: that of the main job, and one for each subcommand.

use clap::{Arg, Command, ValueHint};

#[cfg(feature = "check")]
use crate::check;
use crate::cli::usage::named;
#[cfg(feature = "report")]
use crate::report;
use crate::{cli, token};

/// One of the command lines.
pub(super) struct CommandLine {
    /// The subcommand, or `run` for the main job.
    pub(super) name: &'static str,
    /// The definition, with a hint for each value that can't be listed.
    pub(super) definition: Command,
}

/// The name of the main job's command line.
pub(super) const RUN: &str = "run";

/// All of them, the main job's first.
pub(super) fn all() -> Vec<CommandLine> {
    let lines = [
        (RUN, cli::definition()),
        #[cfg(feature = "check")]
        ("check", check::options::definition::definition()),
        #[cfg(feature = "report")]
        ("report", report::definition()),
        ("token", token::definition()),
        ("completions", super::definition()),
        ("help", help()),
    ];
    lines
        .into_iter()
        .map(|(name, definition)| CommandLine { name, definition: definition.mut_args(hinted) })
        .collect()
}

/// The words after `help`.
fn help() -> Command {
    let names = named(cli::subcommands::all().map(|subcommand| subcommand.name));
    let subcommand = Arg::new("subcommand").value_name("SUBCOMMAND").value_parser(names);
    Command::new("winddown help").about("Prints help").disable_help_flag(true).arg(subcommand)
}

fn hinted(argument: Arg) -> Arg {
    if !argument.get_action().takes_values() {
        return argument;
    }
    let hint = match argument.get_value_names().unwrap_or_default() {
        [name] if argument.is_positional() && name == "COMMAND" => ValueHint::CommandWithArguments,
        [name] if name == "CMD" || name == "COMMAND" => ValueHint::CommandString,
        [name] if name == "FILE" || name == "OUT.html" => ValueHint::FilePath,
        [name] if name == "DIR" => ValueHint::DirPath,
        _ => ValueHint::Other,
    };
    argument.hide(false).value_hint(hint)
}

impl CommandLine {
    /// The name of its function in the scripts.
    pub(super) fn function(&self) -> String {
        format!("winddown_{}", self.name)
    }

    /// What it is for, in a few words.
    pub(super) fn about(&self) -> String {
        self.definition.get_about().map(ToString::to_string).unwrap_or_default()
    }

    /// Its options that take a value.
    pub(super) fn with_value(&self) -> impl Iterator<Item = &Arg> {
        self.definition.get_opts().filter(|option| option.get_action().takes_values())
    }

    /// Its options whose value is a list of known words.
    pub(super) fn lists(&self) -> impl Iterator<Item = &Arg> {
        self.with_value().filter(|option| is_list(option) && !option.get_possible_values().is_empty())
    }

    /// Whether its options end at a command.
    pub(super) fn takes_command(&self) -> bool {
        self.definition.get_positionals().any(|one| one.get_value_hint() == ValueHint::CommandWithArguments)
    }
}

/// `--stop-on` reads its list itself, since `none` is none.
fn is_list(option: &Arg) -> bool {
    option.get_value_delimiter().is_some() || option.get_id() == "stop-on"
}

/// Without the main job's.
pub(super) fn subcommands(lines: &[CommandLine]) -> impl Iterator<Item = &CommandLine> {
    lines.iter().filter(|line| line.name != RUN)
}

/// The spellings of an option: `-t`, `--time-limit`.
pub(super) fn spellings(option: &Arg) -> impl Iterator<Item = String> {
    let short = option.get_short().map(|short| format!("-{short}"));
    let longs = option.get_long_and_visible_aliases().into_iter().flatten();
    short.into_iter().chain(longs.map(|long| format!("--{long}")))
}

/// The names of an option's known values.
pub(super) fn known(option: &Arg) -> Vec<String> {
    option.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
}
