//! `winddown token`: what it prints, and its exit status.

use snapbox::file;

use crate::support::builder::{Winddown, winddown_path};
use crate::support::running::Ended;
use crate::support::snapshot::{Transcript, expect_page};
use crate::support::{TempDir, eventually, processes, read_json, trials};

trials![
    it_says_whether_a_stop_is_asked,
    it_prints_what_is_left_of_a_run_limit,
    the_file_may_be_behind_the_descriptor,
    outside_it_says_so,
    what_is_no_token_is_refused,
    wrong_words_are_refused,
    help_is_printed,
    it_waits_for_the_stop,
    needs("python3") => it_waits_without_the_descriptor_too,
    more_time_is_granted_within_the_maximum,
    more_time_is_refused,
    more_time_is_not_granted_beyond_the_run_limit,
    a_command_named_token_can_be_run,
];

/// Runs this script, in which `$W` is winddown, with these options and a token.
fn script(options: &[&str], script: &str) -> (TempDir, Winddown) {
    let place = TempDir::new();
    let file = place.file("token");
    let winddown = Winddown::new().args(["--token", &file]).args(options);
    (place, winddown.env("W", winddown_path()).command(["sh", "-c", script]))
}

fn stopped(options: &[&str], text: &str) -> (Ended, String) {
    let (place, winddown) = script(options, text);
    let record = place.file("record");
    let run = winddown.env("WINDDOWN_RECORD", &record).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_nothing_left();
    let record = std::fs::read_to_string(record).expect("a record");
    (ended, record)
}

/// Prints `up` and waits for TERM, then runs `then`. Without a background process: one that is just being
/// forked loses a signal for which its shell has a trap.
fn on_term(then: &str) -> String {
    format!("trap '{then}; exit 0' TERM; echo up; while :; do sleep 0.02; done")
}

fn it_says_whether_a_stop_is_asked() {
    let (_place, winddown) = script(&[], "$W token; echo \"status $?\"");
    let ended = winddown.run().expect_code(0);
    assert_eq!(ended.out(), ["infinity", "status 0"], "{}", ended.dump());
    assert_eq!(ended.err().len(), 0, "{}", ended.dump());
    let (ended, _) = stopped(&["-t", "20s"], &on_term("$W token; echo \"status $?\""));
    let out = ended.out();
    assert!(out[1].starts_with("19.") || out[1] == "20s", "{out:?}");
    assert_eq!(out[2], "status 1");
    let (ended, _) = stopped(&["-t", "infinity"], &on_term("$W token; echo \"status $?\""));
    assert_eq!(ended.out()[1..], ["infinity", "status 1"], "{}", ended.dump());
}

fn it_prints_what_is_left_of_a_run_limit() {
    let (_place, winddown) = script(&["--run-limit", "50s"], "$W token; echo \"status $?\"");
    let ended = winddown.run().expect_code(0);
    let out = ended.out();
    assert!(out[0].starts_with("49.") || out[0] == "50s", "{out:?}");
    assert_eq!(out[1], "status 0");
}

fn the_file_may_be_behind_the_descriptor() {
    let place = TempDir::new();
    let file = place.file("token");
    let (stop, writer) = std::io::pipe().expect("a pipe");
    drop(writer);
    let number = std::os::fd::AsRawFd::as_raw_fd(&stop).to_string();
    let run = Winddown::bare()
        .inherits(stop.into())
        .env("SHUTDOWN_TOKEN", &file)
        .env("SHUTDOWN_FD", number)
        .command([winddown_path().as_os_str(), "token".as_ref()])
        .start();
    // It polls until the file is there.
    eventually("it sleeps", || processes::state(run.pid()) == Some('S'));
    place.write("token", "reason=SIGTERM\ndeadline_ms=infinity\ndeadline_monotonic_ms=infinity\n");
    assert_eq!(run.wait().expect_code(1).out(), ["infinity"]);
}

/// Runs the command outside of any run.
fn alone(words: &[&str]) -> Ended {
    let words = [winddown_path().into_os_string()].into_iter().chain(words.iter().map(Into::into));
    let names = ["SHUTDOWN_TOKEN", "SHUTDOWN_FD", "SHUTDOWN_SOCKET"];
    names.iter().fold(Winddown::bare(), |run, name| run.env_remove(name)).command(words).run()
}

/// One error line each.
#[track_caller]
fn all_refused(command_lines: &[&[&str]]) -> Transcript {
    let mut transcript = Transcript::default();
    for words in command_lines {
        let ended = alone(words).expect_code(125);
        assert_eq!((ended.out().len(), ended.err().len()), (0, 1), "{}", ended.dump());
        transcript.add(["winddown"].iter().chain(*words), &ended);
    }
    transcript
}

fn outside_it_says_so() {
    let transcript = all_refused(&[&["token"], &["token", "--wait"], &["token", "--extend", "5s"]]);
    transcript.expect(file!["snapshots/token/outside.txt"]);
}

fn wrong_words_are_refused() {
    let transcript = all_refused(&[
        &["token", "nonsense"],
        &["token", "--wait", "--extend", "5s"],
        &["token", "--extend"],
        &["token", "--extend", "0"],
        &["token", "--extend", "-5"],
        &["token", "-v"],
    ]);
    transcript.expect(file!["snapshots/token/usage_errors.txt"]);
}

fn help_is_printed() {
    let ended = alone(&["token", "--help"]).expect_code(0);
    assert_eq!(ended.err().len(), 0);
    expect_page(&String::from_utf8_lossy(&ended.out_bytes()), file!["snapshots/token/help.txt"]);
}

fn it_waits_for_the_stop() {
    let text = "trap '' TERM; (echo up; exec $W token --wait); echo \"status $?\"";
    let (ended, _) = stopped(&["-t", "20s"], text);
    assert_eq!(ended.out(), ["up", "status 0"], "{}", ended.dump());
    assert!(ended.duration < std::time::Duration::from_secs(15), "{}", ended.dump());
    assert_eq!(ended.code(), Some(0));
}

fn it_waits_without_the_descriptor_too() {
    // As Python's `subprocess` does: the child gets the number, but the descriptor is closed.
    let place = TempDir::new();
    let program = place.write(
        "waits.py",
        "import os, signal, subprocess\n\
         signal.signal(signal.SIGTERM, lambda *_: None)\n\
         print('up', flush=True)\n\
         done = subprocess.run([os.environ['W'], 'token', '--wait'])\n\
         print('status', done.returncode, os.path.exists(os.environ['SHUTDOWN_TOKEN']), flush=True)\n",
    );
    let run = Winddown::new()
        .args(["--token", &place.file("token"), "-t", "20s"])
        .env("W", winddown_path())
        .command(["python3", &program])
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(0).expect_nothing_left();
    assert_eq!(ended.count_out("status 0 True"), 1, "{}", ended.dump());
}

fn more_time_is_granted_within_the_maximum() {
    let options = ["-t", "1s", "--extend-max", "2s"];
    // The second request adds nothing: this much was already granted.
    let text =
        on_term("$W token --extend 2s; echo \"status $?\"; $W token --extend 1s; echo \"status $?\"; exit 7");
    let (ended, _) = stopped(&options, &text);
    assert_eq!(ended.out()[1..], ["granted", "status 0", "granted", "status 0"], "{}", ended.dump());
    assert_eq!(ended.code(), Some(7));
    let found: Vec<_> =
        ended.err().into_iter().filter(|line| line.contains(", asked by winddown (pid ")).collect();
    assert_eq!(found.len(), 1, "{}", ended.dump());
}

fn more_time_is_refused() {
    let ask = "$W token --extend 1s; echo \"status $?\"";
    // There is no stop request yet.
    let (_place, winddown) = script(&["--extend-max", "9s"], ask);
    let ended = winddown.run().expect_code(0);
    assert_eq!(ended.out(), ["refused", "status 1"], "{}", ended.dump());
    let refused = |options: &[&str], ask: &str| {
        let (ended, _) = stopped(options, &on_term(&format!("{ask}; exit 0")));
        let out = ended.out();
        assert!(out[1].starts_with("refused"), "{}", ended.dump());
        assert_eq!(out[2], "status 1");
    };
    refused(&["-t", "9s"], "$W token --extend 20s; echo \"status $?\"");
    refused(&["-t", "5s", "--extend-max", "2s"], "$W token --extend 20s; echo \"status $?\"");
    // The answer says how much may be requested.
    let ask = on_term("$W token --extend 1m; $W token --extend 20s; exit 0");
    let (ended, _) = stopped(&["-t", "20s", "--extend-max", "2s"], &ask);
    assert!(ended.out()[1].starts_with("refused: at most 2"), "{}", ended.dump());
    assert_eq!(ended.out()[2], "granted", "{}", ended.dump());
}

fn more_time_is_not_granted_beyond_the_run_limit() {
    let (place, winddown) = script(&["--run-limit", "30s", "-t", "20s", "--extend-max", "10m"], "");
    let record = place.file("record");
    let text = on_term("$W token --extend 1m; $W token --extend 25s; exit 0");
    let run = winddown.args(["--record", &record]).command(["sh", "-c", &text]).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(0);
    let out = ended.out();
    assert!(out[1].starts_with("refused: at most 2"), "{}", ended.dump());
    assert_eq!((out[0].as_str(), out[2].as_str()), ("up", "granted"), "{}", ended.dump());
    assert!(read_json(&record)["stop"]["deadline_ms"].is_number());
}

fn a_command_named_token_can_be_run() {
    let place = TempDir::new();
    place.executable("token", "#!/bin/sh\necho mine\n");
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").expect("a PATH"));
    let ended = Winddown::new().env("PATH", &path).command(["token"]).run().expect_code(0);
    assert_eq!(ended.out(), ["mine"]);
}

fn what_is_no_token_is_refused() {
    let place = TempDir::new();
    place.write("garbage", "no token\n");
    let mut transcript = Transcript::default();
    for file in [place.file("garbage"), place.path().display().to_string()] {
        let ended = Winddown::new().args(["token"]).env("SHUTDOWN_TOKEN", &file).run().expect_code(125);
        transcript.add([&format!("SHUTDOWN_TOKEN={file}"), "winddown", "token"], &ended);
    }
    transcript.expect(file!["snapshots/token/no_token.txt"]);
}
