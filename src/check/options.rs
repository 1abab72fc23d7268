//! The command line of `winddown check`, turned into plain values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::allow::Allowance;
use super::baseline::Baseline;
use super::catalogue::{self, Check, Profile};
use super::port;
use super::probe::Resource;
use super::ready::Ready;
use super::reports::Report;
use crate::cli::values::{limit, share, stop_signal, target};
use crate::cli::{UsageError, one_line};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::plan::{Limit, Target};
use crate::lifecycle::signal::Signal;

const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_SETTLE: Duration = Duration::from_millis(500);

const EXAMPLES: &str = "\
Examples:
  winddown check -- ./server                             one stop, and a verdict
  winddown check -t 30s --within 5s -- ./server          killed after 30 s; must be done in 5 s
  winddown check --ready http://127.0.0.1:8080/health -- ./server

READY is auto, notify, tcp:[HOST:]PORT, http://HOST:PORT/PATH, unix:PATH, log:REGEX, file:PATH or cmd:COMMAND.
Exit status: 0 passed, 1 a check failed, 3 inconclusive, 125 wrong usage, 126/127 not run, 128+N interrupted.
It takes no options from the environment.";

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
    pub(super) port: Option<u16>,
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

fn value(long: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(long)
        .long(long)
        .value_name(name)
        .help(help)
        .allow_hyphen_values(true)
        .value_parser(ValueParser::string())
}

fn list(long: &'static str, name: &'static str, help: &'static str) -> Arg {
    value(long, name, help).action(ArgAction::Append)
}

fn switch(long: &'static str, help: &'static str) -> Arg {
    Arg::new(long).long(long).help(help).action(ArgAction::SetTrue)
}

/// The definition of the command line.
#[must_use]
pub fn definition() -> Command {
    let limit = value("time-limit", "DURATION", "From the signal to SIGKILL [default: 10s]").short('t');
    let signal = value("stop-signal", "SIGNAL", "Ask with this signal [default: TERM]").short('s');
    let command = Arg::new("command")
        .value_name("COMMAND")
        .value_parser(OsStringValueParser::new())
        .trailing_var_arg(true)
        .num_args(0..)
        .hide(true);
    Command::new("winddown check")
        .about("Starts a server, stops it, and judges how it stopped")
        .override_usage("winddown check [OPTIONS] [--] COMMAND [ARG]...")
        .after_help(EXAMPLES)
        .args_override_self(true)
        .max_term_width(100)
        .next_help_heading("Stopping")
        .args([limit, signal])
        .arg(value("to", "main|all", "Who is asked first [default: main]"))
        .arg(value("within", "DURATION", "A longer stop fails, also within the limit"))
        .next_help_heading("Readiness")
        .arg(value("port", "auto|N", "Give it a port: as $PORT, and for {port} in its words"))
        .arg(list("ready", "READY", "When it is ready; several: all of them [default: auto]"))
        .arg(value("ready-timeout", "DURATION", "How long that may take [default: 30s]"))
        .next_help_heading("Driving")
        .arg(value("url", "URL", "Where probes go, or only the path [default: found out]"))
        .arg(value("slow", "URL", "A request that takes a second or so, to be under way at the signal"))
        .arg(value("stream", "URL", "A request whose answer does not end"))
        .arg(value("drive", "COMMAND", "A load for under-load; it is given $URL and $PORT"))
        .arg(value("break", "COMMAND", "For dependency-gone: takes away what it depends on"))
        .next_help_heading("Judging")
        .arg(value("profile", "quick|standard|full", "How much is tested [default: quick]"))
        .arg(list("only", "ID,...", "Make only these checks"))
        .arg(list("skip", "ID,...", "Leave these out"))
        .arg(list("warn", "ID,...", "Let these warn where they would fail"))
        .arg(list("deny", "ID,...", "Let these fail where they would warn"))
        .arg(switch("strict", "Let every warning fail"))
        .arg(list("expect-exit", "STATUS,...", "How it may end, e.g. 0,143,TERM [default: 0,143,TERM]"))
        .arg(list("allow", "WHAT,...", "What may be left: port:N, file:GLOB, proc:NAME"))
        .arg(value("settle", "DURATION", "When nothing may be left, after the end [default: 500ms]"))
        .arg(list("watch", "DIR", "Look for files left here, too"))
        .next_help_heading("Repeating")
        .arg(value("runs", "N", "Stop it so often, each time at a random moment [default: 1]"))
        .arg(switch("until-fail", "Repeat until a check fails, at most --runs times"))
        .arg(value("baseline", "FILE", "Fail if stops have become slower than these"))
        .arg(value("save-baseline", "FILE", "Keep the times of these stops"))
        .next_help_heading("Telling")
        .arg(list("report", "KIND[=FILE]", "human, json, junit or github; several [default: human]"))
        .arg(switch("list", "List all checks"))
        .arg(value("explain", "ID", "Tell what a check is about"))
        .arg(command)
}

/// What was given, with the words that name the option in a message.
struct Given(ArgMatches);

impl Given {
    fn texts(&self, long: &str) -> Vec<&String> {
        self.0.get_many::<String>(long).into_iter().flatten().collect()
    }

    fn one<T>(&self, long: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, UsageError> {
        Ok(Self::each(long, self.texts(long).into_iter().map(String::as_str), parse)?.pop())
    }

    /// A list in one option, or in several.
    fn many<T>(&self, long: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, UsageError> {
        let words = self.texts(long).into_iter().flat_map(|text| text.split(',')).map(str::trim);
        Self::each(long, words, parse)
    }

    fn each<'a, T>(
        long: &str,
        words: impl Iterator<Item = &'a str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, UsageError> {
        let parse = |word: &str| {
            parse(word).map_err(|why| {
                UsageError::Invalid(format!("check: invalid value '{word}' for '--{long}': {why}"))
            })
        };
        words.map(parse).collect()
    }
}

fn known(id: &str) -> Result<&'static Check, String> {
    catalogue::find(id).ok_or_else(|| "there is no such check; see winddown check --list".to_owned())
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
    let given = Given(matches);
    if let Some(check) = given.one("explain", known)? {
        return Ok(Request::Print(catalogue::explain(check)));
    }
    if given.0.get_flag("list") {
        return Ok(Request::Print(catalogue::list()));
    }
    options(&given).map(|options| Request::Check(Box::new(options)))
}

fn options(given: &Given) -> Result<Options, UsageError> {
    let command: Vec<OsString> = given.0.get_many("command").into_iter().flatten().cloned().collect();
    if command.is_empty() {
        let text =
            "check: no command given; usage: winddown check [OPTIONS] [--] COMMAND [ARG]... (see --help)";
        return Err(UsageError::Invalid(text.to_owned()));
    }
    let (only, skip) = (given.many("only", known)?, given.many("skip", known)?);
    let profile = given.one("profile", profile)?.unwrap_or_default();
    let has_baseline = given.0.contains_id("baseline");
    let is_wanted = |check: &&'static Check| {
        let is_chosen = if only.is_empty() { check.profile <= profile } else { only.contains(check) };
        is_chosen && !skip.contains(check) && (check.id != "baseline" || has_baseline)
    };
    let checks: Vec<&'static Check> = catalogue::CHECKS.iter().filter(is_wanted).collect();
    if checks.is_empty() {
        return Err(UsageError::Invalid("check: --skip leaves no check to make; skip fewer".to_owned()));
    }
    let port = given.one("port", port::parse)?;
    let command = match port {
        Some(port) => command.iter().map(|word| port::fill(word, port)).collect(),
        None => command,
    };
    let until_fail = given.0.get_flag("until-fail");
    let runs = given.one("runs", number)?.unwrap_or(if until_fail { usize::MAX } else { 1 });
    let baseline = given.one("baseline", Baseline::read)?;
    let mut ready = Given::each("ready", given.texts("ready").into_iter().map(String::as_str), Ready::parse)?;
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
        watch: Given::each("watch", given.texts("watch").into_iter().map(String::as_str), directory)?,
        url: given.one("url", Resource::parse)?,
        slow: given.one("slow", Resource::parse)?,
        stream: given.one("stream", Resource::parse)?,
        breaks: given.one("break", |text| Ok(text.to_owned()))?,
        drive: given.one("drive", |text| Ok(text.to_owned()))?,
        expect_exit: given.many("expect-exit", exit)?,
        allow: given.many("allow", Allowance::parse)?,
        checks,
        warn: given.many("warn", known)?,
        deny: given.many("deny", known)?,
        runs,
        until_fail,
        baseline,
        save_baseline: given.one("save-baseline", |text| Ok(PathBuf::from(text)))?,
        port,
        reports: Given::each("report", given.texts("report").into_iter().map(String::as_str), Report::parse)?,
        strict: given.0.get_flag("strict"),
        command,
    })
}
