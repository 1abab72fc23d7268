//! The definition of the command line of `winddown check`.

use clap::builder::{OsStringValueParser, ValueParser};
use clap::{Arg, ArgAction, Command};

use super::archive;
use super::baseline::Baseline;
use super::config::Source;
use super::port::PortChoice;
use super::probing::Probing;
use super::ready::Ready;
use super::reports::{Kind, Report};
use super::values::{
    allowance, checks, directory, exit, explained, finite, label, number, shell_command, topics,
};
use super::variable::Variable;
use crate::check::checks::check::Profile;
use crate::check::clients::probe::Resource;
use crate::check::runs::stdin::Input;
use crate::cli::GRACE_PERIOD;
use crate::cli::help;
use crate::cli::subcommands::CHECK;
use crate::cli::usage::{Text, named};
use crate::cli::values::{ready_words, share, stop_signal, stop_signals};
use crate::lifecycle::plan::Target;
use crate::observe::log::Format;

const MORE: &str = "\
Examples:
  winddown check -- ./server\tOne stop, and a verdict
  winddown check -t 30s --within 5s -- ./server\tKilled after 30 s; fails after 5 s
  winddown check --port auto --ready http://127.0.0.1:{port}/ -- ./server {port}\tReady once it answers, on a port that is free

READY is auto, notify, tcp:[HOST:]PORT, http[s]://HOST:PORT/PATH, unix:PATH, log:REGEX, file:PATH or cmd:COMMAND.
Exit status: 0 passed, 1 a check failed, 3 inconclusive, 125 wrong usage, 126/127 not run, 128+N interrupted.
It reads no options from the environment.";

/// Options that matter most: those of `-h`.
const MATTERS: [&str; 10] =
    ["time-limit", "stop-signal", "within", "port", "ready", "slow", "profile", "runs", "report", "explain"];

fn value(long: &'static str, name: &'static str, parser: impl Into<ValueParser>, help: &'static str) -> Arg {
    Arg::new(long)
        .long(long)
        .value_name(name)
        .help(help)
        .allow_hyphen_values(true)
        .hide_possible_values(true)
        .value_parser(parser)
}

/// An option whose values add up.
fn several(
    long: &'static str,
    name: &'static str,
    parser: impl Into<ValueParser>,
    help: &'static str,
) -> Arg {
    value(long, name, parser, help).action(ArgAction::Append)
}

/// An option whose values add up, and can be lists.
fn list(long: &'static str, name: &'static str, parser: impl Into<ValueParser>, help: &'static str) -> Arg {
    several(long, name, parser, help).value_delimiter(',')
}

fn switch(long: &'static str, help: &'static str) -> Arg {
    Arg::new(long).long(long).help(help).action(ArgAction::SetTrue)
}

/// Returns the definition of the command line.
#[must_use]
pub fn definition() -> Command {
    let command = Arg::new("command")
        .value_name("COMMAND")
        .value_parser(OsStringValueParser::new())
        .trailing_var_arg(true)
        .num_args(0..)
        .hide(true);
    let command = Command::new("winddown check")
        .about(CHECK.about)
        .override_usage(
            "winddown check [OPTIONS] [--] COMMAND [ARG]...\n       \
             winddown check [OPTIONS] [SERVER]...   servers of winddown-check.toml, by default all",
        )
        .after_long_help(MORE)
        .args_override_self(true)
        .arg(value(
            "config",
            "FILE",
            Text::of(Source::read).exact(),
            "Options and servers from this file [default: winddown-check.toml, if it is there]",
        ))
        .next_help_heading("Stopping")
        .args(stopping())
        .next_help_heading("Starting")
        .args(starting())
        .next_help_heading("Driving")
        .args(driving())
        .next_help_heading("Judging")
        .args(judging())
        .next_help_heading("Repeating")
        .args(repeating())
        .next_help_heading("Reporting")
        .args(reporting())
        .mut_args(|option| {
            let is_long_only = !MATTERS.contains(&option.get_id().as_str());
            option.hide_short_help(is_long_only)
        })
        .arg(command);
    help::with_options(command)
}

fn stopping() -> [Arg; 4] {
    [
        value(
            "time-limit",
            "DURATION",
            Text::of(finite),
            "From the signal to SIGKILL. Also --grace-period [default: 10s]",
        )
        .short('t')
        .visible_alias(GRACE_PERIOD),
        value(
            "stop-signal",
            "SIGNAL",
            Text::of(stop_signal).knows(stop_signals),
            "Ask with this signal [default: TERM]",
        )
        .short('s'),
        value("to", "main|all", Text::<Target>::choice(), "Whom to ask first [default: main]"),
        value("within", "DURATION", Text::of(share), "A longer stop fails, even within the limit"),
    ]
}

fn starting() -> [Arg; 6] {
    [
        several(
            "env",
            "NAME=VALUE",
            Text::of(Variable::parse).exact(),
            "Set a variable for the server; several: all of them",
        ),
        value("cwd", "DIR", Text::of(directory).exact(), "Start the server in this directory"),
        value(
            "port",
            "auto|N",
            Text::of(PortChoice::parse).knows(|| named(["auto"])),
            "Give the server a port: as $PORT, and for {port} in its words and values here",
        ),
        value(
            "stdin",
            "open|closed|tty",
            Text::<Input>::choice(),
            "The server's standard input [default: an empty one]",
        ),
        several(
            "ready",
            "READY",
            Text::of(Ready::parse).exact().knows(ready_words),
            "When the server is ready; several: all of them [default: auto]",
        ),
        value("ready-timeout", "DURATION", Text::of(share), "How long the start may take [default: 30s]"),
    ]
}

fn driving() -> [Arg; 7] {
    [
        value(
            "probe",
            "auto|tcp|http|none",
            Text::<Probing>::choice(),
            "What probes send; tcp only connects [default: auto, found out]",
        ),
        value(
            "url",
            "URL",
            Text::of(Resource::parse),
            "Where to send probes, or only the path [default: found out]",
        ),
        value(
            "slow",
            "URL",
            Text::of(Resource::parse),
            "A request of a second or so, to be under way at the signal",
        ),
        value("stream", "URL", Text::of(Resource::parse), "A request whose answer does not end"),
        switch("insecure", "Take any certificate of https URLs, such as a self-signed one"),
        value(
            "drive",
            "COMMAND",
            Text::of(shell_command).exact(),
            "A load for under-load; it gets $URL and $PORT",
        ),
        value(
            "break",
            "COMMAND",
            Text::of(shell_command).exact(),
            "For dependency-gone: takes away what the server depends on",
        ),
    ]
}

fn judging() -> [Arg; 10] {
    [
        value(
            "profile",
            "quick|standard|full",
            Text::<Profile>::choice(),
            "How much to test [default: quick]",
        ),
        list("only", "ID,...", checks(), "Run only these checks"),
        list("skip", "ID,...", checks(), "Skip these checks"),
        list("warn", "ID,...", checks(), "Make these warn where they would fail"),
        list("deny", "ID,...", checks(), "Make these fail where they would warn"),
        switch("strict", "Make every warning a failure").conflicts_with("deny"),
        list(
            "expect-exit",
            "STATUS,...",
            Text::of(exit),
            "How the server may end, e.g. 0,143,TERM [default: 0,143,TERM]",
        ),
        list(
            "allow",
            "WHAT,...",
            Text::of(allowance),
            "What may be left behind: port:N, file:GLOB, proc:NAME",
        ),
        value(
            "settle",
            "DURATION",
            Text::of(share),
            "How long after the end something may be left [default: 500ms]",
        ),
        several("watch", "DIR", Text::of(directory).exact(), "Also look for files left here"),
    ]
}

fn repeating() -> [Arg; 5] {
    [
        value("runs", "N", Text::of(number), "Stop it this often, each time at a random moment [default: 1]"),
        value("jobs", "N", Text::of(number), "Run so many scenarios side by side [default: 1]"),
        switch("until-fail", "Repeat until a check fails, at most --runs times"),
        value(
            "baseline",
            "FILE",
            Text::of(Baseline::read).exact(),
            "Fail if stops have become slower than in FILE",
        ),
        value("save-baseline", "FILE", Text::of(Baseline::place).exact(), "Save the times of these stops"),
    ]
}

fn reporting() -> [Arg; 8] {
    [
        value("name", "NAME", Text::of(label), "What reports call the server [default: its command]"),
        several(
            "report",
            "KIND[=FILE]",
            Text::of(Report::parse).exact().knows(Kind::names),
            "human, json, junit, github or timeline; several [default: human]",
        ),
        value("log", "FILE", Text::of(archive::log).exact(), "Keep all that the server prints in FILE"),
        value("record", "DIR", Text::of(archive::records).exact(), "Keep the record of each run in DIR"),
        switch("verbose", "Log each run's actions and observations on stderr").short('v'),
        value("log-format", "text|json", Text::<Format>::choice(), "The format of -v [default: text]"),
        switch("list", "List all checks"),
        value("explain", "ID", Text::of(explained).knows(topics), "Explain a check, or a cause (W09)"),
    ]
}
