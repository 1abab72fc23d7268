//! What each option does, given on the command line or by its variable.

use std::os::fd::AsRawFd as _;
use std::time::Duration;

use snapbox::str;

use crate::support::builder::Winddown;
use crate::support::snapshot::expect_log;
use crate::support::{TempDir, processes, read_json, trials};

trials![
    time_limit_is_exact_below_a_second,
    time_limit_zero_kills_and_asks_nobody,
    time_limit_of_a_thousand_years_or_without_end_never_kills,
    stop_signal_is_what_the_workload_gets,
    stop_signal_is_read_by_every_kind_of_name,
    to_all_asks_everybody_at_once,
    stop_on_takes_the_place_of_term_and_int,
    stop_on_none_leaves_every_signal_to_the_workload,
    map_rewrites_and_drops,
    run_limit_asks_early_enough,
    needs("root", "pid-namespace") => as_pid_1_the_default_limit_is_shorter,
    leave_stragglers_leaves_them,
    no_guard_makes_winddown_the_parent,
    quiet_logs_a_kill_and_errors_only,
    verbose_logs_the_start_and_what_is_passed_on,
    log_format_json_is_for_machines,
    the_record_describes_the_run,
    record_may_go_to_a_descriptor,
    record_on_a_standard_stream_leaves_it_to_the_workload_too,
];

/// Runs the same check with the option and with the variable.
fn both(option: &str, value: &str, check: impl Fn(Winddown)) {
    check(Winddown::new().args([format!("--{option}={value}")]));
    check(Winddown::new().env(&variable(option), value));
}

/// The same for an option without a value.
fn switched(option: &str, check: impl Fn(Winddown)) {
    check(Winddown::new().args([format!("--{option}")]));
    check(Winddown::new().env(&variable(option), "1"));
}

fn variable(option: &str) -> String {
    format!("WINDDOWN_{}", option.to_uppercase().replace('-', "_"))
}

fn time_limit_is_exact_below_a_second() {
    both("time-limit", "350ms", |winddown| {
        let place = TempDir::new();
        let record = place.file("run.json");
        let winddown = winddown.args(["--record", &record]);
        let run = winddown.workload("--say env:SHUTDOWN_LIMIT_MS --on TERM [ ] --print up --serve").start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert_eq!(ended.fact("env:SHUTDOWN_LIMIT_MS"), "350");
        assert!(ended.since(asked) >= Duration::from_millis(350), "{}", ended.dump());
        let record = read_json(record);
        let at = |value: &serde_json::Value| value.as_f64().expect("milliseconds");
        let stop = &record["stop"];
        let length = at(&stop["deadline_ms"]) - at(&stop["at_ms"]);
        assert!((length - 350.0).abs() < 0.01, "{record}");
    });
}

fn time_limit_zero_kills_and_asks_nobody() {
    both("time-limit", "0", |winddown| {
        let run = winddown.workload("--say env:SHUTDOWN_LIMIT_MS --on all [ ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert_eq!(ended.fact("env:SHUTDOWN_LIMIT_MS"), "0");
        assert_eq!(ended.count_out("got"), 0, "{}", ended.dump());
    });
}

fn time_limit_of_a_thousand_years_or_without_end_never_kills() {
    for (limit, milliseconds) in
        [("365250d", "31557600000000"), ("18446744073709551615", "18446744073709551615000"), ("infinity", "")]
    {
        both("time-limit", limit, |winddown| {
            let run = winddown
                .env("SHUTDOWN_LIMIT_MS", "of an outer winddown")
                .workload("--say env:SHUTDOWN_LIMIT_MS --on TERM [ --sleep 300 --exit 3 ] --print up --serve")
                .start();
            run.wait_out("up");
            run.signal(libc::SIGTERM);
            let ended = run.wait().expect_code(3).expect_nothing_left();
            assert_eq!(ended.fact("env:SHUTDOWN_LIMIT_MS"), milliseconds);
        });
    }
}

fn stop_signal_is_what_the_workload_gets() {
    both("stop-signal", "QUIT", |winddown| {
        let run =
            winddown.workload("--on TERM [ --exit 9 ] --on QUIT [ --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3).expect_nothing_left();
    });
}

fn stop_signal_is_read_by_every_kind_of_name() {
    for (names, number) in [(["USR1", "SIGUSR1", "10"], 10), (["RTMIN+3", "SIGRTMIN+3", "37"], 37)] {
        for name in names {
            let run = Winddown::new()
                .args(["-s", name])
                .workload("--on all [ --exit 3 ] --print up --serve")
                .start();
            run.wait_out("up");
            run.signal(libc::SIGTERM);
            let ended = run.wait().expect_code(3).expect_nothing_left();
            assert_eq!(ended.count_out(&format!("got {number} ")), 1, "{name}: {}", ended.dump());
            assert_eq!(ended.count_out("got"), 1, "{}", ended.dump());
        }
    }
}

fn to_all_asks_everybody_at_once() {
    const WORKLOAD: &str = "--on TERM [ --wait child --exit 3 ] \
        --spawn child child [ --on TERM [ --exit 4 ] --serve ] --print up --serve";
    both("to", "all", |winddown| {
        let run = winddown.workload(WORKLOAD).start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out("child ended exit 4"), 1, "{}", ended.dump());
        assert_eq!(ended.count_out("got 15"), 2, "{}", ended.dump());
    });
    both("to", "main", |winddown| {
        let run = winddown.args(["-t", "400ms"]).workload(WORKLOAD).start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert_eq!(ended.count_out("child got 15"), 0, "{}", ended.dump());
    });
}

fn stop_on_takes_the_place_of_term_and_int() {
    both("stop-on", "SIGUSR1,12", |winddown| {
        let run = winddown.workload("--on TERM,INT [ ] --on USR2 [ --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        // The signal is passed on and is no stop request: the clock must not run.
        run.signal(libc::SIGTERM);
        run.wait_out("got 15");
        run.signal(libc::SIGINT);
        run.wait_out("got 2 ");
        assert!(run.err().is_empty(), "{:?}", run.err());
        run.signal(libc::SIGUSR2);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        expect_log(
            &ended.err(),
            str![[r#"
winddown: SIGUSR2 from [TEST]: stopping workload (pid [PID]), SIGKILL in 10s (default)
winddown: stopped in [TIME] of 10s: workload (pid [PID]) exited with 3
"#]],
        );
    });
}

fn stop_on_none_leaves_every_signal_to_the_workload() {
    both("stop-on", "none", |winddown| {
        let run = winddown.workload("--on INT [ ] --on TERM [ --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGINT);
        run.wait_out("got 2 ");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert!(ended.err().is_empty(), "{}", ended.dump());
    });
}

fn map_rewrites_and_drops() {
    both("map", "HUP=USR1,USR2=,TERM=QUIT", |winddown| {
        let run = winddown.workload("--on all [ ] --on QUIT [ --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGUSR2);
        run.signal(libc::SIGHUP);
        run.wait_out("got 10 ");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out("got"), 2, "{}", ended.dump());
    });
}

fn run_limit_asks_early_enough() {
    both("run-limit", "1500ms", |winddown| {
        let run =
            winddown.args(["-t", "600ms"]).workload("--on TERM [ --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        let ended = run.wait().expect_code(124).expect_nothing_left();
        // The stop begins early enough for the whole time limit.
        assert!(ended.duration >= Duration::from_millis(900), "{}", ended.dump());
        assert_eq!(ended.count_out("got 15"), 1);
    });
}

/// Engines kill a container 10 s after the stop by default.
fn as_pid_1_the_default_limit_is_shorter() {
    let limit = |run: Winddown| {
        run.workload("--say env:SHUTDOWN_LIMIT_MS").run().expect_code(0).fact("env:SHUTDOWN_LIMIT_MS")
    };
    assert_eq!(limit(Winddown::new().pid_1()), "8000");
    assert_eq!(limit(Winddown::new().pid_1().args(["-t", "10s"])), "10000");
    assert_eq!(limit(Winddown::new()), "10000");
}

fn leave_stragglers_leaves_them() {
    switched("leave-stragglers", |winddown| {
        let winddown =
            winddown.workload("--spawn daemon-session straggler [ --on TERM [ ] --serve ] --exit 3");
        let ended = winddown.run().expect_code(3);
        let pid = ended.fact("straggler pid").parse().expect("a pid");
        assert!(processes::is_alive(pid), "{}", ended.dump());
        assert_eq!(ended.count_out("got"), 0, "{}", ended.dump());
    });
}

fn no_guard_makes_winddown_the_parent() {
    switched("no-guard", |winddown| {
        let run = winddown.workload("--say ppid --print up --serve").start();
        run.wait_out("up");
        assert_eq!(run.number("ppid"), run.pid());
        assert_eq!(processes::children(run.pid()).len(), 1);
        run.signal(libc::SIGTERM);
        run.wait().expect_signal(libc::SIGTERM);
    });
}

fn quiet_logs_a_kill_and_errors_only() {
    switched("quiet", |winddown| {
        let run = winddown.args(["-t", "100ms"]).workload("--on TERM [ ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137);
        expect_log(
            &ended.err()[..1],
            str!["winddown: SIGKILL after [TIME] to 1 process: workload (pid [PID])"],
        );
    });
    let ended = Winddown::new().args(["-q", "/no/such/command"]).run().expect_code(127);
    assert_eq!(ended.err().len(), 1, "{}", ended.dump());
}

fn verbose_logs_the_start_and_what_is_passed_on() {
    switched("verbose", |winddown| {
        let run = winddown.workload("--on HUP [ --exit 3 ] --say pid --serve").start();
        run.wait_err(&format!("started workload (pid {})", run.number("pid")));
        run.signal(libc::SIGHUP);
        let ended = run.wait().expect_code(3);
        let is_logged = |part: &str| ended.err().iter().any(|line| line.contains(part));
        assert!(is_logged("SIGHUP from") && is_logged("forwarded"), "{}", ended.dump());
    });
}

fn log_format_json_is_for_machines() {
    both("log-format", "json", |winddown| {
        let run = winddown.workload("--on TERM [ --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3);
        let lines = ended.err();
        assert!(!lines.is_empty());
        for line in lines {
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert!(line["message"].is_string(), "{line}");
        }
    });
}

fn the_record_describes_the_run() {
    let place = TempDir::new();
    let record = place.file("run.json");
    both("record", &record, |winddown| {
        let _ = std::fs::remove_file(&record);
        winddown.workload("--exit 3").run().expect_code(3);
        assert_eq!(read_json(&record)["exit_status"], 3);
    });
    // winddown leaves its directory; a relative name still refers to the one in which it was started.
    both("record", "relative.json", |winddown| {
        let _ = std::fs::remove_file(place.file("relative.json"));
        winddown.directory(place.path()).workload("--exit 3").run().expect_code(3);
        assert_eq!(read_json(place.file("relative.json"))["exit_status"], 3);
    });
}

fn record_may_go_to_a_descriptor() {
    let place = TempDir::new();
    let path = place.file("run.json");
    for by_variable in [false, true] {
        let file = std::fs::File::create(&path).expect("a file");
        let value = format!("fd:{}", file.as_raw_fd());
        let winddown = Winddown::new().inherits(file.into());
        let winddown = if by_variable {
            winddown.env("WINDDOWN_RECORD", value)
        } else {
            winddown.args(["--record", &value])
        };
        let ended = winddown.workload("--say fds --exit 3").run().expect_code(3);
        assert_eq!(ended.fact("fds"), "0,1,2", "it is winddown's alone");
        assert_eq!(read_json(&path)["exit_status"], 3);
    }
}

fn record_on_a_standard_stream_leaves_it_to_the_workload_too() {
    for (record, command) in [("fd:1", "echo its own"), ("fd:2", "echo its own >&2")] {
        let ended = Winddown::new().args(["--record", record]).command(["sh", "-c", command]).run();
        let ended = ended.expect_code(0);
        let lines = if record == "fd:1" { ended.out() } else { ended.err() };
        assert_eq!(lines.len(), 2, "{}", ended.dump());
        assert_eq!(lines[0], "its own");
        let record: serde_json::Value = serde_json::from_str(&lines[1]).expect("a record");
        assert_eq!(record["exit_status"], 0);
    }
}
