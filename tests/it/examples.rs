//! The examples in the documents.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::builder::{Winddown, winddown_path};
use crate::support::running::{Ended, Running};
use crate::support::{TempDir, eventually, trials};

trials![
    needs("bash") => a_loop_in_bash_ends_after_its_piece,
    needs("python3") => a_worker_in_python_waits_for_both,
    needs("node") => a_worker_in_node_ends_with_the_token,
    a_worker_in_rust_ends_with_the_token,
    needs("bash") => a_batch_job_leaves_its_checkpoint_and_goes_on,
];

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/token").join(name)
}

/// winddown is in PATH, as it is for users.
fn start(place: &TempDir, options: &[&str], words: &[&str]) -> Running {
    let installed = place.file("winddown");
    if !Path::new(&installed).exists() {
        place.install("winddown", winddown_path());
    }
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").expect("a PATH"));
    Winddown::new()
        .args(["-t", "20s", "--token", &place.file("token")])
        .args(options)
        .env("PATH", path)
        .command(words)
        .start()
}

fn stop(run: Running) -> Ended {
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_nothing_left();
    assert!(ended.duration < Duration::from_secs(15), "{}", ended.dump());
    ended
}

fn a_loop_in_bash_ends_after_its_piece() {
    let place = TempDir::new();
    let run = start(&place, &["-v"], &["bash", example("loop.sh").to_str().expect("a text")]);
    run.wait_err("started bash");
    // Its trap must be set: once `sleep` runs, it is.
    eventually("it works", || run.tag().living().iter().any(|one| one.name == "sleep"));
    let ended = stop(run).expect_code(0);
    assert!(ended.out()[0].ends_with(" pieces, stopped by SIGTERM"), "{}", ended.dump());
}

fn a_worker_in_python_waits_for_both() {
    let place = TempDir::new();
    let run = start(&place, &[], &["python3", example("worker.py").to_str().expect("a text")]);
    run.wait_out("ready");
    let ended = stop(run).expect_code(0);
    assert!(ended.out()[1].starts_with("19.") || ended.out()[1].starts_with("20."), "{}", ended.dump());
    let run =
        start(&place, &["-t", "infinity"], &["python3", example("worker.py").to_str().expect("a text")]);
    run.wait_out("ready");
    assert_eq!(stop(run).expect_code(0).out()[1], "no hurry");
}

fn a_worker_in_node_ends_with_the_token() {
    let place = TempDir::new();
    let run = start(&place, &[], &["node", example("worker.js").to_str().expect("a text")]);
    run.wait_out("ready");
    let ended = stop(run).expect_code(0);
    assert_eq!(ended.count_out("done "), 1, "{}", ended.dump());
}

fn a_worker_in_rust_ends_with_the_token() {
    let program = Path::new(env!("CARGO_BIN_EXE_winddown")).with_file_name("examples").join("token-worker");
    let how = "run `cargo build --example token-worker` (same profile), or `cargo test`";
    assert!(program.exists(), "{} is missing: {how}", program.display());
    let place = TempDir::new();
    // It gets no signal: it can learn of the stop only from the token.
    let program = program.to_str().expect("a text");
    let run = start(&place, &["-s", "WINCH"], &[program]);
    run.wait_out("ready");
    let ended = stop(run).expect_code(0);
    assert_eq!(ended.count_out("reason=SIGTERM"), 1, "{}", ended.dump());
    assert_eq!(ended.count_out("done "), 1, "{}", ended.dump());
}

fn a_batch_job_leaves_its_checkpoint_and_goes_on() {
    let place = TempDir::new();
    let checkpoint = place.file("checkpoint");
    let batch = example("batch.sh");
    let words =
        |pieces| ["bash", batch.to_str().expect("a text"), &checkpoint, pieces].map(ToOwned::to_owned);
    let run = |options: &[&str], pieces| {
        let words = words(pieces);
        start(&place, options, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let first = run(&["--extend-max", "1m"], "100000");
    eventually("it works", || first.tag().living().iter().any(|one| one.name == "sleep"));
    let ended = stop(first).expect_code(75);
    assert_eq!(ended.count_out("granted"), 1, "{}", ended.dump());
    let done: usize =
        std::fs::read_to_string(&checkpoint).expect("a checkpoint").trim().parse().expect("a number");
    let all = (done + 2).to_string();
    let ended = run(&[], &all).wait().expect_code(0);
    assert_eq!(
        ended.out(),
        [format!("going on after {done}"), format!("all {all} done")],
        "{}",
        ended.dump()
    );
    assert!(!Path::new(&checkpoint).exists());
}
