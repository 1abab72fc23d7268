//! The options: one table of names, values and help, and the command line built from it.

use clap::builder::{OsStringValueParser, ValueParser};
use clap::{Arg, ArgAction, Command};

use super::plan::steps::{hook, stop_plan};
use super::retry_values::{delay, max_crashes, permanent, retries};
use super::usage::Text;
use super::values::{
    To, dump_signal, dumps, interrupted_exit, length, limit, mapping, path, ready, ready_file, ready_words,
    record, run_limit, share, signal_set, status_pair, stop_requests, stop_signal, stop_signals, token,
};
use super::{help, subcommands};
use crate::observe::log::Format;

const MORE: &str = "\
Examples:
  winddown -t 30s -- ./server --port 8080\tSIGTERM or Ctrl+C: 30 s to finish, then SIGKILL
  winddown -s QUIT -- nginx -g 'daemon off;'\tAsk with SIGQUIT, on which nginx finishes its requests
  winddown --run-limit 1h -t 1m -- ./backup\tAsk after 59 minutes, so that all is over within the hour

Each option is also read from WINDDOWN_<OPTION>, e.g. WINDDOWN_TIME_LIMIT=30s.
Durations: 250ms, 1m30s, 30 (seconds), 0, infinity. Signals: TERM, SIGTERM, 15, RTMIN+3.
Exit status: COMMAND's own; 124 run limit, 137 killed, 125 winddown failed, 126/127 not run.";

/// Options that matter most: those of `-h`.
const MATTERS: [&str; 10] = [
    "time-limit",
    "stop-signal",
    "to",
    "stop",
    "stop-delay",
    "explain-plan",
    "run-limit",
    "remap-exit",
    "token",
    "record",
];

/// The name of a value, and its parser.
struct Value {
    name: &'static str,
    parser: fn() -> ValueParser,
}

/// One option.
pub(super) struct Spec {
    pub(super) long: &'static str,
    short: Option<char>,
    /// Another long name.
    alias: Option<&'static str>,
    /// `None` for a switch.
    value: Option<Value>,
    help: &'static str,
}

const fn value(
    long: &'static str,
    name: &'static str,
    parser: fn() -> ValueParser,
    help: &'static str,
) -> Spec {
    Spec { long, short: None, alias: None, value: Some(Value { name, parser }), help }
}

const fn switch(long: &'static str, help: &'static str) -> Spec {
    Spec { long, short: None, alias: None, value: None, help }
}

impl Spec {
    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    pub(super) const fn takes_value(&self) -> bool {
        self.value.is_some()
    }

    /// Whether each line of its variable is a value.
    pub(super) fn is_by_line(&self) -> bool {
        self.long == WHOLE
    }

    fn argument(&self) -> Arg {
        let argument = Arg::new(self.long).long(self.long).short(self.short).help(self.help);
        let argument = argument.hide_short_help(!MATTERS.contains(&self.long)).visible_aliases(self.alias);
        let Some(Value { name, parser }) = &self.value else { return argument.action(ArgAction::SetTrue) };
        let argument = argument
            .value_name(*name)
            .value_parser(parser())
            .allow_hyphen_values(true)
            .hide_possible_values(true);
        if LISTS.contains(&self.long) {
            argument.action(ArgAction::Append).value_delimiter(',')
        } else if self.long == WHOLE {
            argument.action(ArgAction::Append)
        } else {
            argument.action(ArgAction::Set)
        }
    }
}

/// The name that engines and orchestrators have for the time limit.
pub(crate) const GRACE_PERIOD: &str = "grace-period";
/// Options whose values add up.
const LISTS: [&str; 3] = ["map", "remap-exit", "permanent-exit"];
/// The same, but each may have commas in it.
const WHOLE: &str = "ready";

#[rustfmt::skip]
static GROUPS: [(&str, &[Spec]); 6] = [
    ("Stopping", &[
        value("time-limit", "DURATION", || Text::of(limit).into(), "How long the whole stop may last, then SIGKILL; 0 kills at once, infinity never. Also --grace-period [default: 10s; 8s as PID 1]").short('t').alias(GRACE_PERIOD),
        value("stop-signal", "SIGNAL", || Text::of(stop_signal).knows(stop_signals).into(), "Ask with this signal [default: the one received, else TERM]").short('s'),
        value("to", "main|all|none", || Text::<To>::choice().into(), "Which processes to ask first; none if whoever asks winddown has asked all. SIGKILL goes to all [default: main]"),
        value("stop", "PLAN", || Text::of(stop_plan).exact().into(), "Steps of a stop, each with its share of the limit: 'wait 5s, run \"CMD\" 3s, USR1 9s main, TERM'"),
        value("stop-delay", "DURATION", || Text::of(share).into(), "Keep serving this long before the signal"),
        value("pre-stop", "CMD", || Text::of(hook).exact().into(), "Run CMD before the signal"),
        value("post-stop", "CMD", || Text::of(hook).exact().into(), "Run CMD after everything has ended"),
        value("hook-limit", "DURATION", || Text::of(share).into(), "How long each CMD may last [default: 5s]"),
        value("kill-wait", "DURATION", || Text::of(limit).into(), "How long to wait after SIGKILL [default: 5s]"),
        value("dump-signal", "SIGNAL", || Text::of(dump_signal).knows(dumps).into(), "Make it dump where it hangs before SIGKILL: auto, QUIT, ABRT or none"),
        value("on-timeout", "CMD", || Text::of(hook).exact().into(), "Run CMD before SIGKILL, e.g. a debugger for $SHUTDOWN_PIDS"),
        switch("explain-plan", "Print the plan in force and its worst case; start nothing"),
    ]),
    ("Running", &[
        value("run-limit", "DURATION", || Text::of(run_limit).into(), "All is over by then: the stop begins earlier, by the time limit, which without -t is at most half of this"),
        value("stop-after", "DURATION", || Text::of(run_limit).into(), "The stop begins then, as with timeout; SIGKILL comes a time limit later"),
        switch("preserve-status", "Exit with COMMAND's status, not 124, where --run-limit or --stop-after has stopped it"),
        switch("leave-stragglers", "If COMMAND ends by itself, leave the processes it started"),
        value("straggler-grace", "DURATION", || Text::of(length).into(), "How long what COMMAND leaves may run unasked [default: 1s]"),
        switch("stop-with-parent", "Stop when winddown's own parent ends"),
        value("ready", "WHEN", || Text::of(ready).exact().knows(ready_words).into(), "When COMMAND is ready: tcp:PORT, auto, notify, cmd:CMD and more"),
        value("ready-file", "FILE", || path(ready_file), "This file is there while COMMAND is ready"),
        value("start-limit", "DURATION", || Text::of(share).into(), "Stop COMMAND if it is not ready by then: outcome not-started"),
        switch("no-guard", "No guard in case winddown is killed; signals to a job come twice"),
    ]),
    ("Trying again", &[
        value("retry", "N|forever", || Text::of(retries).into(), "Start COMMAND again when it has failed, up to N times"),
        value("retry-delay", "DELAY", || Text::of(delay).into(), "Wait this long before that, e.g. 10s; 4s..15m for ever longer delays [default: 1s]"),
        value("retry-reset", "DURATION", || Text::of(run_limit).into(), "A try that was ready this long before it failed sets count and delay back [default: 1m]"),
        value("permanent-exit", "STATUSES", || Text::of(permanent).into(), "No try follows one of these statuses, e.g. 64,78"),
        value("max-crashes", "N/DURATION", || Text::of(max_crashes).into(), "More than N failures within DURATION end the run, e.g. 10/1m"),
    ]),
    ("Signals", &[
        value("stop-on", "SIGNALS", || Text::of(signal_set).knows(stop_requests).into(), "Signals that are stop requests, or none [default: TERM,INT]"),
        value("map", "FROM=TO", || Text::of(mapping).into(), "Pass FROM on as TO, or not at all if TO is empty"),
        value("remap-exit", "FROM=TO", || Text::of(status_pair).into(), "Exit with TO if the status is FROM: COMMAND's own, or 124, e.g. 143=0,124=0"),
        value("interrupted-exit", "STATUS", || Text::of(interrupted_exit).into(), "Exit with STATUS, not 0, if a signal or the end of terminal or parent asked for the stop, e.g. 75"),
    ]),
    ("Workload", &[
        value("token", "FILE", || path(token), "Announce the stop to COMMAND by this file, and by $SHUTDOWN_FD"),
        value("extend-max", "DURATION", || Text::of(length).into(), "How much more time COMMAND may ask for [default: 0]"),
        switch("notify", "Accept COMMAND's sd_notify messages [default: if our parent does]"),
        value("watchdog", "DURATION", || Text::of(share).into(), "Stop COMMAND if it has sent WATCHDOG=1, and then none for this long"),
    ]),
    ("Output", &[
        value("log-format", "text|json", || Text::<Format>::choice().into(), "Log lines on stderr as text or json [default: text]"),
        switch("verbose", "Also log starts, forwarded signals and reaped processes").short('v'),
        switch("quiet", "Log only a kill with its cause, and errors").short('q'),
        value("record", "FILE", || path(record), "Write the whole run as one JSON object; fd:N for a descriptor"),
    ]),
];

/// A switch for `winddown check` alone, which starts the main job: the end of its parent kills at once, also in the
/// middle of a stop.
pub(super) const KILL_WITH_PARENT: &str = "kill-with-parent";

/// All options that help and docs list.
pub(super) fn specs() -> impl Iterator<Item = &'static Spec> {
    GROUPS.iter().flat_map(|(_, specs)| specs.iter())
}

/// The definition of the command line: for parsing, the manual page and the completions.
#[must_use]
pub fn definition() -> Command {
    let mut command = Command::new("winddown")
        .about("Runs COMMAND; on SIGTERM or Ctrl+C gives it a time limit to finish, then kills what is left")
        .override_usage("winddown [OPTIONS] [--] COMMAND [ARG]...")
        .after_help(subcommands::list())
        .after_long_help(MORE)
        .args_override_self(true);
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
    help::with_options(command.arg(words))
}

/// The definition, with the switch that no user needs.
pub(super) fn whole_definition() -> Command {
    let switch = Arg::new(KILL_WITH_PARENT).long(KILL_WITH_PARENT).hide(true).action(ArgAction::SetTrue);
    if cfg!(feature = "check") { definition().arg(switch) } else { definition() }
}
