//! The subcommands: a name as the very first word. A program of that name runs after `--`.

use std::ffi::OsString;

use super::{Request, UsageError, definition, help};

/// A part of winddown with a command line of its own.
#[derive(Debug)]
pub struct Subcommand {
    /// The first word.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Whether this build has it.
    is_built: bool,
}

/// `winddown check`.
pub const CHECK: Subcommand =
    Subcommand { name: "check", about: "Tests how a server shuts down", is_built: cfg!(feature = "check") };
/// `winddown report`.
pub const REPORT: Subcommand = Subcommand {
    name: "report",
    about: "Shows what happened in recorded runs",
    is_built: cfg!(feature = "report"),
};
/// `winddown token`.
pub const TOKEN: Subcommand =
    Subcommand { name: "token", about: "Tells the workload how long it has left", is_built: true };
/// `winddown completions`.
pub const COMPLETIONS: Subcommand = Subcommand {
    name: "completions",
    about: "Prints a script for your shell",
    is_built: cfg!(feature = "completions"),
};

/// Those of all builds, in the order of the help.
const EVERYWHERE: [Subcommand; 4] = [CHECK, REPORT, TOKEN, COMPLETIONS];

/// Those of this build.
pub(crate) fn all() -> impl Iterator<Item = &'static Subcommand> {
    EVERYWHERE.iter().filter(|subcommand| subcommand.is_built)
}

/// The part of the help that names them.
pub(super) fn list() -> String {
    let row = |of: &Subcommand| format!("  {}\t{}: winddown {} --help\n", of.name, of.about, of.name);
    let rows: String = all().map(row).collect();
    let help = "  help\tPrints this, or the help of a subcommand: winddown help token\n";
    format!("Subcommands:\n{rows}{help}To run a program of such a name: winddown -- check")
}

/// What the words ask for, if the first one names a subcommand.
pub(super) fn request(words: &[OsString]) -> Option<Result<Request, UsageError>> {
    let first = words.first()?.to_str()?;
    Some(match first {
        "help" => help(&words[1..]),
        "token" => Ok(Request::Token(words.to_vec())),
        #[cfg(feature = "report")]
        "report" => Ok(Request::Report(words.to_vec())),
        #[cfg(feature = "completions")]
        "completions" => Ok(Request::Completions(words.to_vec())),
        #[cfg(feature = "check")]
        "check" => Ok(Request::Check(words.to_vec())),
        name if EVERYWHERE.iter().any(|subcommand| subcommand.name == name) => {
            Err(UsageError::NotBuilt(name.to_owned()))
        }
        _ => return None,
    })
}

/// `winddown help check` is `winddown check --help`.
fn help(words: &[OsString]) -> Result<Request, UsageError> {
    let Some(word) = words.first().filter(|word| *word != "-h" && *word != "--help") else {
        return Ok(Request::Print(help::page(&mut definition(), true, help::columns())));
    };
    let request = request(&[word.clone(), "--help".into()]).filter(|_| words.len() == 1 && word != "help");
    request.unwrap_or_else(|| {
        let names: Vec<&str> = all().map(|subcommand| subcommand.name).collect();
        Err(UsageError::Invalid(format!(
            "help: use it alone or with {}; to run a program named help: winddown -- help",
            names.join(", ")
        )))
    })
}
