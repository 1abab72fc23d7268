//! `--watchdog DURATION`: a workload that falls silent is stopped.

use std::time::{Duration, Instant};

use crate::record_schema;
use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::processes::children;
use crate::support::running::Ended;
use crate::support::{TempDir, eventually, read_json, trials};

trials![
    the_workload_knows_it,
    an_inherited_one_that_is_shorter_counts,
    a_silent_workload_is_stopped,
    a_silent_workload_keeps_its_own_status,
    a_silent_workload_that_dies_of_the_signal_has_failed,
    a_workload_that_says_that_it_is_alive_is_left_alone,
    a_workload_that_says_it_ails_is_stopped_at_once,
    it_begins_with_the_first_message,
    that_it_waits_is_reported_in_detail,
    a_silent_workload_that_does_not_end_is_killed,
    a_winddown_that_was_stopped_has_heard_nobody,
];

/// Expects the reports of a run that was stopped for its silence.
#[track_caller]
fn expect_silent(ended: &Ended, record: &str) {
    let record = read_json(record);
    assert_eq!(
        (record["outcome"].as_str(), record["stop"]["cause"].as_str()),
        (Some("failed"), Some("silent")),
        "{record}"
    );
    assert!(ended.err().iter().any(|line| line.contains("--watchdog")), "{}", ended.dump());
    assert_eq!(record_schema::errors(&record), Vec::<String>::new(), "{record}");
}

fn the_workload_knows_it() {
    guarded_or_not(|winddown| {
        let ended = winddown
            .args(["--watchdog", "1500ms"])
            .workload("--say pid,env:WATCHDOG_USEC,env:WATCHDOG_PID,env:NOTIFY_SOCKET")
            .run();
        assert_eq!(ended.fact("env:WATCHDOG_USEC"), "1500000");
        assert_eq!(ended.fact("env:WATCHDOG_PID"), ended.fact("pid"));
        assert!(ended.fact("env:NOTIFY_SOCKET").starts_with('@'));
    });
}

fn an_inherited_one_that_is_shorter_counts() {
    for (inherited, least) in
        [("1000000", "1000000"), ("9000000", "5000000"), ("0", "5000000"), ("x", "5000000")]
    {
        let ended = Winddown::new()
            .args(["--watchdog", "5s"])
            .env("WATCHDOG_USEC", inherited)
            .workload("--say env:WATCHDOG_USEC")
            .run();
        assert_eq!(ended.fact("env:WATCHDOG_USEC"), least);
    }
}

fn a_silent_workload_is_stopped() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let record = place.file("record");
        let ended = winddown
            .args(["--watchdog", "500ms", "--record", &record])
            .workload("--tell READY=1 --on TERM [ --exit 0 ] --print up --serve")
            .run()
            .expect_code(124)
            .expect_nothing_left();
        ended.expect_time(ended.duration, Duration::from_millis(500));
        expect_silent(&ended, &record);
    });
}

fn a_silent_workload_that_dies_of_the_signal_has_failed() {
    let place = TempDir::new();
    let record = place.file("record");
    let ended = Winddown::new()
        .args(["--watchdog", "50ms", "--record", &record])
        .workload("--tell READY=1 --serve")
        .run()
        .expect_signal(libc::SIGTERM)
        .expect_nothing_left();
    expect_silent(&ended, &record);
}

fn a_silent_workload_keeps_its_own_status() {
    let place = TempDir::new();
    let record = place.file("record");
    let ended = Winddown::new()
        .args(["--watchdog", "300ms", "--record", &record])
        .workload("--tell READY=1 --on TERM [ --exit 7 ] --print up --serve")
        .run()
        .expect_code(7);
    expect_silent(&ended, &record);
}

fn a_workload_that_says_that_it_is_alive_is_left_alone() {
    let ping = "--tell WATCHDOG=1 --sleep 200 ".repeat(12);
    let ended =
        Winddown::new().args(["--watchdog", "2s"]).workload(&format!("{ping} --exit 3")).run().expect_code(3);
    assert!(ended.duration > Duration::from_secs(2));
    assert_eq!(ended.err().len(), 0, "{}", ended.dump());
}

fn a_workload_that_says_it_ails_is_stopped_at_once() {
    let place = TempDir::new();
    let record = place.file("record");
    let ended = Winddown::new()
        .args(["--watchdog", "50s", "--record", &record])
        .workload("--on TERM [ --exit 0 ] --tell WATCHDOG=trigger --print up --serve")
        .run()
        .expect_code(124);
    assert!(ended.duration < Duration::from_secs(20), "{}", ended.dump());
    expect_silent(&ended, &record);
    // Without a watchdog of winddown, the silence is up to the parent.
    let run = Winddown::new()
        .args(["--notify"])
        .workload("--on TERM [ --exit 0 ] --tell WATCHDOG=trigger --barrier --print up --serve")
        .start();
    run.wait_out("up");
    assert_eq!(run.err().len(), 0);
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
}

fn that_it_waits_is_reported_in_detail() {
    guarded_or_not(|winddown| {
        let ended = winddown.args(["-v", "--watchdog", "30s"]).command(["true"]).run().expect_code(0);
        let line = "winddown: --watchdog 30s begins with the first READY=1 or WATCHDOG=1";
        assert_eq!(ended.err().iter().filter(|found| *found == line).count(), 1, "{}", ended.dump());
    });
    let ended = Winddown::new().args(["--watchdog", "30s"]).command(["true"]).run().expect_code(0);
    assert!(ended.err().is_empty(), "{}", ended.dump());
}

fn it_begins_with_the_first_message() {
    let run = |flags: &str| Winddown::new().args(["--watchdog", "300ms"]).workload(flags).run();
    run("--sleep 900 --exit 3").expect_code(3);
    run("--tell STATUS=starting --sleep 900 --exit 3").expect_code(3);
    let ended = run("--on TERM [ --exit 4 ] --sleep 600 --tell WATCHDOG=1 --serve").expect_code(4);
    ended.expect_time(ended.duration, Duration::from_millis(900));
}

fn a_silent_workload_that_does_not_end_is_killed() {
    Winddown::new()
        .args(["--watchdog", "200ms", "-t", "300ms"])
        .workload("--on TERM [ --tell WATCHDOG=1 ] --tell READY=1 --serve")
        .run()
        .expect_code(137)
        .expect_nothing_left();
}

/// Ctrl+Z, or a paused container: every process is stopped, for longer than the workload may be silent.
fn a_winddown_that_was_stopped_has_heard_nobody() {
    guarded_or_not(|winddown| {
        let ping = "--tell WATCHDOG=1 --sleep 100 ".repeat(20);
        let run = winddown
            .args(["--watchdog", "1s"])
            .workload(&format!("--say pid --tell WATCHDOG=1 --print up {ping} --exit 3"))
            .start();
        run.wait_out("up");
        let main = run.number("pid");
        let between = children(run.pid()).into_iter().map(|child| child.pid).filter(|pid| *pid != main);
        // The workload is continued last: winddown checks the watchdog before the workload can send anything.
        let all: Vec<i32> = [run.pid()].into_iter().chain(between).chain([main]).collect();
        for pid in &all {
            run.tag().signal(*pid, libc::SIGSTOP);
        }
        let stopped = Instant::now();
        eventually("it was silent for too long", || stopped.elapsed() > Duration::from_millis(1500));
        for pid in all {
            run.tag().signal(pid, libc::SIGCONT);
            std::thread::sleep(Duration::from_millis(50));
        }
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert!(!ended.err().iter().any(|line| line.contains("--watchdog")), "{}", ended.dump());
    });
}
