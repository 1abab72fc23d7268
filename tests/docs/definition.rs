//! The definition of the command line, with additions for manuals and completions.

use clap::{Arg, Command, ValueHint};

use winddown::cli;

/// What an option means, and its default: help texts end in `[default: ..]`.
pub(crate) fn meaning_and_default(option: &Arg) -> (String, String) {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    match help.split_once(" [default: ").and_then(|(meaning, rest)| Some((meaning, rest.strip_suffix(']')?)))
    {
        Some((meaning, default)) => (meaning.to_owned(), default.to_owned()),
        None if option.get_action().takes_values() => (help, "none".to_owned()),
        None => (help, "off".to_owned()),
    }
}

/// The definition, with hints for the values that can't be listed.
pub(crate) fn for_completions() -> Command {
    let other = [
        "time-limit",
        "stop-delay",
        "hook-limit",
        "run-limit",
        "kill-wait",
        "extend-max",
        "watchdog",
        "map",
        "remap-exit",
        "stop",
    ];
    let definition = other.into_iter().fold(cli::definition(), |definition, name| {
        definition.mut_arg(name, |option| option.value_hint(ValueHint::Other))
    });
    definition
        .mut_arg("record", |option| option.value_hint(ValueHint::FilePath))
        .mut_arg("token", |option| option.value_hint(ValueHint::FilePath))
        .mut_arg("pre-stop", |option| option.value_hint(ValueHint::CommandString))
        .mut_arg("post-stop", |option| option.value_hint(ValueHint::CommandString))
        .mut_arg("command", |command| command.hide(false).value_hint(ValueHint::CommandWithArguments))
}

/// `--time-limit` and `WINDDOWN_TIME_LIMIT`, and so on.
pub(crate) fn options_and_variables() -> Vec<(String, String)> {
    let definition = cli::definition();
    let options = definition.get_arguments();
    let pair = |option: &Arg| Some((format!("--{}", option.get_long()?), cli::variable_of(option)?));
    options.filter_map(pair).collect()
}

/// Options in the form of fish's `argparse`: `t/time-limit=`.
pub(crate) fn options_for_fish() -> Vec<String> {
    let mut definition = cli::definition();
    definition.build();
    let options = definition.get_arguments();
    options
        .filter_map(|option| {
            let short = option.get_short().map_or_else(String::new, |short| format!("{short}/"));
            let value = if option.get_action().takes_values() { "=" } else { "" };
            Some(format!("{short}{}{value}", option.get_long()?))
        })
        .collect()
}

/// Options whose value is the next word, in all spellings.
pub(crate) fn options_with_value() -> Vec<String> {
    let definition = cli::definition();
    let options = definition.get_arguments().filter(|option| option.get_action().takes_values());
    options
        .flat_map(|option| {
            let short = option.get_short().map(|short| format!("-{short}"));
            short.into_iter().chain(option.get_long().map(|long| format!("--{long}")))
        })
        .collect()
}
