//! More time for a stop: the deadline moves once, to the granted time, and SIGKILL comes then.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::lateness::expect_soon;
use crate::support::processes::children;
use crate::support::{TempDir, eventually, holds_within, read_json, trials};

trials![
    sigkill_comes_at_the_moved_deadline,
    a_deadline_never_comes_earlier,
    all_extensions_together_are_capped,
    the_time_goes_to_the_current_step,
    who_asked_is_reported,
    before_a_stop_nothing_is_granted,
    nothing_is_granted_without_a_maximum,
    nothing_is_granted_beyond_the_run_limit,
    needs("sh") => the_command_moves_the_deadline_as_well,
    once_winddown_was_killed_nothing_is_granted,
    asking_for_nothing_more_costs_nothing,
    refusals_do_not_fill_the_log,
    the_token_has_the_last_of_many_extensions,
];

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Asks a workload that answers with these actions and lives on; returns the time from the request to the end.
#[track_caller]
fn killed_after(winddown: Winddown, options: &[&str], answer: &str, least: Duration) -> Vec<String> {
    let run = winddown
        .args(["--notify"])
        .args(options)
        .workload(&format!("--on TERM [ {answer} ] --on QUIT [ --say now ] --print up --serve"))
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(asked, least);
    ended.err()
}

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

fn sigkill_comes_at_the_moved_deadline() {
    guarded_or_not(|winddown| {
        let options = ["-t", "1s", "--extend-max", "5s"];
        let err = killed_after(winddown, &options, "--tell EXTEND_TIMEOUT_USEC=1500000", milliseconds(1500));
        assert_eq!(count(&err, "extended by "), 1, "{err:#?}");
    });
}

fn a_deadline_never_comes_earlier() {
    let options = ["-t", "1500ms", "--extend-max", "5s"];
    let answer = "--tell EXTEND_TIMEOUT_USEC=1000 --tell EXTEND_TIMEOUT_USEC=0 --tell EXTEND_TIMEOUT_USEC=-1";
    let err = killed_after(Winddown::new(), &options, answer, milliseconds(1500));
    assert_eq!(count(&err, "extended by ") + count(&err, "not granted"), 0, "{err:#?}");
}

fn all_extensions_together_are_capped() {
    let options = ["-t", "2s", "--extend-max", "2s"];
    // Within the maximum, beyond it, and when nothing is left of it.
    let answer = "--tell EXTEND_TIMEOUT_USEC=2500000 --sleep 300 --tell EXTEND_TIMEOUT_USEC=10000000 \
         --tell EXTEND_TIMEOUT_USEC=5000000";
    let run = Winddown::new()
        .args(["--notify"])
        .args(options)
        .workload(&format!("--on TERM [ {answer} ] --print up --serve"))
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(asked, milliseconds(4000));
    assert_eq!(count(&ended.err(), "not granted"), 1, "{}", ended.dump());
    assert_eq!(count(&ended.err(), "extended by "), 2, "{}", ended.dump());
    assert_eq!(count(&ended.err(), " at the latest"), 1, "{}", ended.dump());
}

fn the_time_goes_to_the_current_step() {
    let place = TempDir::new();
    let record = place.file("record");
    let options =
        ["--stop", "TERM 2s, QUIT 500ms", "-t", "2500ms", "--extend-max", "5s", "--record", &record];
    killed_after(Winddown::new(), &options, "--tell EXTEND_TIMEOUT_USEC=4000000", milliseconds(4000));
    let record = read_json(&record);
    let sent = record["signals"].as_array().expect("signals").iter();
    let at = |name: &str| {
        let one = sent.clone().find(|one| one["signal"] == name);
        one.unwrap_or_else(|| panic!("no {name} in {record}"))["at_ms"].as_f64().expect("a time")
    };
    let (asked, quit, killed) = (at("TERM"), at("QUIT"), at("KILL"));
    // The second one keeps its share.
    assert!(quit - asked >= 3490.0, "{record}");
    assert!(killed - quit < 1500.0, "{record}");
}

fn who_asked_is_reported() {
    let run = Winddown::new()
        .args(["--notify", "-t", "9s", "--extend-max", "1m"])
        .workload(
            "--spawn child asker [ --on TERM [ ] --on USR1 [ --tell EXTEND_TIMEOUT_USEC=20000000 --sleep 300 --exit 0 ] --serve ] \
             --on TERM [ --kill asker USR1 --wait asker --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    let asker = run.number("asker pid");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3);
    let expected = format!(", asked by asker (pid {asker}); SIGKILL in ");
    assert_eq!(count(&ended.err(), &expected), 1, "{}", ended.dump());
}

fn before_a_stop_nothing_is_granted() {
    let run = Winddown::new()
        .args(["--notify", "-t", "400ms", "--extend-max", "1m"])
        .workload("--tell EXTEND_TIMEOUT_USEC=30000000 --barrier --on TERM [ ] --print up --serve")
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137);
    ended.expect_at(asked, milliseconds(400));
}

fn nothing_is_granted_without_a_maximum() {
    let answer = "--tell EXTEND_TIMEOUT_USEC=30000000";
    let err = killed_after(Winddown::new(), &["-t", "2s"], answer, milliseconds(2000));
    assert_eq!(count(&err, "asked for 30s: not granted (--extend-max)"), 1, "{err:#?}");
}

fn nothing_is_granted_beyond_the_run_limit() {
    let options = ["--run-limit", "4s", "-t", "2s", "--extend-max", "1m"];
    let run = Winddown::new()
        .args(["--notify"])
        .args(options)
        .workload("--on TERM [ --tell EXTEND_TIMEOUT_USEC=5000000 ] --print up --serve")
        .start();
    run.wait_out("up");
    let ended = run.wait().expect_code(137);
    ended.expect_time(ended.duration, Duration::from_secs(4));
    assert_eq!(count(&ended.err(), "not granted"), 1, "{}", ended.dump());
}

fn the_command_moves_the_deadline_as_well() {
    let place = TempDir::new();
    let run = Winddown::new()
        .args(["--token", &place.file("token"), "-t", "3s", "--extend-max", "10s"])
        .env("W", crate::support::builder::winddown_path())
        .command(["sh", "-c", "trap '$W token --extend 5s' TERM; echo up; while :; do sleep 0.05; done"])
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(asked, Duration::from_secs(5));
    assert_eq!(count(&ended.err(), ", asked by winddown (pid "), 1, "{}", ended.dump());
    let found = std::fs::read_to_string(place.file("token")).expect("a token");
    // The line has the moved deadline.
    let at: u128 =
        found.lines().find_map(|line| line.strip_prefix("deadline_monotonic_ms=")).unwrap().parse().unwrap();
    let now = crate::token::monotonic_ms();
    let since_the_request = ended.since(asked) + ended.end.elapsed();
    assert!(at + since_the_request.as_millis() + 2 >= now + 5000, "{found} at {now}");
}

fn once_winddown_was_killed_nothing_is_granted() {
    let answer = "--on TERM [ --tell EXTEND_TIMEOUT_USEC=30000000 ] --print up --serve";
    for outer in [true, false] {
        let run =
            Winddown::new().args(["--notify", "--extend-max", "1m", "-t", "20s"]).workload(answer).start();
        run.wait_out("up");
        let pid = if outer { run.pid() } else { children(run.pid())[0].pid };
        let killed = run.tag().signal(pid, libc::SIGKILL);
        expect_soon("no process is left", killed, milliseconds(500), || run.tag().living().is_empty());
        // The main process dies with the process that started it.
        assert!(!outer || killed.elapsed() >= milliseconds(500), "{:#?}", run.err());
    }
}

fn asking_for_nothing_more_costs_nothing() {
    let place = TempDir::new();
    let file = place.file("token");
    let run = Winddown::new()
        .args(["--notify", "--token", &file, "-t", "20s", "--extend-max", "5s"])
        .workload("--on TERM [ --print asked ] --on USR1 [ --tell-times 50 EXTEND_TIMEOUT_USEC=1000 --barrier ] --on QUIT [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait_out("asked");
    let written = || std::fs::metadata(&file).map(|file| (file.ino(), file.mtime(), file.mtime_nsec())).ok();
    eventually("the token is written", || written().is_some());
    let before = written();
    run.signal(libc::SIGUSR1);
    run.wait_out("barrier over");
    // Long enough to write the file again.
    assert!(!holds_within(milliseconds(300), || written() != before), "the token was written again");
    run.signal(libc::SIGQUIT);
    run.wait().expect_code(3).expect_nothing_left();
}

fn refusals_do_not_fill_the_log() {
    let place = TempDir::new();
    let record = place.file("record");
    let answer = "--tell-times 50 EXTEND_TIMEOUT_USEC=9000000";
    let options = ["-t", "1s", "--record", &record];
    let err = killed_after(Winddown::new(), &options, answer, milliseconds(1000));
    assert_eq!(count(&err, "not granted"), 10, "{err:#?}");
    assert_eq!(read_json(&record)["left_out"]["extensions"], 40, "{err:#?}");
}

fn the_token_has_the_last_of_many_extensions() {
    let place = TempDir::new();
    let file = place.file("token");
    let many: Vec<String> =
        (2..30).map(|seconds| format!("--tell EXTEND_TIMEOUT_USEC={seconds}000000")).collect();
    let many = many.join(" ");
    let run = Winddown::new()
        .args(["--notify", "--token", &file, "-t", "1s", "--extend-max", "1m"])
        .workload(&format!("--on TERM [ {many} --barrier ] --on QUIT [ --exit 3 ] --print up --serve"))
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait_out("barrier over");
    let left = || {
        let found = std::fs::read_to_string(&file).ok()?;
        let at = found.lines().find_map(|line| line.strip_prefix("deadline_monotonic_ms="))?;
        at.parse::<u128>().ok()?.checked_sub(crate::token::monotonic_ms())
    };
    eventually("the last extension is in the token", || left().is_some_and(|left| left > 20_000));
    run.signal(libc::SIGQUIT);
    run.wait().expect_code(3).expect_nothing_left();
}
