//! The options: their names, values and help in one table, and what was given of them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, Command};

use super::UsageError;
use super::given::Given;
use super::plan::{PlannedStep, hook, stop_plan};
use super::values::{
    destination, dump_signal, exact, format, length, limit, mapping, run_limit, share, signal_set,
    status_pair, stop_signal, target, text, token,
};
use crate::lifecycle::plan::{Dump, Limit, Mapping, Target};
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::Format;
use crate::observe::record::Destination;
use crate::os::hook::Hook;

const EXAMPLES: &str = "\
Examples:
  winddown -t 30s -- ./server --port 8080     SIGTERM or Ctrl+C: 30 s to finish, then SIGKILL
  winddown -s QUIT --run-limit 1h nginx       ask with SIGQUIT, at the latest before 1 h is over

Each option is also read from WINDDOWN_<OPTION>, e.g. WINDDOWN_TIME_LIMIT=30s.
Durations: 250ms, 1m30s, 30 (seconds), 0, infinity. Signals: TERM, SIGTERM, 15, RTMIN+3.
Exit status: COMMAND's own; 124 run limit, 137 killed, 125 winddown failed, 126/127 not run.";

/// One option.
pub(super) struct Spec {
    pub(super) long: &'static str,
    short: Option<char>,
    /// The name of its value; nothing for a switch.
    pub(super) value: Option<&'static str>,
    help: &'static str,
}

const fn value(long: &'static str, value: &'static str, help: &'static str) -> Spec {
    Spec { long, short: None, value: Some(value), help }
}

const fn switch(long: &'static str, help: &'static str) -> Spec {
    Spec { long, short: None, value: None, help }
}

impl Spec {
    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    fn argument(&self) -> Arg {
        let argument = Arg::new(self.long).long(self.long).short(self.short).help(self.help);
        match self.value {
            Some(name) => argument
                .value_name(name)
                .value_parser(OsStringValueParser::new())
                .allow_hyphen_values(true)
                .action(if LISTS.contains(&self.long) { ArgAction::Append } else { ArgAction::Set }),
            None => argument.action(ArgAction::SetTrue),
        }
    }
}

/// Whose values add up.
const LISTS: [&str; 2] = ["map", "remap-exit"];

#[rustfmt::skip]
static GROUPS: [(&str, &[Spec]); 5] = [
    ("Stopping", &[
        value("time-limit", "DURATION", "From request to SIGKILL; 0 kills at once [default: 10s; 8s as PID 1]").short('t'),
        value("stop-signal", "SIGNAL", "Ask with this signal [default: the one received, else TERM]").short('s'),
        value("to", "main|all", "Who is asked first; SIGKILL always goes to all [default: main]"),
        value("stop", "PLAN", "Steps of a stop: 'wait 5s, run \"CMD\" 3s, USR1 9s main, TERM'"),
        value("stop-delay", "DURATION", "Go on serving for so long before the signal"),
        value("pre-stop", "CMD", "Run CMD before the signal"),
        value("post-stop", "CMD", "Run CMD after everything has ended"),
        value("hook-limit", "DURATION", "How long each CMD may last [default: 5s]"),
        value("kill-wait", "DURATION", "How long to wait after SIGKILL [default: 5s]"),
        value("dump-signal", "SIGNAL", "Before SIGKILL have it tell where it hangs: auto, QUIT, ABRT or none"),
        value("on-timeout", "CMD", "Before SIGKILL run CMD, e.g. a debugger; $SHUTDOWN_PIDS are there"),
        switch("explain-plan", "Print the plan in force and its worst case; start nothing"),
    ]),
    ("Running", &[
        value("run-limit", "DURATION", "Be done by then: the stop begins earlier by the time limit"),
        switch("leave-stragglers", "If COMMAND ends by itself, leave the processes it started"),
        switch("stop-with-parent", "Stop when winddown's own parent ends"),
        switch("no-guard", "No second process to end the workload if winddown is killed"),
    ]),
    ("Signals", &[
        value("stop-on", "SIGNALS", "Signals that are stop requests [default: TERM,INT]"),
        value("map", "FROM=TO", "Pass FROM on as TO, or not at all if TO is empty"),
        value("remap-exit", "FROM=TO", "Exit with TO if COMMAND's status is FROM, e.g. 143=0"),
    ]),
    ("Workload", &[
        value("token", "FILE", "Tell COMMAND of the stop by this file, and by $SHUTDOWN_FD"),
        value("extend-max", "DURATION", "How much more time COMMAND may ask for [default: 0]"),
        switch("notify", "Take COMMAND's sd_notify messages [default: if our parent does]"),
        value("watchdog", "DURATION", "Stop COMMAND if it sends no WATCHDOG=1 for so long"),
    ]),
    ("Output", &[
        value("log-format", "text|json", "Log lines on stderr as text or json [default: text]"),
        switch("verbose", "Tell starts, forwarded signals and reaped processes too").short('v'),
        switch("quiet", "Tell errors only").short('q'),
        value("record", "FILE", "Write the run as one JSON object; fd:N for a descriptor"),
    ]),
];

/// All options.
pub(super) fn specs() -> impl Iterator<Item = &'static Spec> {
    GROUPS.iter().flat_map(|(_, specs)| specs.iter())
}

/// The definition of the command line: for parsing, the manual page and the completions.
#[must_use]
pub fn definition() -> Command {
    let mut command = Command::new("winddown")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs COMMAND; on SIGTERM or Ctrl+C gives it a time limit to finish, then kills what is left")
        .override_usage("winddown [OPTIONS] [--] COMMAND [ARG]...")
        .after_help(EXAMPLES)
        .args_override_self(true)
        .max_term_width(100);
    for (heading, specs) in &GROUPS {
        command = command.next_help_heading(*heading);
        for spec in *specs {
            command = command.arg(spec.argument());
        }
    }
    let words = Arg::new("command")
        .value_name("COMMAND")
        .help("The command to run, with its arguments")
        .value_parser(OsStringValueParser::new())
        .trailing_var_arg(true)
        .num_args(0..)
        .hide(true);
    command
        .mut_arg("verbose", |option| option.overrides_with("quiet"))
        .mut_arg("quiet", |option| option.overrides_with("verbose"))
        .arg(words)
}

/// How a stop goes.
#[derive(Debug)]
pub(super) struct StopOptions {
    pub(super) time_limit: Option<Limit>,
    pub(super) stop_signal: Option<Signal>,
    pub(super) to: Option<Target>,
    pub(super) stop: Option<Vec<PlannedStep>>,
    pub(super) stop_delay: Option<Duration>,
    pub(super) pre_stop: Option<Hook>,
    pub(super) post_stop: Option<Hook>,
    pub(super) hook_limit: Option<Duration>,
    pub(super) kill_wait: Option<Limit>,
    pub(super) dump_signal: Option<Dump>,
    pub(super) on_timeout: Option<Hook>,
}

/// What was given, each as plain as it can be.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches, each independent of the others")]
pub(super) struct Options {
    pub(super) stop: StopOptions,
    pub(super) run_limit: Option<Limit>,
    pub(super) leave_stragglers: bool,
    pub(super) stop_with_parent: bool,
    pub(super) no_guard: bool,
    pub(super) stop_on: Option<SignalSet>,
    pub(super) map: Vec<Mapping>,
    pub(super) remap_exit: Vec<(u8, u8)>,
    pub(super) token: Option<PathBuf>,
    pub(super) extend_max: Option<Duration>,
    pub(super) notify: bool,
    pub(super) watchdog: Option<Duration>,
    pub(super) log_format: Option<Format>,
    pub(super) verbose: bool,
    pub(super) quiet: bool,
    pub(super) record: Option<Destination>,
    pub(super) command: Vec<OsString>,
}

impl Options {
    /// Reads each option from the command line, or from its variable.
    pub(super) fn read(given: &mut Given<'_>) -> Result<Self, UsageError> {
        let stop = StopOptions {
            time_limit: given.one("time-limit", &|value| limit(&text(value)))?,
            stop_signal: given.one("stop-signal", &|value| stop_signal(&text(value)))?,
            to: given.one("to", &|value| target(&text(value)))?,
            stop: given.one("stop", &|value| stop_plan(exact(value)?))?,
            stop_delay: given.one("stop-delay", &|value| share(&text(value)))?,
            pre_stop: given.one("pre-stop", &|value| hook(exact(value)?))?,
            post_stop: given.one("post-stop", &|value| hook(exact(value)?))?,
            hook_limit: given.one("hook-limit", &|value| share(&text(value)))?,
            kill_wait: given.one("kill-wait", &|value| limit(&text(value)))?,
            dump_signal: given.one("dump-signal", &|value| dump_signal(&text(value)))?.flatten(),
            on_timeout: given.one("on-timeout", &|value| hook(exact(value)?))?,
        };
        // Each overrides the other: a variable does nothing where either is on the command line.
        let tells = given.is_on_line("verbose") || given.is_on_line("quiet");
        Ok(Self {
            stop,
            run_limit: given.one("run-limit", &|value| run_limit(&text(value)))?,
            leave_stragglers: given.switch("leave-stragglers")?,
            stop_with_parent: given.switch("stop-with-parent")?,
            no_guard: given.switch("no-guard")?,
            stop_on: given.one("stop-on", &|value| signal_set(&text(value)))?,
            map: given.many("map", mapping)?,
            remap_exit: given.many("remap-exit", status_pair)?,
            token: given.one("token", &|value| token(value.to_owned()))?,
            extend_max: given.one("extend-max", &|value| length(&text(value)))?,
            notify: given.switch("notify")?,
            watchdog: given.one("watchdog", &|value| share(&text(value)))?,
            log_format: given.one("log-format", &|value| format(&text(value)))?,
            verbose: if tells { given.is_on_line("verbose") } else { given.switch("verbose")? },
            quiet: if tells { given.is_on_line("quiet") } else { given.switch("quiet")? },
            record: given.one("record", &|value| destination(value.to_owned()))?,
            command: given.words("command"),
        })
    }
}
