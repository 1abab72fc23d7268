//! The script for zsh: a function for each command line, and one that chooses among them.

use clap_complete::Shell;

use super::command_line::{CommandLine, known, subcommands};
use super::{of_line, with_values};

/// Chooses.
const TEMPLATE: &str = include_str!("_winddown");

pub(super) fn script(lines: &[CommandLine]) -> String {
    let functions: String = lines.iter().map(function).collect();
    let names: Vec<&str> = subcommands(lines).map(|line| line.name).collect();
    let described =
        subcommands(lines).map(|line| format!("'{}:{}'", line.name, line.about().replace('\'', "'\\''")));
    TEMPLATE
        .replace("@FUNCTIONS@\n", &functions)
        .replace("@NAMES@", &names.join("|"))
        .replace("@DESCRIBED@", &described.collect::<Vec<_>>().join(" "))
}

/// The function alone. clap knows neither lists, nor commands in a command line.
fn function(line: &CommandLine) -> String {
    let mut script = of_line(Shell::Zsh, line);
    for option in line.lists() {
        let mark = format!("--{}=[", option.get_id());
        let values = known(option).join(" ");
        script =
            with_values(&script, &mark, &format!(":({values})"), &format!(":_sequence compadd - {values}"));
    }
    if line.takes_command() {
        // No options of ours after the first word that is none.
        script = script.replacen("{_arguments_options[@]}\" :", "{_arguments_options[@]}\" -A \"-*\" :", 1);
        script = script.replace(":_cmdambivalent'", ": _winddown_command'");
    } else {
        // Options may follow a file.
        script = script.replace("'*::", "'*:");
    }
    let start = script.find(&format!("_{}() {{", line.function())).unwrap_or_default();
    let end = script.find("\n}\n").map_or(script.len(), |end| end + 3);
    format!("{}\n", &script[start..end])
}
