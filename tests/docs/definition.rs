//! What the definition of the command line says about an option.

use clap::Arg;

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

/// `--time-limit` and `WINDDOWN_TIME_LIMIT`, and so on.
pub(crate) fn options_and_variables() -> Vec<(String, String)> {
    let definition = cli::definition();
    let options = definition.get_arguments();
    let pair = |option: &Arg| Some((format!("--{}", option.get_long()?), cli::variable_of(option)?));
    options.filter_map(pair).collect()
}
