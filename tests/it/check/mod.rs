//! `winddown check`: its verdicts on good servers and on bad ones.

use crate::support::TempDir;
use crate::support::builder::Winddown;
use crate::support::running::Ended;

mod command_line;
mod documents;
mod full;
mod quick;
mod reports;
mod servers;
mod standard;

/// The tests of all files.
pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
    [
        command_line::trials(),
        documents::trials(),
        full::trials(),
        quick::trials(),
        reports::trials(),
        servers::trials(),
        standard::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The server that stops as it is told to.
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
        let mut words = line.split_ascii_whitespace().map(|word| word.trim_end_matches(','));
        words.next() == Some(word) && words.any(|word| word == id)
    };
    assert!(ended.out().iter().any(starts), "no {word} {id}: {}", ended.told());
}

/// The check alone passes with one server, and fails with another.
#[track_caller]
fn tells_apart(id: &str, options: &str, good: &[String], bad: &[String]) {
    let options = format!("--only {id} {options}");
    let ended = check(&options, good).expect_code(0);
    expect(&ended, "ok", id);
    let ended = check(&options, bad).expect_code(1);
    expect(&ended, "FAIL", id);
}
