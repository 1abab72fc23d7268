//! The script for fish: conditions for each command line, in front of what completes it.

use clap::Arg;
use clap_complete::Shell;

use super::command_line::{CommandLine, known, subcommands};
use super::{of_line, with_values};

/// The conditions.
const TEMPLATE: &str = include_str!("winddown.fish");

pub(super) fn script(lines: &[CommandLine]) -> String {
    let completions: String = lines.iter().map(completions).collect();
    let names: Vec<&str> = subcommands(lines).map(|line| line.name).collect();
    let with_command = lines.iter().filter(|line| line.takes_command());
    let options = with_command
        .map(|line| format!("        case {}\n            set options {}\n", line.name, options(line)));
    let described = subcommands(lines).map(|line| {
        let about = line.about().replace('\\', "\\\\").replace('\'', "\\'");
        format!("complete -c winddown -n __winddown_is_first -a {} -d '{about}'\n", line.name)
    });
    TEMPLATE
        .replace("@NAMES@", &names.join(" "))
        .replace("@OPTIONS@\n", &options.collect::<String>())
        .replace("@DESCRIBED@\n", &described.collect::<String>())
        .replace("@COMPLETIONS@\n", &completions)
}

/// clap knows no lists, and no positional words.
fn completions(line: &CommandLine) -> String {
    let condition = format!("complete -c winddown -n '__winddown_is {}'", line.name);
    let mut script =
        of_line(Shell::Fish, line).replace(&format!("complete -c {}", line.function()), &condition);
    for option in line.lists() {
        let mark = format!(" -l {} ", option.get_id());
        let values: Vec<String> = known(option).iter().map(|value| format!("{value}\\t''")).collect();
        let list = format!("(__winddown_list {})", known(option).join(" "));
        script = with_values(&script, &mark, &values.join("\n"), &list);
    }
    let words = line.definition.get_positionals().flat_map(known).collect::<Vec<_>>().join(" ");
    match line.name {
        _ if line.takes_command() => script,
        // Files.
        "report" => script,
        _ => format!("{script}{condition} -f -a '{words}'\n"),
    }
}

/// In the form of fish's `argparse`: `t/time-limit=`.
fn options(line: &CommandLine) -> String {
    let mut definition = line.definition.clone();
    definition.build();
    let option = |option: &Arg| {
        let short = option.get_short().map(|short| format!("{short}/")).unwrap_or_default();
        let value = if option.get_action().takes_values() { "=" } else { "" };
        let longs = option.get_long_and_visible_aliases().unwrap_or_default();
        let (first, others) = longs.split_first()?;
        let others = others.iter().map(|long| format!(" {long}{value}"));
        Some(format!("{short}{first}{value}{}", others.collect::<String>()))
    };
    definition.get_arguments().filter_map(option).collect::<Vec<_>>().join(" ")
}
