//! The script for bash: a function for each command line, and one that chooses among them.

use clap_complete::Shell;

use super::command_line::{CommandLine, spellings, subcommands};
use super::of_line;

/// Chooses.
const TEMPLATE: &str = include_str!("winddown.bash");

pub(super) fn script(lines: &[CommandLine]) -> String {
    let functions: String = lines.iter().map(function).collect();
    let names: Vec<&str> = subcommands(lines).map(|line| line.name).collect();
    let with_value =
        lines.iter().flat_map(|line| line.with_value().flat_map(|option| patterns(line, option)));
    let lists = lines.iter().flat_map(|line| line.lists().flat_map(|option| patterns(line, option)));
    let commands = lines.iter().filter(|line| line.takes_command()).map(|line| format!("'{} '*", line.name));
    TEMPLATE
        .replace("@FUNCTIONS@\n", &functions)
        .replace("@NAMES@", &names.join(" | "))
        .replace("@SUBCOMMANDS@", &names.join(" "))
        .replace("@WITH_VALUE@", &with_value.collect::<Vec<_>>().join(" | "))
        .replace("@LISTS@", &lists.collect::<Vec<_>>().join(" | "))
        .replace("@WITH_COMMAND@", &commands.collect::<Vec<_>>().join(" | "))
}

/// The function alone, without the line that puts it to use.
fn function(line: &CommandLine) -> String {
    let script = of_line(Shell::Bash, line);
    let function = script.split("\nif [[ \"${BASH_VERSINFO").next().unwrap_or_default();
    format!("{}\n\n", function.trim_end())
}

/// `'run --to'`: an option of one command line.
fn patterns(line: &CommandLine, option: &clap::Arg) -> Vec<String> {
    spellings(option).map(|spelling| format!("'{} {spelling}'", line.name)).collect()
}
