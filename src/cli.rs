//! The command line and its environment, turned into plain values. Nothing is started here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use thiserror::Error;

use crate::lifecycle::plan::{Action, Limit, Plan, Step};
use crate::lifecycle::signal::Signal;
use crate::observe::log::{Format, Level};
use crate::observe::record::Destination;
use crate::os::hook::Hook;
use given::{Given, Origins};
use options::Options;

pub use given::variable_of;
pub use options::definition;

mod explain;
mod given;
mod options;
mod plan;
pub(crate) mod values;

/// Engines kill a container 10 s after the stop by default: as PID 1 we have to be done before.
const PID_1_LIMIT: Duration = Duration::from_secs(8);
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
/// In less time nobody could look at anything.
const SHORTEST_WITH_LOOKS: Duration = Duration::from_millis(100);
const DEFAULT_KILL_WAIT: Duration = Duration::from_secs(5);

/// Everything a run needs to know.
#[derive(Debug)]
pub struct Settings {
    /// For the machine.
    pub plan: Plan,
    /// The commands of the plan's steps.
    pub hooks: Vec<Hook>,
    /// The command that follows the end.
    pub post_stop: Option<Hook>,
    /// Where settings come from.
    pub origins: SettingOrigins,
    /// Where the workload is told of the stop.
    pub token: Option<PathBuf>,
    /// Whether the workload's `sd_notify` messages are taken.
    pub notify: bool,
    /// Whether the end of winddown's parent is a stop request.
    pub stop_with_parent: bool,
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

/// Where settings come from: `-t`, `WINDDOWN_TIME_LIMIT`, `default`.
#[derive(Clone, Debug, Default)]
pub struct SettingOrigins {
    /// The time limit.
    pub limit: String,
    /// Each step of the plan.
    pub steps: Vec<String>,
    /// The most that extensions may add.
    pub extend_max: String,
    /// The wait after SIGKILL.
    pub kill_wait: String,
    /// The hook after the end.
    pub post_stop: String,
    /// The run limit.
    pub run_limit: String,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// A run.
    Run(Box<Settings>),
    /// A text on stdout: help, version, the plan in force.
    Print(String),
    /// The subcommand `token`, with the words from its name on.
    Token,
    /// The subcommand `report`, the same way.
    #[cfg(feature = "report")]
    Report,
    /// The subcommand `check`, the same way.
    #[cfg(feature = "check")]
    Check,
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

/// The words that are subcommands when they come first, where they are built.
const SUBCOMMANDS: [&str; 2] = ["check", "report"];

/// Reads the command line, and the variables for what it does not say.
///
/// # Errors
/// When anything can't be understood or does not fit together.
pub fn parse(
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
    is_pid_1: bool,
) -> Result<Request, UsageError> {
    if arguments.get(1).is_some_and(|word| word == "token") {
        return Ok(Request::Token);
    }
    #[cfg(feature = "report")]
    if arguments.get(1).is_some_and(|word| word == "report") {
        return Ok(Request::Report);
    }
    #[cfg(feature = "check")]
    if arguments.get(1).is_some_and(|word| word == "check") {
        return Ok(Request::Check);
    }
    if let Some(word) =
        arguments.get(1).and_then(|word| word.to_str()).filter(|word| SUBCOMMANDS.contains(word))
    {
        return Err(UsageError::NotBuilt(word.to_owned()));
    }
    let matches = match definition().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Request::Print(error.render().to_string())),
        Err(error) => return Err(UsageError::Invalid(one_line(&error))),
    };
    let mut given = Given::new(&matches, variables);
    let options = Options::read(&mut given)?;
    let (consumed, origins) = given.finish();
    let explains = matches.get_flag("explain-plan");
    if options.command.is_empty() && !explains {
        return Err(UsageError::NoCommand);
    }
    let settings = settings(options, &origins, consumed, is_pid_1)?;
    if explains {
        return Ok(Request::Print(explain::explain(&settings)));
    }
    Ok(Request::Run(Box::new(settings)))
}

/// clap's message without its decoration: what is wrong, and its tip.
pub(crate) fn one_line(error: &clap::Error) -> String {
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
    options: Options,
    origins: &Origins,
    consumed: Vec<OsString>,
    is_pid_1: bool,
) -> Result<Settings, UsageError> {
    let run_limit = options.run_limit.and_then(Limit::length);
    let limit = time_limit(options.stop.time_limit, run_limit, is_pid_1, origins)?;
    let planned = plan::planned(&options.stop, limit, origins)?;
    let hook_limit = options.stop.hook_limit.unwrap_or(plan::DEFAULT_HOOK_LIMIT);
    let setting_origins = SettingOrigins { steps: planned.origins, ..setting_origins(&options, origins) };
    let looks = looks(&options, limit);
    let plan = Plan {
        limit,
        steps: planned.steps,
        last_words: planned.last_words,
        stop_on: options.stop_on.unwrap_or_else(|| [Signal::TERM, Signal::INT].into_iter().collect()),
        map: options.map,
        run_limit,
        watchdog: options.watchdog,
        extend_max: options.extend_max.unwrap_or_default(),
        kill_wait: options.stop.kill_wait.unwrap_or(Limit::Finite(DEFAULT_KILL_WAIT)),
        post_stop: options.stop.post_stop.as_ref().map(|_| hook_limit),
        looks,
        leave_stragglers: options.leave_stragglers,
    };
    refuse_dropped_stop(&plan, origins)?;
    Ok(Settings {
        plan,
        hooks: planned.hooks,
        post_stop: options.stop.post_stop,
        origins: setting_origins,
        token: options.token,
        notify: options.notify || options.watchdog.is_some(),
        stop_with_parent: options.stop_with_parent,
        remap_exit: options.remap_exit,
        log_format: options.log_format.unwrap_or_default(),
        log_level: match (options.quiet, options.verbose) {
            (true, _) => Level::Error,
            (false, true) => Level::Detail,
            (false, false) => Level::Info,
        },
        record: options.record,
        guard: !options.no_guard && !is_pid_1,
        command: options.command,
        consumed,
    })
}

/// Only where somebody hears what they come to, and there is time for them.
fn looks(options: &Options, limit: Limit) -> bool {
    let is_told = !options.quiet || options.record.is_some();
    cfg!(feature = "postmortem") && is_told && limit >= Limit::Finite(SHORTEST_WITH_LOOKS)
}

fn setting_origins(options: &Options, origins: &Origins) -> SettingOrigins {
    let of = |option: &str, is_given: bool| {
        if is_given { origins.name(option) } else { "default".to_owned() }
    };
    SettingOrigins {
        limit: of("--time-limit", options.stop.time_limit.is_some()).replace("--time-limit", "-t"),
        steps: Vec::new(),
        extend_max: of("--extend-max", options.extend_max.is_some()),
        kill_wait: of("--kill-wait", options.stop.kill_wait.is_some()),
        post_stop: of("--post-stop", options.stop.post_stop.is_some()),
        run_limit: of("--run-limit", options.run_limit.is_some()),
    }
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
    let asks_as_received = |step: &Step| matches!(step.action, Action::Signal(None, _));
    if !plan.steps.iter().any(asks_as_received) {
        return Ok(());
    }
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

#[cfg(test)]
mod tests;
