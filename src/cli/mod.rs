//! Turns the command line and its environment into plain values. Nothing is started here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::fact::level::Level;
use crate::lifecycle::exit::Statuses;
use crate::lifecycle::plan::{Action, AtParentsEnd, Limit, Plan, Step};
use crate::lifecycle::retry::policy::Policy;
use crate::lifecycle::signal::Signal;
use crate::observe::log::Format;
use crate::os::io::destination::Destination;
use crate::os::process::hook::Hook;
use crate::ready::condition::Condition;
use crate::text::in_full;
use options::RunOptions;
use sources::{GivenOptions, Origins, Variables};
use usage::Line;

pub use sources::variable_of;
#[cfg(feature = "check")]
pub(crate) use table::GRACE_PERIOD;
pub use table::definition;
pub use usage::UsageError;

mod explain;
pub(crate) mod help;
mod meant;
mod options;
mod plan;
mod retry;
mod retry_values;
mod sources;
pub mod subcommands;
mod table;
pub(crate) mod usage;
mod useless;
pub(crate) mod values;

/// Engines kill a container 10 s after the stop by default: as PID 1 we must finish before that.
const PID_1_LIMIT: Duration = Duration::from_secs(8);
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
/// A shorter limit leaves no time for looks.
const SHORTEST_WITH_LOOKS: Duration = Duration::from_millis(100);
const DEFAULT_KILL_WAIT: Duration = Duration::from_secs(5);
const DEFAULT_STRAGGLER_GRACE: Duration = Duration::from_secs(1);

/// Everything a run needs to know.
#[derive(Debug)]
pub struct Settings {
    /// For the machine.
    pub plan: Plan,
    /// When a try is followed by another one.
    pub retry: Policy,
    /// The commands of the plan's steps.
    pub hooks: Vec<Hook>,
    /// The command that follows the end of the workload.
    pub post_stop: Option<Hook>,
    /// Where settings come from.
    pub origins: SettingOrigins,
    /// The file that announces the stop to the workload.
    pub token: Option<PathBuf>,
    /// When the workload is ready.
    pub(crate) ready: Vec<Condition>,
    /// The file that is there while it is ready.
    pub ready_file: Option<PathBuf>,
    /// Whether the workload's `sd_notify` messages are accepted.
    pub notify: bool,
    /// Whether the end of winddown's parent is a stop request.
    pub stop_with_parent: bool,
    /// What the user says about exit statuses.
    pub statuses: Statuses,
    /// The format of log lines.
    pub log_format: Format,
    /// Which facts are logged.
    pub log_level: Level,
    /// The destination of the record.
    pub record: Option<Destination>,
    /// Whether a second process guards the run.
    pub guard: bool,
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// The variables for winddown, which are not passed on.
    pub consumed: Vec<OsString>,
    /// Advice about variables whose names resemble ours.
    pub advice: Vec<String>,
}

/// Where settings come from: `-t`, `WINDDOWN_TIME_LIMIT`, `default`.
#[derive(Clone, Debug, Default)]
pub struct SettingOrigins {
    /// The time limit.
    pub limit: String,
    /// When SIGKILL comes: the time limit, or a plan that kills before.
    pub kill: String,
    /// The steps of the plan.
    pub steps: Vec<String>,
    /// The most that extensions may add.
    pub extend_max: String,
    /// What happens to stragglers: their grace, or that they are left.
    pub stragglers: String,
    /// The wait after SIGKILL.
    pub kill_wait: String,
    /// The hook after the end.
    pub post_stop: String,
    /// The stop signals, if the user chose them.
    pub stop_on: Option<String>,
    /// The delay before a further try.
    pub retry_delay: String,
    /// How long a try has to be ready for count and delay to be set back.
    pub retry_reset: String,
}

/// What the command line requests.
#[derive(Debug)]
pub enum Request {
    /// A run.
    Run(Box<Settings>),
    /// A text on stdout: help, version, the plan in force.
    Print(String),
    /// The subcommand `token`, with the words from its name on.
    Token(Vec<OsString>),
    /// The subcommand `report`, the same way.
    #[cfg(feature = "report")]
    Report(Vec<OsString>),
    /// The subcommand `completions`, the same way.
    #[cfg(feature = "completions")]
    Completions(Vec<OsString>),
    /// The subcommand `check`, the same way.
    #[cfg(feature = "check")]
    Check(Vec<OsString>),
}

/// Reads the command line, and variables for the options that are not on it.
///
/// # Errors
/// When a value is invalid, or options contradict each other.
pub fn parse(
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
    is_pid_1: bool,
) -> Result<Request, UsageError> {
    if let Some(request) = subcommands::request(arguments.get(1..).unwrap_or_default()) {
        return request;
    }
    let mut definition = table::whole_definition();
    let line = match usage::read(&mut definition, arguments)? {
        Line::Given(line) => line,
        Line::Print(text) => return Ok(Request::Print(text)),
    };
    let explains = line.get_flag("explain-plan");
    let given = GivenOptions::new(&mut definition, line, variables)?;
    let options = RunOptions::of(&given);
    let (ours, origins) = given.finish();
    if options.command.is_empty() && !explains {
        return Err(UsageError::NoCommand);
    }
    let parent_takes_messages =
        variables.iter().any(|(name, value)| name == "NOTIFY_SOCKET" && !value.is_empty());
    let settings = settings(options, &origins, ours, parent_takes_messages, is_pid_1)?;
    if explains {
        return Ok(Request::Print(explain::explain(&settings, &origins)));
    }
    Ok(Request::Run(Box::new(settings)))
}

fn settings(
    options: RunOptions,
    origins: &Origins,
    ours: Variables,
    parent_takes_messages: bool,
    is_pid_1: bool,
) -> Result<Settings, UsageError> {
    let run_limit = options.run_limit.and_then(Limit::length);
    let limit = time_limit(options.stop.time_limit, run_limit, is_pid_1, origins)?;
    useless::refuse(&options, limit, parent_takes_messages, origins)?;
    let planned = plan::planned(&options.stop, limit, origins)?;
    let hook_limit = options.stop.hook_limit.unwrap_or(plan::DEFAULT_HOOK_LIMIT);
    let mut setting_origins =
        SettingOrigins { steps: planned.origins, ..setting_origins(&options, limit, origins) };
    let looks = looks(limit);
    let (readiness, takes_messages) = (options.readiness(), options.takes_messages());
    let plan = Plan {
        limit,
        steps: planned.steps,
        last_words: planned.last_words,
        others_ask: options.stop.to == Some(values::To::Nobody),
        stop_on: options.stop_on.unwrap_or_else(|| [Signal::TERM, Signal::INT].into_iter().collect()),
        map: options.map,
        run_limit,
        stop_after: options.stop_after.and_then(Limit::length),
        ready: readiness,
        start_limit: options.start_limit,
        watchdog: options.watchdog,
        extend_max: options.extend_max.unwrap_or_default(),
        kill_wait: options.stop.kill_wait.unwrap_or(Limit::Finite(DEFAULT_KILL_WAIT)),
        post_stop: options.stop.post_stop.as_ref().map(|_| hook_limit),
        looks,
        leave_stragglers: options.leave_stragglers,
        at_parents_end: if options.kill_with_parent { AtParentsEnd::Kill } else { AtParentsEnd::Ask },
        straggler_grace: options.straggler_grace.unwrap_or(DEFAULT_STRAGGLER_GRACE),
    };
    refuse_dropped_stop(&plan, origins)?;
    let by_plan = plan.length() < limit;
    setting_origins.kill = if by_plan { origins.name("--stop") } else { setting_origins.limit.clone() };
    Ok(Settings {
        plan,
        retry: options.retry.policy(),
        hooks: planned.hooks,
        post_stop: options.stop.post_stop,
        origins: setting_origins,
        token: options.token,
        notify: takes_messages,
        ready: options.ready,
        ready_file: options.ready_file,
        stop_with_parent: options.stop_with_parent,
        statuses: Statuses {
            preserve: options.preserve_status,
            remap: options.remap_exit,
            interrupted: options.interrupted_exit,
        },
        log_format: options.log_format.unwrap_or_default(),
        log_level: match (options.quiet, options.verbose) {
            (true, _) => Level::Warn,
            (false, true) => Level::Detail,
            (false, false) => Level::Info,
        },
        record: options.record,
        guard: !options.no_guard && !is_pid_1,
        command: options.command,
        consumed: ours.consumed,
        advice: ours.advice,
    })
}

/// Whether there is time for looks.
fn looks(limit: Limit) -> bool {
    cfg!(feature = "postmortem") && limit >= Limit::Finite(SHORTEST_WITH_LOOKS)
}

fn setting_origins(options: &RunOptions, limit: Limit, origins: &Origins) -> SettingOrigins {
    let of = |option: &str, is_given: bool| {
        if is_given { origins.name(option) } else { "default".to_owned() }
    };
    let half = options.run_limit.and_then(Limit::length).map(|run_limit| Limit::Finite(run_limit / 2));
    let is_halved = options.stop.time_limit.is_none() && half == Some(limit);
    SettingOrigins {
        limit: if is_halved {
            format!("half of {}", origins.name("--run-limit"))
        } else {
            of("--time-limit", options.stop.time_limit.is_some()).replace("--time-limit", "-t")
        },
        kill: String::new(),
        steps: Vec::new(),
        extend_max: of("--extend-max", options.extend_max.is_some()),
        stragglers: if options.leave_stragglers {
            origins.name("--leave-stragglers")
        } else {
            of("--straggler-grace", options.straggler_grace.is_some())
        },
        kill_wait: of("--kill-wait", options.stop.kill_wait.is_some()),
        post_stop: of("--post-stop", options.stop.post_stop.is_some()),
        stop_on: options.stop_on.map(|_| origins.name("--stop-on")),
        retry_delay: of("--retry-delay", options.retry.delay.is_some()),
        retry_reset: of("--retry-reset", options.retry.reset.is_some()),
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
            let limit = limit.length().map_or_else(|| "infinity".to_owned(), in_full);
            let run_limit = in_full(run_limit);
            Err(UsageError::Invalid(format!(
                "{} {limit} does not fit into {} {run_limit}; give a shorter time limit",
                origins.name("--time-limit"),
                origins.name("--run-limit")
            )))
        }
        (Some(limit), _) => Ok(limit),
    }
}

/// A stop signal that `--map` drops would start the clock, but ask no process.
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

/// Parses a text as the value of each option; returns whether it is a plan.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse_any(text: &str) -> bool {
    let _ = (values::limit(text), values::run_limit(text), values::share(text));
    let _ = (values::stop_signal(text), values::signal_set(text), values::dump_signal(text));
    let _ = (values::mapping(text), values::status_pair(text), values::target(text));
    let _ = (retry_values::retries(text), retry_values::delay(text));
    let _ = (retry_values::permanent(text), retry_values::max_crashes(text));
    plan::steps::stop_plan(text).is_ok()
}

#[cfg(test)]
mod tests;
