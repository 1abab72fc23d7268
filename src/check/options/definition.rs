//! The definition of the command line of `winddown check`.

use clap::builder::{OsStringValueParser, ValueParser};
use clap::{Arg, ArgAction, Command};

const EXAMPLES: &str = "\
Examples:
  winddown check -- ./server                             one stop, and a verdict
  winddown check -t 30s --within 5s -- ./server          killed after 30 s; must be done in 5 s
  winddown check --ready http://127.0.0.1:8080/health -- ./server

READY is auto, notify, tcp:[HOST:]PORT, http://HOST:PORT/PATH, unix:PATH, log:REGEX, file:PATH or cmd:COMMAND.
Exit status: 0 passed, 1 a check failed, 3 inconclusive, 125 wrong usage, 126/127 not run, 128+N interrupted.
It takes no options from the environment.";

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
        .arg(value(
            "port",
            "auto|N",
            "Give it a port: as $PORT, and for {port} in its words and in values here",
        ))
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
        .arg(list(
            "report",
            "KIND[=FILE]",
            "human, json, junit, github or timeline; several [default: human]",
        ))
        .arg(switch("list", "List all checks"))
        .arg(value("explain", "ID", "Tell what a check is about, or a cause (W09)"))
        .arg(command)
}
