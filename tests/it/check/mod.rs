//! `winddown check`: its verdicts on good servers and on bad ones.

use snapbox::IntoData;

use crate::support::TempDir;
use crate::support::builder::Winddown;
use crate::support::running::Ended;
use crate::support::snapshot::expect_without_times;
use crate::support::trial::Test;

mod aborted;
mod archive;
mod command_line;
mod config;
mod documents;
mod full;
mod https;
mod jobs;
mod probes;
mod quick;
mod reports;
mod servers;
mod standard;
mod start;
mod strangers;
mod verbose;

/// The tests of all files. On a busy machine the verdicts may differ.
pub(crate) fn trials() -> Vec<Test> {
    [
        aborted::trials(),
        archive::trials(),
        command_line::trials(),
        config::trials(),
        documents::trials(),
        full::trials(),
        https::trials(),
        jobs::trials(),
        probes::trials(),
        quick::trials(),
        reports::trials(),
        servers::trials(),
        standard::trials(),
        start::trials(),
        strangers::trials(),
        verbose::trials(),
    ]
    .into_iter()
    .flatten()
    .map(Test::timed)
    .collect()
}

/// The server that stops in this mode.
fn server(mode: &str) -> Vec<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/check/server.py");
    ["python3", file].into_iter().chain(mode.split(' ')).map(str::to_owned).collect()
}

/// Checks a command in a directory of its own.
fn check(options: &str, command: &[String]) -> Ended {
    check_in(&TempDir::new(), options, command)
}

/// Checks a command in this directory.
fn check_in(place: &TempDir, options: &str, command: &[String]) -> Ended {
    let words = std::iter::once("check").chain(options.split_ascii_whitespace());
    Winddown::new().args(words).command(command).directory(place.path()).run().expect_nothing_left()
}

/// The line about a check.
#[track_caller]
fn expect(ended: &Ended, word: &str, id: &str) {
    let starts = |line: &String| {
        let mut words = line.split_ascii_whitespace().map(|word| word.trim_end_matches([',', ':']));
        words.next() == Some(word) && words.any(|word| word == id)
    };
    assert!(ended.out().iter().any(starts), "no {word} {id}: {}", ended.dump());
}

/// Compares all verdicts, without the head of the page, which has the times of the run and its probes.
#[track_caller]
fn expect_verdicts(ended: &Ended, snapshot: impl IntoData) {
    let is_verdict = |line: &String| {
        ["  ok ", "  warn ", "  FAIL ", "  ??? ", "  skip "].iter().any(|word| line.starts_with(word))
    };
    let page = ended.out();
    let from = page.iter().position(is_verdict).unwrap_or_else(|| panic!("no verdict: {}", ended.dump()));
    expect_without_times(&page[from..], snapshot);
}

/// Runs only this check: it passes with one server and fails with the other.
#[track_caller]
fn distinguishes(id: &str, options: &str, good: &[String], bad: &[String]) {
    let options = format!("--only {id} {options}");
    let ended = check(&options, good).expect_code(0);
    expect(&ended, "ok", id);
    let ended = check(&options, bad).expect_code(1);
    expect(&ended, "FAIL", id);
}
