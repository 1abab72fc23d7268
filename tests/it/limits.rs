//! The clock of a stop: one exact total, never restarted; and stops without a limit.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::builder::Winddown;
use crate::support::running::Running;
use crate::support::{TempDir, eventually, holds_within, processes, read_json, trials};

trials![
    sigkill_comes_at_the_limit_and_not_before,
    a_repeated_request_does_not_restart_the_limit,
    the_main_process_and_its_stragglers_share_one_limit,
    half_of_the_limit_is_reported_with_names,
    a_limit_of_zero_kills_at_once,
    a_limit_of_zero_kills_stragglers_at_once,
    an_infinite_limit_never_kills,
    a_main_process_that_ends_by_itself_leaves_the_whole_limit,
    stragglers_that_ignore_it_are_killed_and_the_status_stays,
    stragglers_may_be_left,
    stragglers_are_not_left_by_a_stop,
    stopping_winddown_does_not_stop_the_clock,
    an_exit_while_winddown_was_stopped_is_no_kill,
    a_request_to_a_stopped_winddown_is_honoured,
];

pub(crate) fn milliseconds(value: &Value) -> Duration {
    Duration::from_secs_f64(value.as_f64().expect("milliseconds") / 1000.0)
}

/// The times of all SIGKILLs since the stop request.
fn kills(record: &Value) -> Vec<Duration> {
    let stop = milliseconds(&record["stop"]["at_ms"]);
    let all = record["signals"].as_array().expect("a list of signals").iter();
    let kills = all.filter(|one| one["purpose"] == "kill");
    kills.map(|one| milliseconds(&one["at_ms"]).saturating_sub(stop)).collect()
}

/// For tests whose condition is a time.
#[track_caller]
fn pass(time: Duration, since: Instant) {
    eventually("the time is over", || since.elapsed() > time);
}

fn sigkill_comes_at_the_limit_and_not_before() {
    for (text, limit) in [("250ms", 250), ("0.4", 400), ("1", 1000), ("1s250ms", 1250)] {
        let limit = Duration::from_millis(limit);
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .args(["-t", text, "--record", &record])
            .workload("--on TERM [ ] --print up --serve")
            .start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, limit);
        let record = read_json(&record);
        let kills = kills(&record);
        assert_eq!(kills.len(), 1, "{record}");
        ended.expect_time(kills[0], limit);
        assert_eq!(milliseconds(&record["limit"]["ms"]), limit);
    }
}

fn a_repeated_request_does_not_restart_the_limit() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "3s", "--record", &record])
        .workload("--on TERM,INT [ ] --print up --serve")
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    pass(Duration::from_millis(2700), asked);
    run.signal(libc::SIGTERM);
    run.signal(libc::SIGINT);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_time(kills(&read_json(&record))[0], Duration::from_secs(3));
}

/// Trap 14: two phases that each take the limit.
fn the_main_process_and_its_stragglers_share_one_limit() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "3s", "--record", &record])
        .workload(
            "--spawn child c [ --on TERM [ ] --serve ] \
             --on TERM [ --sleep 1500 --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    let record = read_json(&record);
    ended.expect_time(kills(&record)[0], Duration::from_secs(3));
    assert_eq!(ended.count_out("c got 15"), 1, "{}", ended.dump());
    assert_eq!(record["outcome"], "killed");
}

fn half_of_the_limit_is_reported_with_names() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "2s", "--record", &record])
        .workload(
            "--spawn child c [ --ignore TERM --serve ] --spawn daemon-session d [ --ignore TERM --serve ] \
             --on TERM [ ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let line = run.wait_err("left; still there: ");
    assert!(asked.elapsed() >= Duration::from_secs(1), "{line}");
    for name in ["c", "d"] {
        let pid = run.number(&format!("{name} pid"));
        assert!(line.contains(&format!("{name} (pid {pid})")), "{line}");
    }
    assert!(line.contains("still there: workload (pid "), "{line}");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    let half = ended.err().iter().filter(|line| line.contains("still there")).count();
    assert_eq!(half, 1, "{}", ended.dump());
    assert_eq!(kills(&read_json(&record)).len(), 3, "{}", ended.dump());
}

fn a_limit_of_zero_kills_at_once() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "0", "--record", &record])
        .workload(
            "--spawn session s [ --on TERM [ ] --serve ] --spawn daemon-session d [ --on TERM [ ] --serve ] \
             --on TERM [ ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(ended.count_out("got"), 0, "{}", ended.dump());
    let record = read_json(&record);
    let signals = record["signals"].as_array().unwrap();
    assert!(signals.iter().all(|one| one["signal"] == "KILL"), "{record}");
    assert_eq!(record["killed"].as_array().unwrap().len(), 3, "{record}");
    assert_eq!(record["outcome"], "killed");
}

fn a_limit_of_zero_kills_stragglers_at_once() {
    let ended = Winddown::new()
        .args(["-t", "0"])
        .workload("--spawn daemon-session d [ --on TERM [ ] --serve ] --exit 3")
        .run()
        .expect_code(3)
        .expect_nothing_left();
    assert_eq!(ended.count_out("got"), 0, "{}", ended.dump());
}

fn an_infinite_limit_never_kills() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "infinity", "--record", &record])
        .workload("--say env:SHUTDOWN_LIMIT_MS --on TERM [ --sleep 1500 --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait_err("no SIGKILL");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.fact("env:SHUTDOWN_LIMIT_MS"), "");
    assert!(!ended.err().iter().any(|line| line.contains("still there")), "{}", ended.dump());
    let record = read_json(&record);
    assert!(record["limit"]["ms"].is_null() && record["stop"]["deadline_ms"].is_null(), "{record}");
}

/// The main process runs for longer than the limit without being asked: its stragglers get the whole
/// limit, from the moment it ends.
fn a_main_process_that_ends_by_itself_leaves_the_whole_limit() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "1200ms", "--record", &record])
        .workload(
            "--spawn child c [ --on TERM [ --sleep 700 --print saved --exit 0 ] --serve ] \
             --spawn daemon-session d [ --on TERM [ --sleep 700 --print saved --exit 0 ] --serve ] \
             --sleep 1500 --exit 3",
        )
        .start();
    run.wait_err("asking 2 stragglers");
    let ended = run.wait();
    let record = read_json(&record);
    assert_eq!(record["stop"]["cause"], "main-exited");
    let [from, to] = [&record["stop"]["at_ms"], &record["stop"]["deadline_ms"]].map(milliseconds);
    assert_eq!(to.saturating_sub(from).as_millis(), 1200, "{record}");
    let ended = ended.expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("got 15"), 2, "{}", ended.dump());
    // On a very busy machine 700 ms can become 1200.
    if record["outcome"] == "completed" || record["outcome"] == "failed" {
        assert_eq!(ended.count_out("saved"), 2, "{}", ended.dump());
    }
}

fn stragglers_that_ignore_it_are_killed_and_the_status_stays() {
    let place = TempDir::new();
    let record = place.file("record");
    let ended = Winddown::new()
        .args(["-t", "300ms", "--straggler-grace", "0", "--record", &record])
        .workload("--spawn daemon-session d [ --on TERM [ ] --serve ] --exit 0")
        .run()
        .expect_code(0)
        .expect_nothing_left();
    ended.expect_time(ended.duration, Duration::from_millis(300));
    assert_eq!(ended.count_out("d got 15"), 1, "{}", ended.dump());
    let record = read_json(&record);
    assert_eq!(record["outcome"], "killed");
    assert_eq!(record["killed"][0]["name"], "d");
    assert_eq!(record["exit"]["code"], 0);
}

fn stragglers_may_be_left() {
    let ended = Winddown::new()
        .args(["--leave-stragglers"])
        .workload(
            "--spawn child c [ --on TERM [ ] --serve ] --spawn daemon-session d [ --on TERM [ ] --serve ] \
             --exit 4",
        )
        .run()
        .expect_code(4);
    assert_eq!(ended.err(), Vec::<String>::new());
    let is_left = |name: &str| processes::is_alive(ended.fact(&format!("{name} pid")).parse().unwrap());
    // No process is left that could still act on them.
    assert!(!holds_within(Duration::from_millis(800), || !is_left("c") || !is_left("d")), "{}", ended.dump());
    assert_eq!(ended.count_out("got"), 0, "{}", ended.dump());
}

fn stragglers_are_not_left_by_a_stop() {
    let run = Winddown::new()
        .args(["--leave-stragglers"])
        .workload(
            "--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] --on TERM [ --exit 4 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(4).expect_nothing_left();
    assert_eq!(ended.count_out("d got 15"), 1, "{}", ended.dump());
}

/// Stops winddown, with its guard or without, until the deadline is over: first the process that a user
/// knows, then the other one.
fn stopped_over_the_deadline(options: &[&str], flags: &str) -> (Running, Instant) {
    let run = Winddown::new().args(["-t", "1s"]).args(options).workload(flags).start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    let is_guarded = !options.contains(&"--no-guard");
    for process in processes::children(run.pid()).into_iter().filter(|_| is_guarded) {
        run.tag().signal(process.pid, libc::SIGSTOP);
        eventually("it is stopped", || processes::state(process.pid) == Some('T'));
    }
    run.signal(libc::SIGSTOP);
    eventually("it is stopped", || processes::state(run.pid()) == Some('T'));
    pass(Duration::from_millis(1100), asked);
    (run, asked)
}

#[track_caller]
fn go_on(run: &Running) -> Instant {
    for process in processes::children(run.pid()) {
        run.tag().signal(process.pid, libc::SIGCONT);
    }
    run.signal(libc::SIGCONT)
}

fn stopping_winddown_does_not_stop_the_clock() {
    for options in [&[][..], &["--no-guard"]] {
        let (run, _) = stopped_over_the_deadline(options, "--on TERM [ ] --say pid --print up --serve");
        let main = run.number("pid");
        assert!(processes::is_alive(main));
        let from = go_on(&run);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_within(from, Duration::ZERO);
    }
}

fn an_exit_while_winddown_was_stopped_is_no_kill() {
    let plain = "--on TERM [ --sleep 1050 --exit 6 ] --say pid --print up --serve";
    // winddown takes messages before it reaps children.
    let with_message = "--on TERM [ --sleep 1050 --tell WATCHDOG=1 --exit 6 ] --say pid --print up --serve";
    for (options, flags) in [
        (&[][..], plain),
        (&["--no-guard"], plain),
        (&["--notify"], with_message),
        (&["--notify", "--no-guard"], with_message),
    ] {
        let (run, _) = stopped_over_the_deadline(options, flags);
        let main = run.number("pid");
        eventually("it has exited", || !processes::is_alive(main));
        go_on(&run);
        let ended = run.wait().expect_code(6).expect_nothing_left();
        assert!(!ended.err().iter().any(|line| line.contains("SIGKILL after")), "{}", ended.dump());
    }
}

fn a_request_to_a_stopped_winddown_is_honoured() {
    let run = Winddown::new().workload("--on TERM [ --exit 3 ] --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGSTOP);
    eventually("it is stopped", || processes::state(run.pid()) == Some('T'));
    run.signal(libc::SIGTERM);
    assert!(!holds_within(Duration::from_millis(100), || run.out().len() > 1));
    run.signal(libc::SIGCONT);
    run.wait().expect_code(3).expect_nothing_left();
}
