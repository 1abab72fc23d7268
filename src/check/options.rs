//! The command line of `winddown check`, turned into plain values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::allow::Allowance;
use super::baseline::Baseline;
use super::catalogue::{self, Check, Profile};
use super::port::Port;
use super::probe::Resource;
use super::ready::Ready;
use super::reports::Report;
use crate::cli::values::{limit, share, stop_signal, target};
use crate::cli::{UsageError, one_line};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::plan::{Limit, Target};
use crate::lifecycle::signal::Signal;
use given::Given;

pub use definition::definition;

mod definition;
mod given;

const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_SETTLE: Duration = Duration::from_millis(500);

/// What is to be tested, and how it is judged.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// From the signal to SIGKILL.
    pub(super) limit: Duration,
    /// A stop that takes longer fails.
    pub(super) within: Option<Duration>,
    /// The signal; nothing for TERM.
    pub(super) signal: Option<Signal>,
    /// Who gets it.
    pub(super) to: Option<Target>,
    /// When it is ready: all of these.
    pub(super) ready: Vec<Ready>,
    /// How long that may take.
    pub(super) ready_timeout: Duration,
    /// How long after the end nothing may be left.
    pub(super) settle: Duration,
    /// Where files of it could be left.
    pub(super) watch: Vec<PathBuf>,
    /// How a good stop may end, beside the usual.
    pub(super) expect_exit: Vec<Exit>,
    /// What may be left.
    pub(super) allow: Vec<Allowance>,
    /// Where requests go, if that is not to be found out.
    pub(super) url: Option<Resource>,
    /// A request that takes long.
    pub(super) slow: Option<Resource>,
    /// A request whose answer does not end.
    pub(super) stream: Option<Resource>,
    /// A command that loads the server.
    pub(super) drive: Option<String>,
    /// A command that takes away what the server depends on.
    pub(super) breaks: Option<String>,
    /// The checks to make.
    pub(super) checks: Vec<&'static Check>,
    /// Whose failure is a warning only.
    pub(super) warn: Vec<&'static Check>,
    /// Whose warning is a failure.
    pub(super) deny: Vec<&'static Check>,
    /// Whether every warning is a failure.
    pub(super) strict: bool,
    /// How many plain runs.
    pub(super) runs: usize,
    /// Whether the first failure ends them.
    pub(super) until_fail: bool,
    /// Times to compare with.
    pub(super) baseline: Option<Baseline>,
    /// Where the times are kept.
    pub(super) save_baseline: Option<PathBuf>,
    /// For whom it is told.
    pub(super) reports: Vec<Report>,
    /// The port that it is given.
    pub(super) port: Option<Port>,
    /// The server.
    pub(super) command: Vec<OsString>,
}

/// What the words ask for.
#[derive(Debug)]
pub(super) enum Request {
    /// A test.
    Check(Box<Options>),
    /// A text on stdout.
    Print(String),
}

fn known(id: &str) -> Result<&'static Check, String> {
    catalogue::find(id).ok_or_else(|| "there is no such check; see winddown check --list".to_owned())
}

/// A check, or a cause that the post-mortem names.
fn explained(id: &str) -> Result<String, String> {
    match crate::report::explain(id) {
        Some(cause) => Ok(cause),
        None => known(id).map(catalogue::explain),
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "use a number from 1 on, e.g. 20".to_owned())
}

fn profile(name: &str) -> Result<Profile, String> {
    let known = Profile::ALL.into_iter().find(|profile| profile.name() == name);
    known.ok_or_else(|| "use quick, standard or full".to_owned())
}

fn finite(text: &str) -> Result<Duration, String> {
    match limit(text)? {
        Limit::Finite(length) if !length.is_zero() => Ok(length),
        _ => Err("a test needs an end, and time to watch; use e.g. 10s".to_owned()),
    }
}

/// `0`, `143`, `TERM`.
fn exit(text: &str) -> Result<Exit, String> {
    let code = text.parse().ok().map(Exit::Code);
    let exit = code.or_else(|| text.parse().ok().map(Exit::Signal));
    exit.ok_or_else(|| "use exit statuses from 0 to 255 and names of signals, e.g. 0,143,TERM".to_owned())
}

fn directory(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("there is no such directory; create it first".to_owned()) }
}

/// Reads the words from `check` on.
///
/// # Errors
/// When anything can't be understood.
pub(super) fn parse(words: &[OsString]) -> Result<Request, UsageError> {
    let matches = match definition().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Request::Print(error.render().to_string())),
        Err(error) => return Err(UsageError::Invalid(format!("check: {}", one_line(&error)))),
    };
    let given = Given::new(matches)?;
    if let Some(text) = given.one("explain", explained)? {
        return Ok(Request::Print(text));
    }
    if given.matches.get_flag("list") {
        return Ok(Request::Print(catalogue::list()));
    }
    options(given).map(|options| Request::Check(Box::new(options)))
}

fn options(given: Given) -> Result<Options, UsageError> {
    let command = given.command();
    if command.is_empty() {
        let text =
            "check: no command given; usage: winddown check [OPTIONS] [--] COMMAND [ARG]... (see --help)";
        return Err(UsageError::Invalid(text.to_owned()));
    }
    let (only, skip) = (given.list("only", known)?, given.list("skip", known)?);
    let profile = given.one("profile", profile)?.unwrap_or_default();
    let has_baseline = given.matches.contains_id("baseline");
    let is_wanted = |check: &&'static Check| {
        let is_chosen = if only.is_empty() { check.profile <= profile } else { only.contains(check) };
        is_chosen && !skip.contains(check) && (check.id != "baseline" || has_baseline)
    };
    let checks: Vec<&'static Check> = catalogue::CHECKS.iter().filter(is_wanted).collect();
    if checks.is_empty() {
        return Err(UsageError::Invalid("check: --skip leaves no check to make; skip fewer".to_owned()));
    }
    let until_fail = given.matches.get_flag("until-fail");
    let runs = given.one("runs", number)?.unwrap_or(if until_fail { usize::MAX } else { 1 });
    let baseline = given.one("baseline", Baseline::read)?;
    let mut ready = given.each("ready", Ready::parse)?;
    if ready.is_empty() {
        ready.push(Ready::Auto);
    }
    let limit = given.one("time-limit", finite)?.unwrap_or(DEFAULT_LIMIT);
    Ok(Options {
        limit,
        within: given.one("within", share)?,
        signal: given.one("stop-signal", stop_signal)?,
        to: given.one("to", target)?,
        ready,
        ready_timeout: given.one("ready-timeout", share)?.unwrap_or(DEFAULT_READY_TIMEOUT),
        settle: given.one("settle", share)?.unwrap_or(DEFAULT_SETTLE),
        watch: given.each("watch", directory)?,
        url: given.one("url", Resource::parse)?,
        slow: given.one("slow", Resource::parse)?,
        stream: given.one("stream", Resource::parse)?,
        breaks: given.one("break", |text| Ok(text.to_owned()))?,
        drive: given.one("drive", |text| Ok(text.to_owned()))?,
        expect_exit: given.list("expect-exit", exit)?,
        allow: given.list("allow", Allowance::parse)?,
        checks,
        warn: given.list("warn", known)?,
        deny: given.list("deny", known)?,
        runs,
        until_fail,
        baseline,
        save_baseline: given.one("save-baseline", |text| Ok(PathBuf::from(text)))?,
        reports: given.each("report", Report::parse)?,
        strict: given.matches.get_flag("strict"),
        command,
        port: given.into_port(),
    })
}
