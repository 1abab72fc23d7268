//! `winddown token`, run by the workload: whether a stop is requested, how much time is left, and requests for more.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, Command};

use crate::cli::help;
use crate::cli::subcommands::TOKEN;
use crate::cli::usage::{self, Line, Text, UsageError};
use crate::cli::values::share;
use crate::lifecycle::event::Answer;
use crate::os::io::{descriptor, notify, sink};
use crate::os::{clock, environment, reason};
use crate::text::short;

/// Where the workload finds its token.
pub(crate) const TOKEN_VARIABLE: &str = "SHUTDOWN_TOKEN";
/// The descriptor that becomes readable at a stop.
pub(crate) const FD_VARIABLE: &str = "SHUTDOWN_FD";
/// The socket for requests for more time, if any can be granted.
pub(crate) const SOCKET_VARIABLE: &str = "SHUTDOWN_SOCKET";
/// The deadline in milliseconds since the epoch; before a stop, the end of the run limit.
pub(crate) const DEADLINE_VARIABLE: &str = "SHUTDOWN_DEADLINE_MS";
/// The same on `CLOCK_MONOTONIC`.
pub(crate) const DEADLINE_MONOTONIC_VARIABLE: &str = "SHUTDOWN_DEADLINE_MONOTONIC_MS";

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;
const GRANTED: u8 = 0;
const REFUSED: u8 = 1;

/// How often to check for the file where there is no descriptor to wait for.
const FILE_PAUSE: Duration = Duration::from_millis(20);
/// How long the file may lag behind the descriptor.
const FILE_WAIT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

const MORE: &str = "\
For programs under `winddown --token FILE`. Prints the time left until SIGKILL.

Examples:
  winddown --token /tmp/stop -- sh -c 'while winddown token; do sleep 1; done'\tWork in steps until a stop is requested
  winddown --token /tmp/stop -- sh -c 'winddown token --wait; echo saved'\tWait for the stop

Exit status: 0 while running, 1 once a stop is requested; with --extend, 0 if granted and 1 if refused; 125 outside such a run.";

/// The definition of its command line.
#[must_use]
pub fn definition() -> Command {
    let command = Command::new("winddown token")
        .about(TOKEN.about)
        .override_usage("winddown token [--wait | --extend DURATION]")
        .after_long_help(MORE)
        .arg(
            Arg::new("wait")
                .long("wait")
                .action(ArgAction::SetTrue)
                .conflicts_with("extend")
                .help("Wait until a stop is requested, then exit with 0"),
        )
        .arg(
            Arg::new("extend")
                .long("extend")
                .value_name("DURATION")
                .value_parser(Text::of(share))
                .allow_hyphen_values(true)
                .help("Ask for this much more time from now, within --extend-max"),
        );
    help::with_options(command)
}

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Announced {
    /// On `CLOCK_MONOTONIC`; `None` without a limit.
    deadline_monotonic_ms: Option<u64>,
}

/// The text of a token: one `name=value` per line.
pub(crate) fn text(reason: &str, deadline: Option<(u64, u64)>) -> String {
    let (wall, monotonic) = deadline
        .map_or(("infinity".to_owned(), "infinity".to_owned()), |(wall, monotonic)| {
            (wall.to_string(), monotonic.to_string())
        });
    format!("reason={reason}\ndeadline_ms={wall}\ndeadline_monotonic_ms={monotonic}\n")
}

/// Reads the file; `None` while there is none.
fn read(path: &Path) -> io::Result<Option<Announced>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result?,
    };
    let value = text.lines().find_map(|line| line.strip_prefix("deadline_monotonic_ms="));
    let value = value.ok_or_else(|| io::Error::other("it is not a token"))?;
    Ok(Some(Announced { deadline_monotonic_ms: value.parse().ok() }))
}

/// What the file says. The file appears a moment after the descriptor becomes readable.
fn read_patiently(path: &Path) -> io::Result<Option<Announced>> {
    let comes = descriptor_announces_stop();
    let mut patience = if comes { FILE_WAIT } else { Duration::ZERO };
    loop {
        let token = read(path)?;
        if token.is_some() || patience.is_zero() {
            return Ok(token);
        }
        std::thread::sleep(FILE_PAUSE);
        patience = patience.saturating_sub(FILE_PAUSE);
    }
}

/// The descriptor, unless a program in between closed it and its number was reused.
fn descriptor() -> Option<i32> {
    let number = number(FD_VARIABLE).and_then(|number| i32::try_from(number).ok());
    number.filter(|number| sink::is_pipe(*number))
}

/// Whether the descriptor announces a stop.
fn descriptor_announces_stop() -> bool {
    descriptor().is_some_and(|number| descriptor::is_readable(number, Duration::ZERO))
}

/// Runs the subcommand and returns what to print, and the exit status.
///
/// # Errors
/// If the words are wrong, or there is no token to read.
pub(crate) fn run(words: &[OsString]) -> Result<(String, u8), UsageError> {
    let matches = match usage::read(&mut definition(), words)? {
        Line::Given(matches) => matches,
        Line::Print(text) => return Ok((text, 0)),
    };
    if let Some(by) = matches.get_one::<Duration>("extend") {
        return extend(*by);
    }
    let path = environment::value(TOKEN_VARIABLE).map(PathBuf::from);
    let path = path.ok_or_else(|| outside(TOKEN_VARIABLE, "winddown --token FILE -- COMMAND"))?;
    if matches.get_flag("wait") {
        wait_for(&path);
        return Ok((String::new(), 0));
    }
    let token = read_patiently(&path).map_err(|error| {
        UsageError::Invalid(format!("token: cannot read {}: {}", path.display(), reason(&error)))
    })?;
    Ok(match token {
        Some(token) => (left(token.deadline_monotonic_ms), STOPPING),
        // The file could not be written, but the descriptor announces the stop.
        None if descriptor_announces_stop() => ("unknown\n".to_owned(), STOPPING),
        None => (left(number(DEADLINE_MONOTONIC_VARIABLE)), RUNNING),
    })
}

fn outside(variable: &str, remedy: &str) -> UsageError {
    UsageError::Invalid(format!("token: {variable} is not set; run this under `{remedy}`"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn left(deadline_monotonic_ms: Option<u64>) -> String {
    let left =
        deadline_monotonic_ms.map(|at| Duration::from_millis(at.saturating_sub(clock::monotonic_ms())));
    format!("{}\n", left.map_or_else(|| "infinity".to_owned(), short))
}

/// Waits for the descriptor, if there is one, and then for the file, which appears a moment later.
fn wait_for(path: &Path) {
    let mut patience = Duration::MAX;
    if let Some(number) = descriptor() {
        descriptor::wait_until_readable(number);
        patience = FILE_WAIT;
    }
    while !path.exists() && !patience.is_zero() {
        std::thread::sleep(FILE_PAUSE);
        patience = patience.saturating_sub(FILE_PAUSE);
    }
}

fn extend(by: Duration) -> Result<(String, u8), UsageError> {
    let failed = |error: &io::Error| UsageError::Invalid(format!("token: --extend: {}", reason(error)));
    let Some(socket) = environment::value(SOCKET_VARIABLE) else {
        if std::env::var_os(TOKEN_VARIABLE).is_none() {
            return Err(outside(SOCKET_VARIABLE, "winddown --token FILE --extend-max 1m -- COMMAND"));
        }
        return Ok((String::from("refused: --extend-max is not set\n"), REFUSED));
    };
    let answer = notify::ask_for_time(&socket, by, ANSWER_WAIT).map_err(|error| failed(&error))?;
    Ok(match answer {
        Answer::Granted => (String::from("granted\n"), GRANTED),
        Answer::Refused(None) => (String::from("refused\n"), REFUSED),
        Answer::Refused(Some(at_most)) => {
            (format!("refused: at most {} can be asked for now\n", short(at_most)), REFUSED)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::io::token::KIND;

    #[test]
    fn a_token_is_known_by_its_text() {
        assert!((KIND.is_it)(text("SIGTERM", Some((5, 7))).as_bytes()));
        assert!((KIND.is_it)(text("run-limit", None).as_bytes()));
        assert!(!(KIND.is_it)(b"reason=none\n"));
        let more = format!("{}more\n", text("run-limit", None));
        assert!(!(KIND.is_it)(more.as_bytes()));
    }
}
