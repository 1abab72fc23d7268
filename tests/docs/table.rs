//! The table of options.

use std::fmt::Write as _;

use winddown::cli;

use crate::definition::meaning_and_default;

const HEAD: &str = "\
# Options

<!-- Made by `UPDATE_DOCS=1 cargo test --test docs` from the definition of the command line. -->

Each option can be given on the command line or as a variable. The command line wins, an empty variable
counts as unset, and the command does not inherit these variables. Variables of options without a value
take `1` or `0`. Options end at the first word that is not an option, or at `--`.
";

const FOOT: &str = "
Durations: `250ms`, `30s`, `1m30s`, plain seconds (`30`), `0`, and for limits `infinity`. Signals:
`TERM`, `SIGTERM`, `15`, `RTMIN+3`. Lists are separated by commas. Less than a millisecond, months (`M`)
and years are refused.

bash, zsh and fish complete options and their values: [completions.md](completions.md).

With `--run-limit` and without `-t` the time limit is at most half of the run limit: `--run-limit 10s`
alone asks after 5 s. `--explain-plan` shows what is in force.

An option that could do nothing is refused, with the remedy: `-v` with `-q`, `--extend-max` where
COMMAND has no way to ask, `--hook-limit` without a hook that it limits, `--to` beside a plan whose
steps all name their target, `-t` of less than a millisecond. (Of `-v` and a variable for `-q`, the
command line wins.) One line reports a variable whose name is nearly one of these (`WINDDOWN_TIMEOUT`),
and the variable is passed on; there is no line for the variables that Kubernetes sets for a service of
the name `winddown`.
";

/// The whole page: one table for each group.
pub(crate) fn page() -> String {
    let definition = cli::definition();
    let mut page = HEAD.to_owned();
    let mut group = None;
    for option in definition.get_arguments() {
        let (Some(long), Some(variable)) = (option.get_long(), cli::variable_of(option)) else { continue };
        if group != option.get_help_heading() {
            group = option.get_help_heading();
            let heading = group.unwrap_or_default();
            let _ = writeln!(page, "\n## {heading}\n");
            page += "| option | variable | default | meaning |\n|---|---|---|---|\n";
        }
        let (meaning, default) = meaning_and_default(option);
        let short = option.get_short().map_or_else(String::new, |short| format!("-{short}, "));
        let value = option.get_value_names().filter(|_| option.get_action().takes_values());
        let value = value.map_or_else(String::new, |names| format!(" {}", names.join(" ")));
        let name = format!("`{short}--{long}{value}`").replace('|', "\\|");
        let _ = writeln!(page, "| {name} | `{variable}` | {default} | {meaning} |");
    }
    page + FOOT
}
