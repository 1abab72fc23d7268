//! The table of options.

use std::fmt::Write as _;

use clap::Arg;
use winddown::cli;

use crate::definition::meaning_and_default;

const HEAD: &str = "\
# Options

<!-- Made by `UPDATE_DOCS=1 cargo test --test docs` from the definition of the command line. -->

Each option can be given on the command line or as a variable. The command line wins, an empty variable
counts as unset, and the command does not inherit these variables. Variables of options without a value
take `1` or `0`. Options end at the first word that is not an option, or at `--`.

`winddown -h` prints the options that matter most, `winddown --help` or `winddown help` all of them,
`winddown help check` those of a subcommand. `check`, `report`, `token` and `help` are subcommands as the
very first word only: `winddown -- help` runs a program named help.
";

const FOOT: &str = "
Durations: `250ms`, `30s`, `1m30s`, plain seconds (`30`), `0`, and for limits `infinity`. Signals:
`TERM`, `SIGTERM`, `15`, `RTMIN+3`. Lists are separated by commas. Less than a millisecond, months (`M`)
and years are refused.

bash, zsh and fish complete options and their values: [completions.md](completions.md).

`--run-limit` is when all is over: the stop begins earlier, by the time limit. Without `-t` that is at most
half of the run limit: `--run-limit 10s` alone asks after 5 s. `--stop-after 10s` asks after 10 s, as
`timeout 10` does ([timeout.md](timeout.md)). `--explain-plan` shows what is in force.

An option that could do nothing is refused, with the remedy: `-v` with `-q`, `--extend-max` where
COMMAND has no way to ask, `--hook-limit` without a hook that it limits, `--to` beside a plan whose
steps all name their target, `--stop-after` with `--run-limit`, `--preserve-status` without either, `-t` of less than a millisecond. (Of `-v` and a variable for `-q`, and of
`--stop-after` and a variable for `--run-limit`, the command line wins.) One line reports a variable whose name is nearly one of these (`WINDDOWN_TIMEOUT`),
and the variable is passed on; there is no line for the variables that Kubernetes sets for a service of
the name `winddown`.
";

/// The whole page: one table for each group.
pub(crate) fn page() -> String {
    let definition = cli::definition();
    let mut page = HEAD.to_owned();
    let mut group = None;
    for option in definition.get_arguments() {
        if option.get_long().is_none() || option.get_help_heading() == Some("Help") {
            continue;
        }
        let variable = cli::variable_of(option).map_or("none".to_owned(), |name| format!("`{name}`"));
        if group != option.get_help_heading() {
            group = option.get_help_heading();
            let heading = group.unwrap_or_default();
            let _ = writeln!(page, "\n## {heading}\n");
            page += "| option | variable | default | meaning |\n|---|---|---|---|\n";
        }
        let (name, default, meaning) = row(option);
        let _ = writeln!(page, "| {name} | {variable} | {default} | {meaning} |");
    }
    page + FOOT
}

/// README's table: the options that matter most, those of `winddown -h`.
pub(crate) fn short() -> String {
    let definition = cli::definition();
    let matters = |option: &&Arg| {
        !option.is_hide_set() && !option.is_hide_short_help_set() && option.get_help_heading() != Some("Help")
    };
    let mut table = "| option | default | meaning |\n|---|---|---|\n".to_owned();
    for option in definition.get_arguments().filter(matters) {
        let (name, default, meaning) = row(option);
        let _ = writeln!(table, "| {name} | {default} | {meaning} |");
    }
    table
}

/// Its name, default and meaning.
fn row(option: &Arg) -> (String, String, String) {
    let (meaning, default) = meaning_and_default(option);
    let short = option.get_short().map_or_else(String::new, |short| format!("-{short}, "));
    let value = option.get_value_names().filter(|_| option.get_action().takes_values());
    let value = value.map_or_else(String::new, |names| format!(" {}", names.join(" ")));
    let name = format!("`{short}--{}{value}`", option.get_long().unwrap_or_default());
    let escaped = |text: &str| text.replace('|', "\\|").replace('<', "\\<");
    (name.replace('|', "\\|"), escaped(&default), escaped(&meaning))
}
