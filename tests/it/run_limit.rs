//! The limit on a whole run: the stop begins early enough for everything to be over by then.

use std::time::Duration;

use snapbox::str;

use crate::limits::milliseconds;
use crate::support::builder::Winddown;
use crate::support::snapshot::expect_without_times;
use crate::support::{TempDir, eventually, read_json, trials};

trials![
    the_run_limit_asks_early_enough,
    stop_after_asks_at_that_moment,
    what_is_asked_for_more_time_comes_on_top_of_stop_after,
    the_run_limit_is_the_end_of_everything,
    a_default_limit_is_at_most_half_of_the_run_limit,
    a_late_stop_ends_by_the_run_limit_too,
    a_run_that_ends_before_its_run_limit_ends_as_it_likes,
];

fn the_run_limit_asks_early_enough() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["--run-limit", "1s", "-t", "400ms", "--record", &record])
        .workload("--on TERM [ --exit 3 ] --print up --serve")
        .start();
    let line = run.wait_err("the run limit ends the run");
    expect_without_times(
        &[line],
        str!["winddown: the run limit ends the run: stopping workload (pid [PID]), SIGKILL in [TIME] (-t)"],
    );
    let ended = run.wait().expect_code(124).expect_nothing_left();
    ended.expect_time(ended.duration, Duration::from_millis(600));
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    let record = read_json(&record);
    assert_eq!(record["stop"]["cause"], "run-limit");
    assert!(milliseconds(&record["stop"]["at_ms"]) >= Duration::from_millis(600), "{record}");
    assert_eq!(record["outcome"], "stopped");
}

fn stop_after_asks_at_that_moment() {
    let place = TempDir::new();
    let record = place.file("record");
    let ended = Winddown::new()
        .args(["--stop-after", "700ms", "--record", &record])
        .workload("--on TERM [ --exit 3 ] --print up --serve")
        .run()
        .expect_code(124)
        .expect_nothing_left();
    assert!(
        ended.dump().contains("its time is up (--stop-after): stopping workload (pid "),
        "{}",
        ended.dump()
    );
    let record = read_json(&record);
    assert_eq!((&record["stop"]["cause"], &record["outcome"]), (&"stop-after".into(), &"stopped".into()));
    ended.expect_time(milliseconds(&record["stop"]["at_ms"]), Duration::from_millis(700));
    // The time limit begins then.
    let run = Winddown::new().args(["--stop-after", "500ms", "-t", "400ms"]);
    let ended = run.workload("--on TERM [ ] --serve").run().expect_code(137).expect_nothing_left();
    ended.expect_time(ended.duration, Duration::from_millis(900));
}

fn what_is_asked_for_more_time_comes_on_top_of_stop_after() {
    let ended = Winddown::new()
        .args(["--stop-after", "500ms", "-t", "300ms", "--extend-max", "600ms", "--notify"])
        .workload("--on TERM [ --tell EXTEND_TIMEOUT_USEC=900000 ] --print up --serve")
        .run()
        .expect_code(137)
        .expect_nothing_left();
    ended.expect_time(ended.duration, Duration::from_millis(1400));
}

fn the_run_limit_is_the_end_of_everything() {
    let ended = Winddown::new()
        .args(["--run-limit", "1s", "-t", "400ms"])
        .workload("--on TERM [ ] --spawn daemon-session d [ --ignore TERM --serve ] --serve")
        .run()
        .expect_code(137)
        .expect_nothing_left();
    ended.expect_time(ended.duration, Duration::from_secs(1));
}

fn a_default_limit_is_at_most_half_of_the_run_limit() {
    for (run_limit, limit) in [("1s", "500"), ("15s", "7500"), ("20s", "10000"), ("1h", "10000")] {
        let ended = Winddown::new()
            .args(["--run-limit", run_limit])
            .workload("--say env:SHUTDOWN_LIMIT_MS")
            .run()
            .expect_code(0);
        assert_eq!(ended.fact("env:SHUTDOWN_LIMIT_MS"), limit);
    }
}

fn a_late_stop_ends_by_the_run_limit_too() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["--no-guard", "--run-limit", "3s", "-t", "2s", "--record", &record])
        .workload("--on TERM [ ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGSTOP);
    eventually("the stop is overdue", || run.started().elapsed() > Duration::from_secs(2));
    run.signal(libc::SIGCONT);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    let record = read_json(&record);
    let [stop, deadline] = ["at_ms", "deadline_ms"].map(|name| milliseconds(&record["stop"][name]));
    assert!(stop > Duration::from_millis(1100), "{record}");
    assert_eq!(deadline.max(stop), stop.max(Duration::from_secs(3)), "{record}");
    ended.expect_time(ended.duration, Duration::from_secs(3));
}

fn a_run_that_ends_before_its_run_limit_ends_as_it_likes() {
    let options = ["--run-limit", "20s"];
    Winddown::new().args(options).workload("--exit 7").run().expect_code(7);
    let run = Winddown::new().args(options).workload("--on TERM [ --exit 8 ] --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(8);
}
