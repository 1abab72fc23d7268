//! winddown-report(1).

use winddown::report;

use super::{Page, entries, options, paragraphs, synopsis};

const DESCRIPTION: [&str; 4] = [
    "*winddown report* shows what *winddown --record FILE* has written: one record as a story of the run, several as \
     a table with the distribution of their stop times. A FILE of *-* is stdin. A file may hold several records, one \
     after the other.",
    "*--html* draws the timeline of each run, for a browser; *--format json* prints one object for programs. \
     *OUT.html* may be *-*, for stdout. A page replaces an older page or an empty file, and nothing else.",
    "*--explain* tells what a cause of the post-mortem means, and what to do about it.",
    "*report* is a subcommand as the very first word only: *winddown -- report* runs a command of that name.",
];

const EXIT_STATUS: [(&str, &str); 2] = [
    ("0", "The report was made."),
    ("125", "A record can't be read, the report can't be written, or the arguments are wrong."),
];

const ENVIRONMENT: [(&str, &str); 1] = [(
    "NO_COLOR, TERM",
    "No colours if NO_COLOR is set and not empty, or TERM is *dumb*. No other variable changes the report.",
)];

pub(super) fn page() -> Page {
    let definition = report::definition();
    let sections = [
        synopsis(&definition),
        paragraphs("DESCRIPTION", &DESCRIPTION),
        options(definition.clone()),
        entries("EXIT STATUS", EXIT_STATUS),
        entries("ENVIRONMENT", ENVIRONMENT),
    ];
    let examples = [
        ("The story of a run:", "winddown report run.json"),
        (
            "How long stops take, and whether the limit leaves room:",
            "winddown report run-1.json run-2.json run-3.json",
        ),
        ("The timeline, for a browser:", "winddown report --html out.html run.json"),
        ("Which command was killed, for a program:", "winddown report --format json run.json"),
        ("What W09 means:", "winddown report --explain W09"),
    ];
    let others = [("winddown", "1"), ("winddown-check", "1")];
    super::page(
        "winddown-report",
        "show what happened in recorded runs",
        definition,
        &sections,
        &examples,
        &others,
    )
}
