//! winddown-check(1).

use clap_mangen::roff::roman;
use winddown::check::{checks::catalogue, options::definition::definition};

use super::{Page, entries, entry, options, paragraphs, section, synopsis};

const DESCRIPTION: [&str; 3] = [
    "*winddown check* starts a server under *winddown*, waits until it is ready, stops it, and judges how \
     it stopped: whether it ended in time, what it left behind, and what clients got. Without more options that is one \
     stop (*--profile quick*); *standard* and *full* play further scenarios, each in a run of its own. A check that \
     could not observe its subject is inconclusive, never passed.",
    "A URL may be just a path: it then belongs to the server that was found. Checks without the URL or command that \
     they need are skipped.",
    "*check* is a subcommand as the very first word only: *winddown -- check* runs a command of that name.",
];

const READINESS: [(&str, &str); 7] = [
    ("auto", "A socket of the server's processes accepts a connection, or it sends READY=1. The default."),
    ("notify", "It sends READY=1 by sd_notify."),
    ("tcp:[HOST:]PORT, unix:PATH", "A connection is accepted."),
    ("http://HOST:PORT/PATH", "The answer has a status from 200 to 399."),
    ("log:REGEX", "The server prints a line that matches."),
    ("file:PATH", "The file exists, and was made or changed since the start."),
    ("cmd:COMMAND", "The shell command succeeds."),
];

const EXIT_STATUS: [(&str, &str); 6] = [
    ("0", "Every check passed, warned or was skipped."),
    ("1", "A check failed."),
    ("3", "No check failed, and one was inconclusive."),
    ("125", "*winddown* itself failed, wrong usage included."),
    ("126, 127", "COMMAND could not be executed, was not found."),
    ("128+N", "Signal N ended the test; nothing is left of it."),
];

const ENVIRONMENT: [(&str, &str); 5] = [
    ("WINDDOWN_*", "Not read: a test is what its command line and its configuration file say."),
    ("PORT", "With *--port*: set for the server, and for *--drive* and *--break*."),
    ("URL", "Set for *--drive* and *--break*: where the server was found."),
    (
        "GITHUB_ACTIONS, GITHUB_STEP_SUMMARY",
        "In a GitHub workflow (*true*) the report *github* is on by itself; its summary goes to this file.",
    ),
    ("NO_COLOR, TERM", "No colours if NO_COLOR is set and not empty, or TERM is *dumb*."),
];

const FILES: [(&str, &str); 1] = [(
    "winddown-check.toml",
    "In the current directory, or what *--config* names: options by their names, *command* as a list of words, and a \
     table *[server.NAME]* for each server. Without arguments all of these are checked, and SERVER is one of them; \
     COMMAND comes after *--* then. The nearest value counts: command line, table, top of the file.",
)];

pub(super) fn page() -> Page {
    let definition = definition();
    let sections = [
        synopsis(&definition),
        paragraphs("DESCRIPTION", &DESCRIPTION),
        options(definition.clone()),
        entries("READINESS", READINESS),
        checks(),
        entries("EXIT STATUS", EXIT_STATUS),
        entries("ENVIRONMENT", ENVIRONMENT),
        entries("FILES", FILES),
    ];
    let examples = [
        ("One stop, and a verdict:", "winddown check -- ./server"),
        (
            "Killed after 30 seconds; more than 5 seconds fail:",
            "winddown check -t 30s --within 5s -- ./server",
        ),
        (
            "With a free port, and a request under way at the signal:",
            "winddown check --port auto --ready http://127.0.0.1:{port}/health --slow /slow -- ./server --port {port}",
        ),
        (
            "Everything, for a CI that reads JUnit:",
            "winddown check --profile standard --report human --report junit=stop.xml -- ./server",
        ),
        ("What a check is about:", "winddown check --explain idle-conn"),
    ];
    let others = [("winddown", "1"), ("winddown-report", "1")];
    super::page("winddown-check", "test how a server shuts down", definition, &sections, &examples, &others)
}

fn checks() -> String {
    section("CHECKS", |roff| {
        for check in catalogue::checks() {
            let profile = check.profile.name();
            entry(roff, &format!("{} ({profile})", check.id), "");
            // Not through `words`: an asterisk is literal here.
            roff.text([roman(format!("{}. {}", check.about, check.more))]);
        }
    })
}
