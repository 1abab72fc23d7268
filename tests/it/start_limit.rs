//! The start limit: a workload that is not ready in time is stopped, and the log says what it did instead.

use std::time::Duration;

use serde_json::{Value, json};

use crate::guard::inner;
use crate::ready::{free_place, server};
use crate::record_schema::check;
use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::manager::Manager;
use crate::support::running::Ended;
use crate::support::{TempDir, holds_within, read_json, trials};

trials![
    needs("python3") => a_server_at_another_address_is_seen_there,
    a_server_that_never_listens_is_stopped_with_its_own_status,
    one_that_does_not_end_is_killed_at_the_limit_of_the_stop,
    what_it_does_is_logged_before_the_stop,
    whoever_is_ready_in_time_goes_on,
    a_stop_request_during_the_start_is_honoured_at_once,
    whoever_ends_before_is_judged_by_its_status,
    the_workload_moves_the_end_of_its_start,
    all_moves_of_a_start_are_capped_and_the_stop_has_its_own,
    the_hook_after_the_end_learns_of_it,
    whichever_process_is_killed_nothing_is_left,
    a_start_that_failed_is_retried,
    whoever_is_ready_at_the_next_try_has_not_failed,
    needs("root", "pid-namespace") => pid_1_does_the_same,
    the_json_log_has_the_parts,
];

const fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A record of a start that failed, valid by the schema.
#[track_caller]
fn failed(file: &str) -> Value {
    let record = read_json(file);
    check(&record);
    assert_eq!(record["outcome"], "not-started", "{record:#}");
    assert_eq!(record["stop"]["cause"], "start-limit");
    assert!(record["main"]["pid"].is_number(), "{record:#}");
    let phases: Vec<&str> =
        record["phases"].as_array().expect("a list").iter().filter_map(|one| one["phase"].as_str()).collect();
    assert!(!phases.contains(&"running"), "{phases:?}");
    record
}

/// Where a line with this part is.
#[track_caller]
fn place(lines: &[String], part: &str) -> usize {
    lines.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part:?} in {lines:#?}"))
}

/// How a run with `--ready file:/never` ends, and its record.
fn never_ready(winddown: Winddown, options: &[&str], workload: &str) -> (Ended, Value) {
    let folder = TempDir::new();
    let record = folder.file("record");
    let run = winddown
        .args(["--ready", "file:/never", "--start-limit", "400ms", "--record", &record])
        .args(options)
        .workload(&format!("{workload} --print up --serve"))
        .run();
    let record = failed(&record);
    assert_eq!(run.count_out("up"), 1, "too slow a machine");
    (run.expect_nothing_left(), record)
}

fn a_server_at_another_address_is_seen_there() {
    guarded_or_not(|winddown| {
        let (folder, at, asked) = (TempDir::new(), free_place(), free_place());
        let record = folder.file("record");
        let ready = format!("tcp:{asked}");
        let args = ["--ready", &ready, "--start-limit", "3s", "--record", &record];
        let ended = server(winddown.args(args), "tcp", &at).run();
        assert_eq!(ended.count_out("listens"), 1, "too slow a machine");
        let expected =
            format!("is not ready within 3s (--start-limit): listens on {at}, you asked for {ready} (");
        assert!(ended.dump().contains(&expected), "{}", ended.dump());
        failed(&record);
        let told = Winddown::new().args(["report", &record]).run();
        assert!(told.out().iter().any(|line| line.starts_with("not started: ") && line.contains(&expected)));
        ended.expect_signal(libc::SIGTERM).expect_nothing_left();
    });
}

fn a_server_that_never_listens_is_stopped_with_its_own_status() {
    let remap = ["--remap-exit", "3=0"];
    for (options, status, expected) in [([].as_slice(), 3, 3), (&[], 0, 124), (&remap, 3, 124)] {
        let folder = TempDir::new();
        let record = folder.file("record");
        let ended = Winddown::new()
            .args(["--ready", "auto", "--start-limit", "400ms", "--record", &record])
            .args(options)
            .workload(&format!("--on TERM [ --exit {status} ] --print up --serve"))
            .run();
        let expected_line = "listens nowhere, you asked for a socket that accepts, or READY=1";
        assert!(ended.dump().contains(expected_line), "{}", ended.dump());
        let record = failed(&record);
        assert_eq!((&record["exit"], &record["exit_status"]), (&json!({ "code": status }), &json!(expected)));
        ended.expect_code(expected).expect_nothing_left();
    }
}

fn one_that_does_not_end_is_killed_at_the_limit_of_the_stop() {
    guarded_or_not(|winddown| {
        let worker = "--ignore TERM --spawn session w [ --ignore TERM --serve ]";
        let (ended, record) = never_ready(winddown, &["-t", "300ms"], worker);
        assert_eq!(record["killed"].as_array().map(Vec::len), Some(2), "{record:#}");
        assert!(ended.dump().contains("killed in "), "{}", ended.dump());
        ended.expect_code(137);
    });
    // Without any time for the stop.
    let (ended, _) = never_ready(Winddown::new(), &["-t", "0"], "--ignore TERM");
    ended.expect_code(137);
    // What is left is killed, and the main process's own status counts.
    let worker = "--spawn session w [ --ignore TERM --serve ] --on TERM [ --exit 0 ]";
    let (ended, _) = never_ready(Winddown::new(), &["-t", "300ms"], worker);
    ended.expect_code(124);
}

fn what_it_does_is_logged_before_the_stop() {
    let (ended, record) = never_ready(Winddown::new(), &[], "--on TERM [ --exit 0 ]");
    let lines = ended.err();
    let why = place(&lines, "is not ready within 400ms (--start-limit): listens nowhere");
    assert!(lines[why].contains("you asked for the file /never"), "{lines:#?}");
    let doing = place(&lines, " of CPU");
    assert!(lines[doing].starts_with("winddown:   workload (pid "), "{lines:#?}");
    let stop = place(&lines, "the start has failed (--start-limit): stopping workload (pid ");
    assert!(why < doing && doing < stop, "{lines:#?}");
    assert_eq!(record["looks"][0]["moment"], "start");
    assert!(record["looks"][0]["at_ms"].as_f64() >= Some(400.0), "{record:#}");
    // It is an error, so -q keeps it.
    let (ended, _) = never_ready(Winddown::new(), &["-q"], "--on TERM [ --exit 0 ]");
    assert!(ended.err()[0].contains("is not ready within"), "{}", ended.dump());
}

fn whoever_is_ready_in_time_goes_on() {
    let mut run = Winddown::new()
        .args(["-v", "--ready", "cmd:true", "--start-limit", "1s"])
        .workload("--print up --serve")
        .start();
    run.wait_err("is ready after");
    assert!(!holds_within(milliseconds(1500), || !run.is_running()), "{:?}", run.err());
    run.signal(libc::SIGTERM);
    run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
}

fn a_stop_request_during_the_start_is_honoured_at_once() {
    guarded_or_not(|winddown| {
        let folder = TempDir::new();
        let record = folder.file("record");
        let run = winddown
            .args(["--ready", "file:/never", "--start-limit", "1m", "--record", &record])
            .workload("--on TERM [ --exit 0 ] --print up --serve")
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(0).expect_nothing_left();
        assert!(!ended.dump().contains("--start-limit"), "{}", ended.dump());
        let record = read_json(&record);
        assert_eq!((&record["outcome"], &record["stop"]["cause"]), (&json!("stopped"), &json!("signal")));
    });
}

fn whoever_ends_before_is_judged_by_its_status() {
    for (status, outcome) in [(0, "completed"), (7, "failed")] {
        let folder = TempDir::new();
        let record = folder.file("record");
        let run = Winddown::new()
            .args(["--ready", "file:/never", "--start-limit", "1m", "--record", &record])
            .workload(&format!("--exit {status}"))
            .run();
        run.expect_code(status).expect_nothing_left();
        let record = read_json(&record);
        check(&record);
        assert_eq!((&record["outcome"], &record["stop"]), (&json!(outcome), &Value::Null));
    }
}

fn the_workload_moves_the_end_of_its_start() {
    guarded_or_not(|winddown| {
        let (manager, folder) = (Manager::new(), TempDir::new());
        let record = folder.file("record");
        let ended = winddown
            .env("NOTIFY_SOCKET", manager.name())
            .args(["--ready", "notify", "--start-limit", "800ms", "--extend-max", "1m", "--record", &record])
            .workload("--tell EXTEND_TIMEOUT_USEC=1500000 --on TERM [ --exit 0 ] --print up --serve")
            .run()
            .expect_code(124)
            .expect_nothing_left();
        assert!(ended.dump().contains("start limit extended by "), "{}", ended.dump());
        assert!(ended.dump().contains("you asked for READY=1"), "{}", ended.dump());
        manager.until("EXTEND_TIMEOUT_USEC=1500000");
        let record = failed(&record);
        let asked = record["extensions"][0]["at_ms"].as_f64().expect("a time");
        let stopped = record["stop"]["at_ms"].as_f64().expect("a time");
        ended.expect_time(Duration::from_secs_f64((stopped - asked) / 1000.0), milliseconds(1500));
    });
}

fn all_moves_of_a_start_are_capped_and_the_stop_has_its_own() {
    let folder = TempDir::new();
    let record = folder.file("record");
    let more = "--tell EXTEND_TIMEOUT_USEC=60000000";
    let ended = Winddown::new()
        .args(["--ready", "notify", "--start-limit", "600ms", "--extend-max", "700ms", "-t", "300ms"])
        .args(["--record", &record])
        .workload(&format!("{more} {more} --on TERM [ {more} ] --print up --serve"))
        .run()
        .expect_code(137)
        .expect_nothing_left();
    let told = ended.dump();
    assert_eq!(told.matches("start limit extended by 700ms").count(), 1, "{told}");
    assert_eq!(told.matches("winddown: extended by 700ms").count(), 1, "{told}");
    assert!(told.contains("is not ready within 1.3s (--start-limit)"), "{told}");
    let record = failed(&record);
    let granted: Vec<&Value> =
        record["extensions"].as_array().expect("a list").iter().map(|one| &one["granted"]).collect();
    assert_eq!(granted, [&json!(true), &json!(false), &json!(true)], "{record:#}");
    let [asked, killed] =
        [&record["stop"], &record["phases"][2]].map(|one| one["at_ms"].as_f64().expect("a time"));
    ended.expect_time(Duration::from_secs_f64((killed - asked) / 1000.0), milliseconds(1000));
}

fn the_hook_after_the_end_learns_of_it() {
    let hook = "sh -c 'echo outcome $SHUTDOWN_OUTCOME $SHUTDOWN_EXIT_STATUS'";
    let (ended, _) = never_ready(Winddown::new(), &["--post-stop", hook], "--on TERM [ --exit 0 ]");
    assert!(ended.dump().contains("outcome not-started 124"), "{}", ended.dump());
}

fn whichever_process_is_killed_nothing_is_left() {
    for kills_outer in [true, false] {
        let folder = TempDir::new();
        let record = folder.file("record");
        let run = Winddown::new()
            .args(["--ready", "file:/never", "--start-limit", "1m", "--record", &record])
            .workload("--spawn session w [ --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        let pid = if kills_outer { run.pid() } else { inner(run.pid()) };
        run.tag().signal(pid, libc::SIGKILL);
        run.wait().expect_nothing_left();
        assert_ne!(read_json(&record)["outcome"], "not-started");
    }
}

fn a_start_that_failed_is_retried() {
    guarded_or_not(|winddown| {
        let folder = TempDir::new();
        let record = folder.file("record");
        let ended = winddown
            .args(["--retry", "2", "--retry-delay", "100ms", "--record", &record])
            .args(["--ready", "tcp:127.0.0.1:1", "--start-limit", "300ms"])
            .command(["sleep", "30"])
            .run();
        for attempt in 1..=3 {
            let line = format!("try {attempt}: sleep (pid ");
            let is_it = |text: &&String| text.contains(&line) && text.contains(" is not ready within 300ms ");
            assert_eq!(ended.err().iter().filter(is_it).count(), 1, "{}", ended.dump());
        }
        assert!(ended.dump().contains("no further try: --retry 2 is used up"), "{}", ended.dump());
        let record = read_json(&record);
        assert_eq!((&record["outcome"], &record["tries_total"]), (&json!("not-started"), &json!(3)));
        check(&record);
        ended.expect_signal(libc::SIGTERM).expect_nothing_left();
    });
}

fn whoever_is_ready_at_the_next_try_has_not_failed() {
    let folder = TempDir::new();
    let record = folder.file("record");
    let (up, ready) = (folder.file("up"), folder.file("ready"));
    let script = format!(
        "[ $SHUTDOWN_ATTEMPT = 1 ] && exec sleep 30; echo > {up}; while [ ! -e {ready} ]; do sleep 0.05; done"
    );
    let ended = Winddown::new()
        .args(["--retry", "2", "--retry-delay", "100ms", "--record", &record, "--ready-file", &ready])
        .args(["--ready", &format!("file:{up}"), "--start-limit", "1s"])
        .command(["sh", "-c", &script])
        .run();
    let record = read_json(&record);
    assert_eq!((&record["outcome"], &record["stop"]), (&json!("completed"), &Value::Null));
    check(&record);
    let is_late = |line: &&String| line.contains("is not ready within");
    assert_eq!(ended.err().iter().filter(is_late).count(), 1, "{}", ended.dump());
    ended.expect_code(0).expect_nothing_left();
}

fn pid_1_does_the_same() {
    let (ended, record) = never_ready(Winddown::new().pid_1(), &[], "");
    assert_eq!(record["exit"], json!({ "signal": "TERM" }));
    ended.expect_code(143);
}

fn the_json_log_has_the_parts() {
    let (ended, _) = never_ready(Winddown::new(), &["--log-format", "json"], "--on TERM [ --exit 0 ]");
    let lines: Vec<Value> = ended.err().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = lines.iter().find(|line| line["event"] == "not-ready").expect("a line");
    assert_eq!((&line["level"], &line["within_ms"]), (&json!("error"), &json!(400.0)));
    assert_eq!((&line["listens_on"], &line["missing"]), (&json!([]), &json!("the file /never")));
    assert!(line["process"]["pid"].is_number(), "{line}");
}
