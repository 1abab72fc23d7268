//! `winddown token`, for the workload: whether a stop is asked, how long is left, and for more time.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, Command};

use crate::cli::{UsageError, one_line, values};
use crate::observe::message::short;
use crate::os::{clock, descriptor, environment, notify, reason};

/// What the workload finds its token by.
pub const TOKEN_VARIABLE: &str = "SHUTDOWN_TOKEN";
/// The descriptor that becomes readable.
pub const FD_VARIABLE: &str = "SHUTDOWN_FD";
/// Where more time is asked for, if any may be given.
pub const SOCKET_VARIABLE: &str = "SHUTDOWN_SOCKET";
/// When everything is over, in milliseconds since the epoch; of the run limit before a stop.
pub const DEADLINE_VARIABLE: &str = "SHUTDOWN_DEADLINE_MS";
/// The same by `CLOCK_MONOTONIC`.
pub const DEADLINE_MONOTONIC_VARIABLE: &str = "SHUTDOWN_DEADLINE_MONOTONIC_MS";

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;
const GRANTED: u8 = 0;
const REFUSED: u8 = 1;

/// How often a file is looked for where there is no descriptor to wait for.
const FILE_PAUSE: Duration = Duration::from_millis(20);
/// How long the file may be behind the descriptor.
const FILE_WAIT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

const AFTER_HELP: &str = "\
For programs under `winddown --token FILE`. Prints how long is left until SIGKILL.
Exit status: 0 while running, 1 when a stop is asked; with --extend 0 granted, 1 refused;
125 outside of such a run.";

/// The definition of its command line.
#[must_use]
pub fn definition() -> Command {
    Command::new("winddown token")
        .about("Tells the workload whether it is asked to stop, and how long is left")
        .override_usage("winddown token [--wait | --extend DURATION]")
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .arg(
            Arg::new("wait")
                .long("wait")
                .action(ArgAction::SetTrue)
                .conflicts_with("extend")
                .help("Wait until the stop is asked, then exit with 0"),
        )
        .arg(
            Arg::new("extend")
                .long("extend")
                .value_name("DURATION")
                .allow_hyphen_values(true)
                .help("Ask for so much more time from now, within --extend-max"),
        )
}

/// What the token says.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Told {
    /// By `CLOCK_MONOTONIC`; nothing without an end.
    deadline_monotonic_ms: Option<u64>,
}

/// The text of a token: one `name=value` a line.
#[must_use]
pub fn text(reason: &str, deadline: Option<(u64, u64)>) -> String {
    let (wall, monotonic) = deadline
        .map_or(("infinity".to_owned(), "infinity".to_owned()), |(wall, monotonic)| {
            (wall.to_string(), monotonic.to_string())
        });
    format!("reason={reason}\ndeadline_ms={wall}\ndeadline_monotonic_ms={monotonic}\n")
}

/// Nothing while there is no file.
fn read(path: &Path) -> io::Result<Option<Told>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result?,
    };
    let value = text.lines().find_map(|line| line.strip_prefix("deadline_monotonic_ms="));
    let value = value.ok_or_else(|| io::Error::other("that is no token"))?;
    Ok(Some(Told { deadline_monotonic_ms: value.parse().ok() }))
}

/// What the file says. It comes a moment after the descriptor has become readable.
fn told(path: &Path) -> io::Result<Option<Told>> {
    let comes = descriptor_tells();
    let mut patience = if comes { FILE_WAIT } else { Duration::ZERO };
    loop {
        let told = read(path)?;
        if told.is_some() || patience.is_zero() {
            return Ok(told);
        }
        std::thread::sleep(FILE_PAUSE);
        patience = patience.saturating_sub(FILE_PAUSE);
    }
}

/// The descriptor, unless the program in between has closed it and something else has its number.
fn descriptor() -> Option<i32> {
    let number = number(FD_VARIABLE).and_then(|number| i32::try_from(number).ok());
    number.filter(|number| descriptor::is_pipe(*number))
}

/// Whether the descriptor tells the stop.
fn descriptor_tells() -> bool {
    descriptor().is_some_and(|number| descriptor::is_readable(number, Duration::ZERO))
}

/// Runs the subcommand: what is to be printed, and the exit status.
///
/// # Errors
/// When the words are wrong, or there is no token to read.
pub fn run(words: &[OsString]) -> Result<(String, u8), UsageError> {
    let matches = match definition().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok((error.render().to_string(), 0)),
        Err(error) => return Err(UsageError::Invalid(format!("token: {}", one_line(&error)))),
    };
    if let Some(by) = matches.get_one::<String>("extend") {
        return extend(by);
    }
    let path = environment::value(TOKEN_VARIABLE).map(PathBuf::from);
    let path = path.ok_or_else(|| outside(TOKEN_VARIABLE, "winddown --token FILE -- COMMAND"))?;
    if matches.get_flag("wait") {
        wait_for(&path);
        return Ok((String::new(), 0));
    }
    let told = told(&path).map_err(|error| {
        UsageError::Invalid(format!("token: cannot read {}: {}", path.display(), reason(&error)))
    })?;
    Ok(match told {
        Some(told) => (left(told.deadline_monotonic_ms), STOPPING),
        // The file could not be written, but the descriptor tells the stop.
        None if descriptor_tells() => ("unknown\n".to_owned(), STOPPING),
        None => (left(number(DEADLINE_MONOTONIC_VARIABLE)), RUNNING),
    })
}

fn outside(variable: &str, remedy: &str) -> UsageError {
    UsageError::Invalid(format!("token: {variable} is not set; run this inside of `{remedy}`"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn left(deadline_monotonic_ms: Option<u64>) -> String {
    let left =
        deadline_monotonic_ms.map(|at| Duration::from_millis(at.saturating_sub(clock::monotonic_ms())));
    format!("{}\n", left.map_or_else(|| "infinity".to_owned(), short))
}

/// By the descriptor where there is one, and then for the file, which comes a moment later.
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

fn extend(by: &str) -> Result<(String, u8), UsageError> {
    let by = values::share(by).map_err(|why| {
        UsageError::Invalid(format!("token: invalid value '{by}' for '--extend <DURATION>': {why}"))
    })?;
    let failed = |error: &io::Error| UsageError::Invalid(format!("token: --extend: {}", reason(error)));
    let Some(socket) = environment::value(SOCKET_VARIABLE) else {
        if std::env::var_os(TOKEN_VARIABLE).is_none() {
            return Err(outside(SOCKET_VARIABLE, "winddown --token FILE --extend-max 1m -- COMMAND"));
        }
        return Ok((String::from("refused: there is no --extend-max\n"), REFUSED));
    };
    let granted = notify::ask_for_time(&socket, by, ANSWER_WAIT).map_err(|error| failed(&error))?;
    Ok(if granted { (String::from("granted\n"), GRANTED) } else { (String::from("refused\n"), REFUSED) })
}
