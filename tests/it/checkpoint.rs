//! The batch job of docs/checkpoint.md in its three languages: whoever stops it in the middle, and whatever fails
//! there, nothing is processed twice, and nothing is lost.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::builder::{Winddown, winddown_path};
use crate::support::needs::from_pypi;
use crate::support::{Pty, TempDir, eventually, read_json, trials};

trials![
    needs("bash") => in_bash,
    needs("python3") => in_python,
    needs("mcs", "dotnetcore2") => in_csharp,
];

/// How many changes the feed has: more than are processed before the test stops the job.
const CHANGES: usize = 40;

/// A directory with the job's files and its feed.
fn place() -> TempDir {
    let place = TempDir::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/checkpoint");
    for entry in fs::read_dir(from).expect("examples/checkpoint").flatten() {
        place.install(entry.file_name().to_str().expect("a text"), entry.path());
    }
    place.write("feed", &feed(CHANGES));
    place
}

fn feed(changes: usize) -> String {
    (1..=changes).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "change-{number}");
        text
    })
}

fn in_bash() {
    keeps_its_checkpoint(&["./feed.sh"], |_| {});
}

fn in_python() {
    keeps_its_checkpoint(&["python3", "feed.py"], |_| {});
}

fn in_csharp() {
    let dotnet = from_pypi("dotnetcore2").expect("the runtime").join("bin/dotnet");
    // A runtime that can be debugged has pipes in /tmp.
    let undisturbed = "COMPlus_EnableDiagnostics=0";
    keeps_its_checkpoint(&["env", undisturbed, dotnet.to_str().expect("a text"), "feed.dll"], |place| {
        let mut compiler = Command::new("mcs");
        compiler.args(["-out:feed.dll", "-target:exe", "feed.cs"]).current_dir(place.path());
        assert!(compiler.status().expect("mcs").success());
    });
}

fn keeps_its_checkpoint(job: &[&str], prepare: impl Fn(&TempDir)) {
    for test in [goes_on_where_it_was_stopped, goes_on_where_it_failed] {
        let place = place();
        prepare(&place);
        test(&place, job);
    }
}

/// How many changes are done, in their order and each once.
fn done(place: &TempDir) -> usize {
    let text = fs::read_to_string(place.file("done")).unwrap_or_default();
    let count = text.lines().count();
    assert_eq!(text, feed(count), "a change was processed twice, or was lost");
    count
}

fn checkpoint(place: &TempDir) -> usize {
    let text = fs::read_to_string(place.file("checkpoint")).expect("a checkpoint");
    text.trim().parse().expect("a number")
}

/// Waits until the job is in the middle of the feed.
fn wait_for_more_than(place: &TempDir, before: usize) {
    let lines = || fs::read_to_string(place.file("done")).map_or(0, |text| text.lines().count());
    eventually("changes are processed", || lines() > before + 2);
}

fn expect_stopped(place: &TempDir, before: usize) -> usize {
    let stopped = checkpoint(place);
    assert_eq!(done(place), stopped, "the checkpoint is what was done");
    assert!(stopped > before && stopped < CHANGES, "stopped in the middle: {before}, {stopped}");
    let record = read_json(place.file("record"));
    assert_eq!((&record["outcome"], &record["exit_status"]), (&"stopped".into(), &75.into()), "{record}");
    stopped
}

/// By Ctrl+C, by SIGTERM, and then to its end.
fn goes_on_where_it_was_stopped(place: &TempDir, job: &[&str]) {
    let options = ["--interrupted-exit", "75", "--record", "record"];
    let by_key = stop_by_key(place, &options, job);
    let winddown = || Winddown::new().directory(place.path()).args(options).command(job);
    let run = winddown().start();
    wait_for_more_than(place, by_key);
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(75).expect_nothing_left();
    let stopped = expect_stopped(place, by_key);
    let told = format!("going on after {by_key}\nstopped after {stopped}\n");
    assert_eq!(ended.out().join("\n") + "\n", told, "{}", ended.dump());
    let ended = winddown().env("PAUSE", "0.01").run().expect_code(0).expect_nothing_left();
    assert_eq!(ended.out(), [format!("going on after {stopped}"), format!("all {CHANGES} done")]);
    assert_eq!((done(place), checkpoint(place)), (CHANGES, CHANGES));
    assert_eq!(read_json(place.file("record"))["outcome"], "completed");
}

fn stop_by_key(place: &TempDir, options: &[&str], job: &[&str]) -> usize {
    let winddown = winddown_path();
    let directory = place.path().to_str().expect("a text");
    let words = ["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", directory];
    let words = words.into_iter().chain([winddown.to_str().expect("a text")]);
    let mut pty = Pty::program(words.chain(options.iter().copied()).chain(["--"]).chain(job.iter().copied()));
    wait_for_more_than(place, 0);
    pty.keys("\x03");
    assert_eq!(pty.wait().code(), Some(75), "{}", pty.screen());
    pty.tag().assert_nothing_left();
    let stopped = expect_stopped(place, 0);
    assert_eq!(pty.count(&format!("stopped after {stopped}")), 1, "{}", pty.screen());
    stopped
}

/// The change in the middle fails once: the next try starts after the delay, with that change.
fn goes_on_where_it_failed(place: &TempDir, job: &[&str]) {
    let delay = Duration::from_millis(700);
    let ended = Winddown::new()
        .directory(place.path())
        .args(["--retry", "3", "--retry-delay", "700ms", "--record", "record"])
        .env("FAILS_ONCE", "change-5")
        .env("PAUSE", "0.01")
        .command(job)
        .run()
        .expect_code(0)
        .expect_nothing_left();
    let going_on: Vec<String> = ended.out().into_iter().filter(|line| line.contains("going on")).collect();
    assert_eq!(going_on, ["going on after 0", "going on after 4"], "{}", ended.dump());
    assert!(ended.duration >= delay, "{}", ended.dump());
    assert_eq!((done(place), checkpoint(place)), (CHANGES, CHANGES));
    assert_eq!(read_json(place.file("record"))["outcome"], "completed");
}
