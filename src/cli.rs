//! The command line and its environment, turned into plain values. Nothing is started here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser};
use thiserror::Error;

use crate::lifecycle::plan::{Limit, Mapping, Plan, Target};
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::{Format, Level};
use crate::observe::record::Destination;

/// Engines kill a container 10 s after the stop by default: as PID 1 we have to be done before.
const PID_1_LIMIT: Duration = Duration::from_secs(8);
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
const DEFAULT_KILL_WAIT: Duration = Duration::from_secs(5);

/// The first word of the names that are ours; the rest is the option's.
const VARIABLE_PREFIX: &str = "WINDDOWN_";

const EXAMPLES: &str = "\
Examples:
  winddown -t 30s -- ./server --port 8080     SIGTERM or Ctrl+C: 30 s to finish, then SIGKILL
  winddown -s QUIT --run-limit 1h nginx       ask with SIGQUIT, at the latest before 1 h is over

Each option is also read from WINDDOWN_<OPTION>, e.g. WINDDOWN_TIME_LIMIT=30s.
Durations: 250ms, 1m30s, 30 (seconds), 0, infinity. Signals: TERM, SIGTERM, 15, RTMIN+3.
Exit status: COMMAND's own; 124 run limit, 137 killed, 125 winddown failed, 126/127 not run.";

/// Runs COMMAND; on SIGTERM or Ctrl+C gives it a time limit to finish, then kills what is left.
#[derive(Parser, Debug)]
#[command(
    name = "winddown",
    version,
    override_usage = "winddown [OPTIONS] [--] COMMAND [ARG]...",
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    args_override_self = true,
    max_term_width = 100
)]
#[expect(missing_docs, reason = "the doc comments of the fields are the help text")]
pub struct Cli {
    #[command(flatten)]
    pub stop: StopOptions,
    #[command(flatten)]
    pub signals: SignalOptions,
    #[command(flatten)]
    pub report: ReportOptions,
    /// The command to run, with its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, hide = true)]
    pub command: Vec<OsString>,
}

/// How a stop goes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Stopping")]
pub struct StopOptions {
    /// From request to SIGKILL; 0 kills at once [default: 10s; 8s as PID 1]
    #[arg(short = 't', long, value_name = "DURATION", value_parser = text(limit), allow_hyphen_values = true)]
    pub time_limit: Option<Limit>,
    /// Ask with this signal [default: the one received, else TERM]
    #[arg(short = 's', long, value_name = "SIGNAL", value_parser = text(stop_signal), allow_hyphen_values = true)]
    pub stop_signal: Option<Signal>,
    /// Who is asked first; SIGKILL always goes to all [default: main]
    #[arg(long, value_name = "main|all", value_parser = text(target), allow_hyphen_values = true)]
    pub to: Option<Target>,
    /// Be done by then: the stop begins earlier by the time limit
    #[arg(long, value_name = "DURATION", value_parser = text(run_limit), allow_hyphen_values = true)]
    pub run_limit: Option<Limit>,
    /// How long to wait after SIGKILL [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = text(limit), allow_hyphen_values = true)]
    pub kill_wait: Option<Limit>,
    /// If COMMAND ends by itself, leave the processes it started
    #[arg(long)]
    pub leave_stragglers: bool,
    /// No second process to end the workload if winddown is killed
    #[arg(long)]
    pub no_guard: bool,
}

/// Which signals mean what.
#[derive(Args, Debug)]
#[command(next_help_heading = "Signals")]
pub struct SignalOptions {
    /// Signals that are stop requests [default: TERM,INT]
    #[arg(long, value_name = "SIGNALS", value_parser = text(signal_set), allow_hyphen_values = true)]
    pub stop_on: Option<SignalSet>,
    /// Pass FROM on as TO, or not at all if TO is empty
    #[arg(long, value_name = "FROM=TO", value_parser = text(mapping), allow_hyphen_values = true, value_delimiter = ',')]
    pub map: Vec<Mapping>,
    /// Exit with TO if COMMAND's status is FROM, e.g. 143=0
    #[arg(long, value_name = "FROM=TO", value_parser = text(status_pair), allow_hyphen_values = true, value_delimiter = ',')]
    pub remap_exit: Vec<(u8, u8)>,
}

/// What is told, and where.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub struct ReportOptions {
    /// Log lines on stderr as text or json [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true, allow_hyphen_values = true)]
    pub log_format: Option<Format>,
    /// Tell starts, forwarded signals and reaped processes too
    #[arg(short, long, overrides_with = "quiet")]
    pub verbose: bool,
    /// Tell errors only
    #[arg(short, long, overrides_with = "verbose")]
    pub quiet: bool,
    /// Write the run as one JSON object; fd:N for a descriptor
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(destination), allow_hyphen_values = true)]
    pub record: Option<Destination>,
}

/// Everything a run needs to know.
#[derive(Debug)]
pub struct Settings {
    /// For the machine.
    pub plan: Plan,
    /// Where the limit comes from: `-t`, `WINDDOWN_TIME_LIMIT`, `default`.
    pub limit_origin: String,
    /// Exit statuses of the main process to rewrite.
    pub remap_exit: Vec<(u8, u8)>,
    /// How log lines look.
    pub log_format: Format,
    /// How much is told.
    pub log_level: Level,
    /// Where the record goes.
    pub record: Option<Destination>,
    /// Whether a second process watches.
    pub guard: bool,
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// The variables that were meant for winddown, and are not passed on.
    pub consumed: Vec<OsString>,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// A run.
    Run(Box<Settings>),
    /// A text on stdout: help or version.
    Print(String),
}

/// Why nothing was started: one line that names the option, the value and the remedy.
#[derive(Debug, Error)]
pub enum UsageError {
    /// The command line, or one variable, can't be understood.
    #[error("{0}")]
    Invalid(String),
    /// There is no command.
    #[error("no command given; usage: winddown [OPTIONS] [--] COMMAND [ARG]... (see --help)")]
    NoCommand,
    /// The word is kept for a part that is not in this build.
    #[error("'{0}' is not part of this build of winddown; to run a command of that name: winddown -- {0}")]
    NotBuilt(String),
}

/// The words that are subcommands when they come first.
const SUBCOMMANDS: [&str; 3] = ["check", "report", "token"];

/// The definition of the command line: for parsing, the manual page and the completions.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Reads the command line, and the variables for what it does not say.
///
/// # Errors
/// When anything can't be understood or does not fit together.
pub fn parse(
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
    is_pid_1: bool,
) -> Result<Request, UsageError> {
    if let Some(word) =
        arguments.get(1).and_then(|word| word.to_str()).filter(|word| SUBCOMMANDS.contains(word))
    {
        return Err(UsageError::NotBuilt(word.to_owned()));
    }
    let definition = definition();
    let mut matches = match definition.clone().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Request::Print(error.render().to_string())),
        Err(error) => return Err(UsageError::Invalid(one_line(&error))),
    };
    let ours = known_variables(&definition, variables);
    let words = words_from_variables(&definition, &matches, &ours)?;
    let origins = Origins(words.iter().map(|(variable, _)| variable.clone()).collect());
    if !words.is_empty() {
        let program = arguments.first().cloned().into_iter();
        let words = words.into_iter().map(|(_, word)| word);
        let all = program.chain(words).chain(arguments.iter().skip(1).cloned());
        matches = definition
            .clone()
            .try_get_matches_from(all)
            .map_err(|error| UsageError::Invalid(one_line(&error)))?;
    }
    let cli = Cli::from_arg_matches(&matches).map_err(|error| UsageError::Invalid(one_line(&error)))?;
    let consumed = ours.iter().map(|(variable, _, _)| variable.clone()).collect();
    settings(cli, &origins, consumed, is_pid_1).map(|settings| Request::Run(Box::new(settings)))
}

/// The variables that have set something, for messages that tell where a setting came from.
struct Origins(Vec<String>);

impl Origins {
    /// The option or the variable, whichever was used.
    fn name(&self, option: &str) -> String {
        let variable = variable_name(option.trim_start_matches('-'));
        if self.0.contains(&variable) { variable } else { option.to_owned() }
    }
}

/// A variable that is ours, the option it stands for, and its value.
type Variable<'a> = (OsString, &'a Arg, &'a OsStr);

/// `WINDDOWN_TIME_LIMIT` for `--time-limit`: exact names of options that set something.
#[must_use]
pub fn variable_of(option: &Arg) -> Option<String> {
    let long = option.get_long().filter(|long| !["help", "version"].contains(long))?;
    Some(variable_name(long))
}

fn variable_name(long: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", long.to_uppercase().replace('-', "_"))
}

fn known_variables<'a>(
    definition: &'a clap::Command,
    variables: &'a [(OsString, OsString)],
) -> Vec<Variable<'a>> {
    let known = |(name, value): &'a (OsString, OsString)| {
        let option = definition.get_arguments().find(|option| {
            variable_of(option).is_some_and(|variable| name.as_os_str() == variable.as_str())
        })?;
        Some((name.clone(), option, value.as_os_str()))
    };
    // Most are not ours at all, and need no comparison with every option.
    let ours = |(name, _): &&(OsString, OsString)| name.as_bytes().starts_with(VARIABLE_PREFIX.as_bytes());
    variables.iter().filter(ours).filter_map(known).collect()
}

/// Variables with the word of a command line that each stands for, without those that the real one overrides.
fn words_from_variables(
    definition: &clap::Command,
    matches: &ArgMatches,
    ours: &[Variable<'_>],
) -> Result<Vec<(String, OsString)>, UsageError> {
    let mut words = Vec::new();
    for (variable, option, value) in ours {
        let given = matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine);
        if value.is_empty() || given {
            continue;
        }
        let variable = variable.to_string_lossy();
        let mut word = OsString::from(format!("--{}", option.get_long().unwrap_or_default()));
        if option.get_action().takes_values() {
            word.push("=");
            word.push(value);
        } else if !is_on(&variable, value)? {
            continue;
        }
        let alone = [OsString::from("winddown"), word.clone()];
        if let Err(error) = definition.clone().try_get_matches_from(alone) {
            return Err(UsageError::Invalid(format!("{variable}: {}", one_line(&error))));
        }
        words.push((variable.into_owned(), word));
    }
    Ok(words)
}

fn is_on(variable: &str, value: &OsStr) -> Result<bool, UsageError> {
    match value.to_string_lossy().to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        other => Err(UsageError::Invalid(format!("{variable}: invalid value '{other}'; use 1 or 0"))),
    }
}

/// clap's message without its decoration: what is wrong, and its tip.
fn one_line(error: &clap::Error) -> String {
    let context = |kind| error.get(kind).map(ToString::to_string);
    let option = context(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        // clap's tip for these, `-- --option`, would run a command of that name.
        ErrorKind::UnknownArgument => {
            let similar = context(ContextKind::SuggestedArg);
            let similar = similar.map(|known| format!(", but there is '{known}'")).unwrap_or_default();
            return format!("there is no option '{option}'{similar} (see --help)");
        }
        ErrorKind::TooManyValues => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            return format!("option '{option}' takes no value; leave out '{value}' (see --help)");
        }
        _ => {}
    }
    let text = error.render().to_string();
    let told = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Usage:"));
    let words: Vec<&str> = told.filter(|line| !line.starts_with("For more information")).collect();
    let line = words.join(" ");
    format!("{} (see --help)", line.strip_prefix("error: ").unwrap_or(&line))
}

fn settings(
    cli: Cli,
    origins: &Origins,
    consumed: Vec<OsString>,
    is_pid_1: bool,
) -> Result<Settings, UsageError> {
    if cli.command.is_empty() {
        return Err(UsageError::NoCommand);
    }
    let stop_on = cli.signals.stop_on.unwrap_or_else(|| [Signal::TERM, Signal::INT].into_iter().collect());
    let run_limit = cli.stop.run_limit.and_then(Limit::length);
    let limit_origin =
        if cli.stop.time_limit.is_some() { origins.name("--time-limit") } else { "default".to_owned() };
    let plan = Plan {
        limit: time_limit(cli.stop.time_limit, run_limit, is_pid_1, origins)?,
        stop_signal: cli.stop.stop_signal,
        to: cli.stop.to.unwrap_or_default(),
        stop_on,
        map: cli.signals.map,
        run_limit,
        kill_wait: cli.stop.kill_wait.unwrap_or(Limit::Finite(DEFAULT_KILL_WAIT)),
        leave_stragglers: cli.stop.leave_stragglers,
    };
    if plan.stop_signal.is_none() {
        refuse_dropped_stop(&plan, origins)?;
    }
    Ok(Settings {
        plan,
        limit_origin: limit_origin.replace("--time-limit", "-t"),
        remap_exit: cli.signals.remap_exit,
        log_format: cli.report.log_format.unwrap_or_default(),
        log_level: match (cli.report.quiet, cli.report.verbose) {
            (true, _) => Level::Error,
            (false, true) => Level::Detail,
            (false, false) => Level::Info,
        },
        record: cli.report.record,
        guard: !cli.stop.no_guard && !is_pid_1,
        command: cli.command,
        consumed,
    })
}

/// A given limit must fit into the run limit; the default one gives way.
fn time_limit(
    given: Option<Limit>,
    run_limit: Option<Duration>,
    is_pid_1: bool,
    origins: &Origins,
) -> Result<Limit, UsageError> {
    let default = if is_pid_1 { PID_1_LIMIT } else { DEFAULT_LIMIT };
    match (given, run_limit) {
        (None, None) => Ok(Limit::Finite(default)),
        (None, Some(run_limit)) => Ok(Limit::Finite(default.min(run_limit / 2))),
        (Some(limit), Some(run_limit)) if limit >= Limit::Finite(run_limit) => {
            let limit = limit.length().map_or_else(
                || "infinity".to_owned(),
                |length| humantime::format_duration(length).to_string(),
            );
            let run_limit = humantime::format_duration(run_limit);
            Err(UsageError::Invalid(format!(
                "{} {limit} does not fit into {} {run_limit}; give a shorter time limit",
                origins.name("--time-limit"),
                origins.name("--run-limit")
            )))
        }
        (Some(limit), _) => Ok(limit),
    }
}

/// A stop signal that `--map` drops would start the clock and tell nobody.
fn refuse_dropped_stop(plan: &Plan, origins: &Origins) -> Result<(), UsageError> {
    let dropped = plan.map.iter().map(|mapping| mapping.from);
    let mut unheard = dropped.filter(|from| plan.stop_on.contains(*from) && plan.forwarded(*from).is_none());
    unheard.next().map_or(Ok(()), |signal| {
        let name = signal.name();
        Err(UsageError::Invalid(format!(
            "{} {name}= drops a stop signal, so nothing would be asked; give --stop-signal, or take {name} out of {}",
            origins.name("--map"),
            origins.name("--stop-on")
        )))
    })
}

/// Text of any bytes: what is no text is refused by the option's own parser, which names its remedy.
fn text<T: Clone + Send + Sync + 'static>(
    parse: fn(&str) -> Result<T, String>,
) -> impl TypedValueParser<Value = T> {
    OsStringValueParser::new().try_map(move |value| parse(&value.to_string_lossy()))
}

fn destination(file: OsString) -> Result<Destination, &'static str> {
    const NO_NAME: &str = "a file name is needed";
    let text = match file.to_str() {
        // Standard streams are closed once the command runs, and a path would then lead nowhere.
        Some("/dev/stdout") => Some("fd:1"),
        Some("/dev/stderr") => Some("fd:2"),
        other => other,
    };
    if let Some(number) = text.and_then(|text| text.strip_prefix("fd:").or(text.strip_prefix("/dev/fd/"))) {
        let number = number.parse().map_err(|_| "a descriptor is a number; use fd:3")?;
        let is_open = number >= 0 && crate::os::descriptor::Sink::inherited(number).is_some();
        return if is_open {
            Ok(Destination::Descriptor(number))
        } else {
            Err("that descriptor is not open; redirect it, e.g. 3>run.json")
        };
    }
    let path = std::path::absolute(PathBuf::from(file)).map_err(|_| NO_NAME)?;
    let parent = path.parent().filter(|_| path.file_name().is_some()).ok_or(NO_NAME)?;
    if path.is_dir() {
        return Err("that is a directory; name a file in it");
    }
    if !parent.is_dir() {
        return Err("its directory does not exist; create it first");
    }
    Ok(Destination::File(path))
}

/// `30s`, `1m30s`, `250ms`, plain seconds, `0`.
fn duration(text: &str) -> Result<Duration, String> {
    const REMEDY: &str = "use e.g. 10s, 250ms, 1m30s, plain seconds, 0 or infinity";
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain {
        let seconds = text.parse::<u64>().map(Duration::from_secs).ok();
        let fraction = || text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        return seconds.or_else(fraction).ok_or_else(|| REMEDY.to_owned());
    }
    humantime::parse_duration(text).map_err(|_| REMEDY.to_owned())
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "infinity" { Ok(Limit::Infinite) } else { duration(text).map(Limit::Finite) }
}

fn run_limit(text: &str) -> Result<Limit, String> {
    match limit(text) {
        Ok(Limit::Finite(Duration::ZERO)) => Err("a run limit is longer than 0; use e.g. 1h".to_owned()),
        result => result,
    }
}

fn signal(text: &str) -> Result<Signal, String> {
    text.trim().parse().map_err(|error| format!("{error}"))
}

/// Stop signals must be able to reach a process and end it.
fn stop_signal(text: &str) -> Result<Signal, String> {
    let signal = signal(text)?;
    let useless = !signal.is_forwardable() && signal != Signal::KILL;
    if useless || signal == Signal::CONT {
        Err("it can't ask a process to stop; use e.g. TERM, INT or QUIT".to_owned())
    } else {
        Ok(signal)
    }
}

fn received(text: &str) -> Result<Signal, String> {
    let signal = signal(text)?;
    if signal.is_forwardable() {
        Ok(signal)
    } else {
        Err(format!("{signal} never comes to winddown for the workload; use e.g. TERM, INT or HUP"))
    }
}

fn signal_set(text: &str) -> Result<SignalSet, String> {
    text.split(',').map(received).collect()
}

fn mapping(text: &str) -> Result<Mapping, String> {
    let (from, to) = text.split_once('=').ok_or("use FROM=TO, e.g. HUP=USR1, or HUP= to drop it")?;
    let to = if to.trim().is_empty() { None } else { Some(signal(to)?) };
    Ok(Mapping { from: received(from)?, to })
}

fn status_pair(text: &str) -> Result<(u8, u8), String> {
    let pair = text
        .split_once('=')
        .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
    pair.ok_or_else(|| "use FROM=TO with exit statuses from 0 to 255, e.g. 143=0".to_owned())
}

fn target(text: &str) -> Result<Target, String> {
    match text {
        "main" => Ok(Target::Main),
        "all" => Ok(Target::All),
        _ => Err("use main or all".to_owned()),
    }
}

#[cfg(test)]
mod tests;
