//! winddown-token(1).

use winddown::token;

use super::{Page, entries, options, paragraphs, synopsis};

const DESCRIPTION: [&str; 3] = [
    "*winddown token* is for programs and scripts that run under *winddown --token FILE*. It prints how long is \
     left until SIGKILL: before a stop until the end of the run limit, if there is one, else *infinity*. The exit \
     status says whether a stop has been requested.",
    "With *--wait* it waits for the request and prints nothing. With *--extend* it asks for this much time from now \
     on, and prints *granted*, or *refused* with what may be asked for; all extensions together are at most \
     *--extend-max* of the run.",
    "*token* is a subcommand as the very first word only: *winddown -- token* runs a command of that name.",
];

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "No stop has been requested; with *--wait*: one has; with *--extend*: granted."),
    ("1", "A stop has been requested; with *--extend*: refused."),
    ("125", "This is no run with a token, the token can't be read, or the arguments are wrong."),
];

const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "SHUTDOWN_TOKEN",
        "The file that appears when a stop is requested. It has the lines *reason*, *deadline_ms* and *deadline_monotonic_ms*.",
    ),
    (
        "SHUTDOWN_FD",
        "The number of a descriptor that becomes readable then. *--wait* waits for it, or for the file where it was closed.",
    ),
    ("SHUTDOWN_SOCKET", "The socket through which *--extend* asks; only with *--extend-max*."),
    (
        "SHUTDOWN_DEADLINE_MONOTONIC_MS",
        "When the run limit ends, by CLOCK_MONOTONIC: what is left before a stop.",
    ),
];

pub(super) fn page() -> Page {
    let definition = token::definition();
    let sections = [
        synopsis(&definition),
        paragraphs("DESCRIPTION", &DESCRIPTION),
        options(definition.clone()),
        entries("EXIT STATUS", EXIT_STATUS),
        entries("ENVIRONMENT", ENVIRONMENT),
    ];
    let examples = [
        ("Between two pieces of work: an exit status of 1 says to leave:", "winddown token"),
        ("Clean up at a stop, while something else works:", "winddown token --wait"),
        ("More time for a checkpoint:", "winddown token --extend 30s"),
        ("The run around them:", "winddown --token stop --extend-max 5m -- ./batch"),
    ];
    let others = [("winddown", "1")];
    super::page(
        "winddown-token",
        "tell a workload of its stop, and of the time left",
        definition,
        &sections,
        &examples,
        &others,
    )
}
