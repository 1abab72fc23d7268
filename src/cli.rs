//! The command line and its environment, turned into plain values. Nothing is started here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use thiserror::Error;

use crate::lifecycle::plan::{Action, Limit, Mapping, Plan, Step, Target};
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::{Format, Level};
use crate::observe::record::Destination;
use crate::os::hook::Hook;
use plan::{PlannedStep, hook, stop_plan};
use values::{
    destination, exact, length, limit, mapping, run_limit, share, signal_set, status_pair, stop_signal,
    target, text,
};
pub use variables::variable_of;
use variables::{Origins, known_variables, words_from_variables};

mod explain;
mod plan;
pub(crate) mod values;
mod variables;

/// Engines kill a container 10 s after the stop by default: as PID 1 we have to be done before.
const PID_1_LIMIT: Duration = Duration::from_secs(8);
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
const DEFAULT_KILL_WAIT: Duration = Duration::from_secs(5);

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
    pub run: RunOptions,
    #[command(flatten)]
    pub signals: SignalOptions,
    #[command(flatten)]
    pub workload: WorkloadOptions,
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
    /// Steps of a stop: 'wait 5s, run "CMD" 3s, USR1 9s main, TERM'
    #[arg(long, value_name = "PLAN", value_parser = exact(stop_plan), allow_hyphen_values = true)]
    pub stop: Option<::std::vec::Vec<PlannedStep>>,
    /// Go on serving for so long before the signal
    #[arg(long, value_name = "DURATION", value_parser = text(share), allow_hyphen_values = true)]
    pub stop_delay: Option<Duration>,
    /// Run CMD before the signal
    #[arg(long, value_name = "CMD", value_parser = exact(hook), allow_hyphen_values = true)]
    pub pre_stop: Option<Hook>,
    /// Run CMD after everything has ended
    #[arg(long, value_name = "CMD", value_parser = exact(hook), allow_hyphen_values = true)]
    pub post_stop: Option<Hook>,
    /// How long each CMD may last [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = text(share), allow_hyphen_values = true)]
    pub hook_limit: Option<Duration>,
    /// How long to wait after SIGKILL [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = text(limit), allow_hyphen_values = true)]
    pub kill_wait: Option<Limit>,
    /// Print the plan in force and its worst case; start nothing
    #[arg(long)]
    pub explain_plan: bool,
}

/// What the workload can take part in.
#[derive(Args, Debug)]
#[command(next_help_heading = "Workload")]
pub struct WorkloadOptions {
    /// Where it is told of the stop.
    #[arg(help = "Tell COMMAND of the stop by this file, and by $SHUTDOWN_FD")]
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(values::token), allow_hyphen_values = true)]
    pub token: Option<PathBuf>,
    /// How much more time COMMAND may ask for [default: 0]
    #[arg(long, value_name = "DURATION", value_parser = text(length), allow_hyphen_values = true)]
    pub extend_max: Option<Duration>,
    /// Whether its messages are taken.
    #[arg(long, help = "Take COMMAND's sd_notify messages [default: if our parent does]")]
    pub notify: bool,
    /// Stop COMMAND if it sends no WATCHDOG=1 for so long
    #[arg(long, value_name = "DURATION", value_parser = text(share), allow_hyphen_values = true)]
    pub watchdog: Option<Duration>,
}

/// When a run ends by itself, and what may be left of it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Running")]
pub struct RunOptions {
    /// Be done by then: the stop begins earlier by the time limit
    #[arg(long, value_name = "DURATION", value_parser = text(run_limit), allow_hyphen_values = true)]
    pub run_limit: Option<Limit>,
    /// If COMMAND ends by itself, leave the processes it started
    #[arg(long)]
    pub leave_stragglers: bool,
    /// Stop when winddown's own parent ends
    #[arg(long)]
    pub stop_with_parent: bool,
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

/// The words that will be subcommands when they come first.
const SUBCOMMANDS: [&str; 2] = ["check", "report"];

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
    if arguments.get(1).is_some_and(|word| word == "token") {
        return Ok(Request::Token);
    }
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
    let explains = cli.stop.explain_plan;
    let settings = settings(cli, &origins, consumed, is_pid_1)?;
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
    cli: Cli,
    origins: &Origins,
    consumed: Vec<OsString>,
    is_pid_1: bool,
) -> Result<Settings, UsageError> {
    if cli.command.is_empty() && !cli.stop.explain_plan {
        return Err(UsageError::NoCommand);
    }
    let run_limit = cli.run.run_limit.and_then(Limit::length);
    let limit = time_limit(cli.stop.time_limit, run_limit, is_pid_1, origins)?;
    let planned = plan::planned(&cli.stop, limit, origins)?;
    let hook_limit = cli.stop.hook_limit.unwrap_or(plan::DEFAULT_HOOK_LIMIT);
    let setting_origins = SettingOrigins { steps: planned.origins, ..setting_origins(&cli, origins) };
    let plan = Plan {
        limit,
        steps: planned.steps,
        stop_on: cli.signals.stop_on.unwrap_or_else(|| [Signal::TERM, Signal::INT].into_iter().collect()),
        map: cli.signals.map,
        run_limit,
        watchdog: cli.workload.watchdog,
        extend_max: cli.workload.extend_max.unwrap_or_default(),
        kill_wait: cli.stop.kill_wait.unwrap_or(Limit::Finite(DEFAULT_KILL_WAIT)),
        post_stop: cli.stop.post_stop.as_ref().map(|_| hook_limit),
        leave_stragglers: cli.run.leave_stragglers,
    };
    refuse_dropped_stop(&plan, origins)?;
    Ok(Settings {
        plan,
        hooks: planned.hooks,
        post_stop: cli.stop.post_stop,
        origins: setting_origins,
        token: cli.workload.token,
        notify: cli.workload.notify || cli.workload.watchdog.is_some(),
        stop_with_parent: cli.run.stop_with_parent,
        remap_exit: cli.signals.remap_exit,
        log_format: cli.report.log_format.unwrap_or_default(),
        log_level: match (cli.report.quiet, cli.report.verbose) {
            (true, _) => Level::Error,
            (false, true) => Level::Detail,
            (false, false) => Level::Info,
        },
        record: cli.report.record,
        guard: !cli.run.no_guard && !is_pid_1,
        command: cli.command,
        consumed,
    })
}

fn setting_origins(cli: &Cli, origins: &Origins) -> SettingOrigins {
    let of = |option: &str, is_given: bool| {
        if is_given { origins.name(option) } else { "default".to_owned() }
    };
    SettingOrigins {
        limit: of("--time-limit", cli.stop.time_limit.is_some()).replace("--time-limit", "-t"),
        steps: Vec::new(),
        extend_max: of("--extend-max", cli.workload.extend_max.is_some()),
        kill_wait: of("--kill-wait", cli.stop.kill_wait.is_some()),
        post_stop: of("--post-stop", cli.stop.post_stop.is_some()),
        run_limit: of("--run-limit", cli.run.run_limit.is_some()),
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
