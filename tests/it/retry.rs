//! Further tries: what is retried, after which delay, and what ends that.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::builder::{Winddown, guarded_or_not, workload_path};
use crate::support::lateness::expect_soon;
use crate::support::manager::Manager;
use crate::support::processes::inner;
use crate::support::running::{Ended, Running};
use crate::support::{TempDir, eventually, read_json, short_or_long, trials};

trials![
    a_command_that_fails_is_started_again,
    retries_are_counted,
    a_stop_request_in_a_delay_ends_the_run,
    a_death_is_died_of_when_a_request_ends_a_delay,
    the_end_of_the_parent_ends_a_delay,
    no_try_follows_a_request_at_the_moment_of_the_failure,
    no_try_follows_a_request_at_the_end_of_a_delay,
    no_try_follows_a_request_while_stragglers_end,
    whichever_process_is_killed_in_a_delay_no_try_follows,
    whichever_process_is_killed_in_a_start_nothing_is_left,
    needs("pid-namespace") => as_pid_1,
    a_permanent_status_is_not_retried,
    a_command_that_can_not_be_executed_is_not_retried,
    a_command_that_is_gone_ends_the_run,
    statuses_are_remapped_first,
    a_delay_that_would_outlast_the_run_is_not_waited_for,
    delays_grow_by_the_formula,
    the_eleventh_failure_ends_the_run,
    a_try_that_ran_long_enough_counts_as_the_first,
    a_silent_workload_is_retried,
    signals_in_a_delay_are_dropped,
    nothing_of_a_try_is_seen_by_the_next,
    each_try_gets_what_winddown_was_given,
    the_parent_learns_of_the_stop_that_ends_the_run,
    lines_say_which_try_they_are_about,
    bad_values_start_nothing,
];

const SOON: &str = "100ms";

fn shell(winddown: Winddown, script: &str) -> Winddown {
    winddown.command(["sh", "-c", script])
}

fn tries(ended: &Ended) -> usize {
    ended.count_out("try ")
}

/// A run that fails at once, is in its first delay, and stays there for a minute.
fn in_delay(winddown: Winddown, status: u8) -> Running {
    let winddown = winddown.args(["--retry", "forever", "--retry-delay", "1m"]);
    let run = shell(winddown, &format!("echo try $SHUTDOWN_ATTEMPT; exit {status}")).start();
    run.wait_err("next try in 1m");
    run
}

fn a_command_that_fails_is_started_again() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--retry", "5", "--retry-delay", SOON]);
        let ended = shell(winddown, "echo try $SHUTDOWN_ATTEMPT; [ $SHUTDOWN_ATTEMPT = 3 ]").run();
        assert_eq!(ended.out(), ["try 1", "try 2", "try 3"]);
        ended.expect_code(0).expect_nothing_left();
    });
}

fn retries_are_counted() {
    for retries in [0, 1, 3] {
        let winddown = Winddown::new().args(["--retry", &retries.to_string()]);
        let winddown = if retries > 0 { winddown.args(["--retry-delay", SOON]) } else { winddown };
        let ended = shell(winddown, "echo try $SHUTDOWN_ATTEMPT; exit 7").run();
        assert_eq!(tries(&ended), retries + 1);
        let line = format!("try {}: no further try: --retry {retries} is used up", retries + 1);
        assert_eq!(ended.dump().contains(&line), retries > 0, "{}", ended.dump());
        ended.expect_code(7);
    }
}

fn a_stop_request_in_a_delay_ends_the_run() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (record, hook) = (place.file("record"), place.file("hook"));
        let post_stop =
            format!("sh -c 'echo $SHUTDOWN_OUTCOME $SHUTDOWN_EXIT_STATUS $SHUTDOWN_ATTEMPT >> {hook}'");
        let run = in_delay(winddown.args(["--record", &record, "--post-stop", &post_stop]), 3);
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait();
        ended.expect_within(asked, Duration::ZERO);
        assert!(ended.dump().contains("try 1: no further try: SIGTERM from "), "{}", ended.dump());
        assert_eq!(tries(&ended), 1);
        assert_eq!(std::fs::read_to_string(&hook).expect("the hook has run once"), "stopped 3 1\n");
        let record = read_json(&record);
        assert_eq!((&record["outcome"], &record["exit"]["code"]), (&"stopped".into(), &3.into()));
        ended.expect_code(3).expect_nothing_left();
    });
}

fn a_death_is_died_of_when_a_request_ends_a_delay() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--retry", "forever", "--retry-delay", "1m"]);
        let run = shell(winddown, "kill -USR1 $$").start();
        run.wait_err("died of SIGUSR1; next try in 1m");
        run.signal(libc::SIGINT);
        run.wait().expect_signal(libc::SIGUSR1).expect_nothing_left();
    });
}

fn the_end_of_the_parent_ends_a_delay() {
    for guard in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let (record, end) = (place.file("record"), place.file("end"));
        let winddown = Winddown::new().prefix([
            "sh",
            "-c",
            "\"$@\" & while [ ! -e \"$END\" ]; do sleep 0.05; done",
            "-",
        ]);
        let winddown =
            winddown.env("END", &end).args(guard).args(["--stop-with-parent", "--record", &record]);
        let winddown = winddown.args(["--retry", "forever", "--retry-delay", "1m"]);
        let run = shell(winddown, "exit 3").start();
        run.wait_err("next try in 1m");
        std::fs::write(&end, "").expect("a file");
        run.wait_err("no further try: winddown's parent has ended");
        eventually("the record is written", || std::path::Path::new(&record).exists());
        assert_eq!(read_json(&record)["exit_status"], 3);
        run.wait().expect_nothing_left();
    }
}

fn no_try_follows_a_request_at_the_moment_of_the_failure() {
    guarded_or_not_often(|winddown, _| {
        let winddown = winddown.args(["--retry", "forever", "--retry-delay", SOON]);
        let run = winddown.workload("--print try --exit 3").start();
        run.wait_out("try");
        let failed = Instant::now();
        run.signal(libc::SIGTERM);
        if failed.elapsed() > Duration::from_millis(50) {
            return drop(run.wait());
        }
        let ended = run.wait();
        assert_eq!(ended.out(), ["try"], "{}", ended.dump());
        // It may have come before the main process had exited.
        assert!(ended.code() == Some(3) || ended.signal() == Some(libc::SIGTERM), "{}", ended.dump());
        ended.expect_nothing_left();
    });
}

fn guarded_or_not_often(check: impl Fn(Winddown, u64)) {
    for number in 0..short_or_long(10, 50) {
        check(Winddown::new(), number);
        check(Winddown::new().args(["--no-guard"]), number);
    }
}

/// The request comes in the last milliseconds of the delay or in the first ones of the try: either no try follows, or
/// the one that had begun is stopped.
fn no_try_follows_a_request_at_the_end_of_a_delay() {
    guarded_or_not_often(|winddown, number| {
        let place = TempDir::new();
        let record = place.file("record");
        let winddown = winddown.args(["--retry", "forever", "--retry-delay", SOON, "--record", &record]);
        let script = "echo try $SHUTDOWN_ATTEMPT; [ $SHUTDOWN_ATTEMPT = 1 ] && exit 3; exec sleep 60";
        let run = shell(winddown, script).start();
        run.wait_err("next try in 100ms");
        std::thread::sleep(Duration::from_millis(90) + Duration::from_micros(500 * number));
        run.signal(libc::SIGTERM);
        let ended = run.wait();
        let log = ended.dump();
        let no_try = log.contains("try 1: no further try: SIGTERM");
        let stopped = log.contains("try 2: SIGTERM from ");
        assert!(no_try != stopped, "{log}");
        assert!(tries(&ended) == 1 || stopped, "{log}");
        assert_eq!(read_json(&record)["outcome"], "stopped");
        ended.expect_nothing_left();
    });
}

fn no_try_follows_a_request_while_stragglers_end() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["-t", "500ms", "--straggler-grace", "0"]);
        let winddown = winddown.args(["--retry", "forever", "--retry-delay", SOON]);
        let straggler = "--spawn daemon-session d [ --on TERM [ --print asked ] --serve ]";
        let run = winddown.workload(&format!("{straggler} --print try --exit 3")).start();
        run.wait_out("asked");
        run.signal(libc::SIGTERM);
        let ended = run.wait();
        assert_eq!(ended.count_out("try"), 1, "{}", ended.dump());
        ended.expect_code(3).expect_nothing_left();
    });
}

fn whichever_process_is_killed_in_a_delay_no_try_follows() {
    for outer in [true, false] {
        let place = TempDir::new();
        let hook = place.file("hook");
        let post_stop = format!("sh -c 'echo $SHUTDOWN_OUTCOME $SHUTDOWN_ATTEMPT >> {hook}'");
        let run = in_delay(Winddown::new().args(["--post-stop", &post_stop]), 3);
        let inner = inner(run.pid()).expect("an inner process");
        let killed = if outer { run.signal(libc::SIGKILL) } else { run.tag().signal(inner, libc::SIGKILL) };
        expect_soon("nothing of the run lives", killed, Duration::ZERO, || run.tag().living().is_empty());
        run.wait_err("try 1: no further try: winddown itself was killed");
        assert_eq!(std::fs::read_to_string(&hook).expect("the hook has run once"), "stopped 1\n");
        let ended = run.wait();
        assert_eq!(tries(&ended), 1);
        if outer {
            ended.expect_signal(libc::SIGKILL)
        } else {
            ended.expect_code(3)
        };
    }
}

fn whichever_process_is_killed_in_a_start_nothing_is_left() {
    for number in 0..short_or_long(12, 60) {
        let winddown = Winddown::new().args(["--retry", "forever", "--retry-delay", SOON]);
        let run =
            shell(winddown, "echo try $SHUTDOWN_ATTEMPT; [ $SHUTDOWN_ATTEMPT = 1 ] || sleep 60; exit 3")
                .start();
        run.wait_err("next try in 100ms");
        let inner = inner(run.pid()).expect("an inner process");
        std::thread::sleep(Duration::from_millis(95) + Duration::from_micros(500 * number));
        let killed =
            if number % 2 == 0 { run.signal(libc::SIGKILL) } else { run.tag().signal(inner, libc::SIGKILL) };
        let most = Duration::from_millis(500);
        expect_soon("nothing of the run lives", killed, most, || run.tag().living().is_empty());
        assert!(tries(&run.wait()) <= 2);
    }
}

fn as_pid_1() {
    let script = "echo try $SHUTDOWN_ATTEMPT; (setsid sleep 60 &); [ $SHUTDOWN_ATTEMPT = 3 ]";
    let winddown =
        Winddown::new().pid_1().args(["--retry", "5", "--retry-delay", SOON, "--straggler-grace", "0"]);
    let ended = shell(winddown, script).run();
    assert_eq!(tries(&ended), 3, "{}", ended.dump());
    ended.expect_code(0).expect_nothing_left();
}

fn a_permanent_status_is_not_retried() {
    let options = ["--retry", "5", "--retry-delay", SOON, "--permanent-exit", "64,137"];
    for (script, status, count) in
        [("exit 64", 64, 1), ("[ $SHUTDOWN_ATTEMPT = 2 ] && exit 64; exit 3", 64, 2)]
    {
        let ended = shell(Winddown::new().args(options), &format!("echo try; {script}")).run();
        assert_eq!(ended.count_out("try"), count);
        assert!(ended.dump().contains("no further try: status 64 (--permanent-exit)"), "{}", ended.dump());
        ended.expect_code(status);
    }
    // A death counts as 128 + n.
    let ended = shell(Winddown::new().args(options), "echo try; kill -KILL $$").run();
    assert_eq!(ended.count_out("try"), 1);
    ended.expect_signal(libc::SIGKILL);
}

fn a_command_that_can_not_be_executed_is_not_retried() {
    guarded_or_not(|winddown| {
        let started = Instant::now();
        let ended =
            winddown.args(["--retry", "5", "--retry-delay", "1m"]).command(["/no/such/command"]).run();
        assert_eq!(ended.err().len(), 1, "{}", ended.dump());
        assert!(started.elapsed() < Duration::from_secs(50));
        ended.expect_code(127);
    });
    // The same status of the command's own is a failure like any other.
    let winddown = Winddown::new().args(["--retry", "1", "--retry-delay", SOON]);
    let ended = shell(winddown, "echo try; exit 127").run();
    assert_eq!(ended.count_out("try"), 2);
    ended.expect_code(127);
}

fn a_command_that_is_gone_ends_the_run() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (command, hook) =
            (place.executable("command", "#!/bin/sh\necho try; rm \"$0\"; exit 3\n"), place.file("hook"));
        let post_stop = format!("sh -c 'echo $SHUTDOWN_OUTCOME $SHUTDOWN_EXIT_STATUS >> {hook}'");
        let winddown =
            winddown.args(["--retry", "forever", "--retry-delay", SOON, "--post-stop", &post_stop]);
        let ended = winddown.command([&command]).run();
        assert_eq!(ended.count_out("try"), 1);
        assert_eq!(std::fs::read_to_string(&hook).expect("the hook has run once"), "not-started 127\n");
        ended.expect_code(127).expect_nothing_left();
    });
}

fn statuses_are_remapped_first() {
    let retry = ["--retry", "1", "--retry-delay", SOON];
    let ended = shell(Winddown::new().args(retry).args(["--remap-exit", "3=0"]), "echo try; exit 3").run();
    assert_eq!(ended.count_out("try"), 1);
    ended.expect_code(0);
    let permanent = ["--remap-exit", "3=64", "--permanent-exit", "64"];
    let ended = shell(Winddown::new().args(retry).args(permanent), "echo try; exit 3").run();
    assert_eq!(ended.count_out("try"), 1);
    ended.expect_code(64);
    let ended = shell(Winddown::new().args(retry).args(["--remap-exit", "0=9"]), "echo try; exit 0").run();
    assert_eq!(ended.count_out("try"), 2);
    ended.expect_code(9);
}

fn a_delay_that_would_outlast_the_run_is_not_waited_for() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args([
            "--retry",
            "forever",
            "--retry-delay",
            "1s",
            "--run-limit",
            "1500ms",
            "-t",
            "100ms",
        ]);
        let ended = shell(winddown, "echo try; exit 3").run();
        assert_eq!(ended.count_out("try"), 2, "{}", ended.dump());
        assert!(
            ended.dump().contains("no further try: the run's time is up before that"),
            "{}",
            ended.dump()
        );
        ended.expect_code(3);
        // The limit itself stops a try as ever, and none follows.
    });
    let winddown = Winddown::new().args([
        "--retry",
        "forever",
        "--retry-delay",
        SOON,
        "--run-limit",
        "1s",
        "-t",
        "500ms",
    ]);
    let ended = shell(winddown, "echo try; [ $SHUTDOWN_ATTEMPT = 1 ] && exit 3; exec sleep 60").run();
    assert_eq!(ended.count_out("try"), 2, "{}", ended.dump());
    ended.expect_code(124);
}

fn delays_grow_by_the_formula() {
    let winddown =
        Winddown::new().args(["--retry", "4", "--retry-delay", "200ms..1s", "--log-format", "json"]);
    let ended = winddown.workload("--say now --exit 3").run();
    let lines: Vec<Value> =
        ended.err().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let delays: Vec<f64> = lines.iter().filter_map(|line| line["next_in_ms"].as_f64()).collect();
    let bounds = [(200.0, 200.0), (360.0, 440.0), (520.0, 680.0), (840.0, 1000.0)];
    assert_eq!(delays.len(), bounds.len(), "{lines:?}");
    for (delay, (least, most)) in delays.iter().zip(bounds) {
        assert!((least..=most).contains(delay), "{delays:?}");
    }
    let now = |line: &String| line.strip_prefix("now ").and_then(|ms| ms.parse::<f64>().ok());
    let starts: Vec<f64> = ended.out().iter().filter_map(now).collect();
    assert_eq!(starts.len(), 5);
    for (pair, delay) in starts.windows(2).zip(&delays) {
        // Whole milliseconds.
        assert!(pair[1] - pair[0] >= delay - 1.0, "{starts:?} {delays:?}");
    }
    ended.expect_code(3);
}

fn the_eleventh_failure_ends_the_run() {
    let winddown =
        Winddown::new().args(["--retry", "forever", "--retry-delay", "0", "--max-crashes", "10/1m"]);
    let started = Instant::now();
    let ended = shell(winddown, "echo try; exit 3").run();
    assert_eq!(ended.count_out("try"), 11);
    // No delay is shorter than 100 ms.
    assert!(started.elapsed() >= Duration::from_secs(1));
    let line = "try 11: no further try: more than 10 failures within 1m (--max-crashes)";
    assert!(ended.dump().contains(line), "{}", ended.dump());
    ended.expect_code(3);
    // Failures longer ago do not count.
    let winddown =
        Winddown::new().args(["--retry", "4", "--retry-delay", "300ms", "--max-crashes", "1/250ms"]);
    let ended = shell(winddown, "echo try; exit 3").run();
    assert_eq!(ended.count_out("try"), 5);
}

fn a_try_that_ran_long_enough_counts_as_the_first() {
    let winddown = Winddown::new().args(["--retry", "1", "--retry-delay", SOON, "--retry-reset", "300ms"]);
    let ended = shell(winddown, "echo try $SHUTDOWN_ATTEMPT; sleep 0.4; [ $SHUTDOWN_ATTEMPT = 4 ]").run();
    assert_eq!(tries(&ended), 4, "{}", ended.dump());
    ended.expect_code(0);
    // A try that was never ready has not run long enough.
    let winddown = Winddown::new().args(["--retry", "1", "--retry-delay", SOON, "--retry-reset", "300ms"]);
    let winddown = winddown.args(["--ready", "notify"]);
    let ended = shell(winddown, "echo try; sleep 0.4; exit 3").run();
    assert_eq!(ended.count_out("try"), 2, "{}", ended.dump());
    ended.expect_code(3);
}

fn a_silent_workload_is_retried() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--retry", "1", "--retry-delay", SOON, "--watchdog", "200ms"]);
        let ended = winddown.workload("--print try --tell WATCHDOG=1 --on TERM [ --exit 0 ] --serve").run();
        assert_eq!(ended.count_out("try"), 2, "{}", ended.dump());
        ended.expect_code(124).expect_nothing_left();
    });
}

fn signals_in_a_delay_are_dropped() {
    guarded_or_not(|winddown| {
        let run = in_delay(winddown.args(["-v"]), 3);
        for signal in [libc::SIGUSR1, libc::SIGHUP] {
            run.signal(signal);
        }
        run.wait_err("SIGUSR1 from ");
        run.wait_err("SIGHUP from ");
        run.signal(libc::SIGTERM);
        let ended = run.wait();
        assert!(ended.dump().matches("not passed on (the main process has ended)").count() == 2);
        assert_eq!(tries(&ended), 1);
        ended.expect_code(3);
    });
}

fn nothing_of_a_try_is_seen_by_the_next() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (token, ready) = (place.file("token"), place.file("ready"));
        let program = workload_path().display().to_string();
        let script = format!(
            "[ -e {token} ] && echo stale token; [ -e {ready} ] && echo stale file; echo $NOTIFY_SOCKET
             [ $SHUTDOWN_ATTEMPT = 1 ] || exec {program} --look
             exec {program} --tell 'READY=1;WATCHDOG=1' --until {ready} --on TERM [ --await --exit 3 ] --serve"
        );
        let options = ["--retry", "1", "--retry-delay", SOON, "--watchdog", "300ms", "--ready", "notify"];
        let winddown = winddown.args(options).args(["--token", &token, "--ready-file", &ready]);
        let ended = shell(winddown, &script).run();
        let out = ended.out();
        assert!(out.contains(&"token readable".to_owned()), "the first one was asked: {out:?}");
        assert!(out.contains(&"readable false false".to_owned()), "{out:?}\n{}", ended.dump());
        assert!(!out.iter().any(|line| line.starts_with("stale")), "{out:?}");
        let sockets: Vec<_> = out.iter().filter(|line| line.starts_with("@winddown-")).collect();
        assert!(sockets.len() == 2 && sockets[0] != sockets[1], "{sockets:?}");
        ended.expect_code(0).expect_nothing_left();
    });
}

fn each_try_gets_what_winddown_was_given() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (inherited, _other) = std::io::pipe().expect("a pipe");
        let winddown = winddown.directory(place.path()).inherits(inherited.into());
        let winddown = winddown.args(["--retry", "1", "--retry-delay", SOON]);
        let ended = winddown.workload("--say fds --say cwd --say mask,ignored --exit 3").run();
        let out = ended.out();
        let (first, second) = out.split_at(out.len() / 2);
        assert!(first.len() >= 4 && first == second, "{out:?}");
        ended.expect_code(3);
    });
}

fn the_parent_learns_of_the_stop_that_ends_the_run() {
    guarded_or_not(|winddown| {
        let manager = Manager::new();
        let winddown = winddown.env("NOTIFY_SOCKET", manager.name());
        let winddown = winddown.args(["--retry", "2", "--retry-delay", SOON, "--watchdog", "200ms"]);
        let winddown = winddown.args(["--ready", "notify"]);
        let stopped = "--tell READY=1;WATCHDOG=1 --on TERM [ --exit 3 ] --print up --serve";
        let run = winddown.workload(stopped).start();
        run.wait_out_times("up", 3);
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3);
        let (_, before) = manager.until("STOPPING=1");
        assert_eq!(before.iter().filter(|text| text.contains("READY=1")).count(), 3, "{before:?}");
        assert_eq!(before.iter().filter(|text| text.contains("next try in 100ms")).count(), 2, "{before:?}");
        assert_eq!(
            before.iter().filter(|text| text.contains("STATUS=stopping try ")).count(),
            2,
            "{before:?}"
        );
    });
    // In a delay.
    let manager = Manager::new();
    let run = in_delay(Winddown::new().env("NOTIFY_SOCKET", manager.name()), 3);
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3);
    let (_, before) = manager.until("STOPPING=1");
    assert_eq!(before, ["STATUS=failed; next try in 1m\n"]);
}

fn lines_say_which_try_they_are_about() {
    let winddown = Winddown::new().args(["-v", "--retry", "1", "--retry-delay", SOON]);
    let ended = shell(winddown, "exit 3").run();
    for line in ended.err() {
        assert!(line.starts_with("winddown: try 1: ") || line.starts_with("winddown: try 2: "), "{line}");
    }
    let winddown =
        Winddown::new().args(["-v", "--retry", "1", "--retry-delay", SOON, "--log-format", "json"]);
    let ended = shell(winddown, "exit 3").run();
    let attempts: Vec<Value> =
        ended.err().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(attempts.iter().all(|line| line["attempt"] == 1 || line["attempt"] == 2), "{attempts:?}");
    assert_eq!(attempts.last().expect("a line")["attempt"], 2);
    // A run of one try has no number.
    let ended = shell(Winddown::new().args(["-v", "--log-format", "json"]), "exit 3").run();
    assert!(ended.err().iter().all(|line| !line.contains("attempt")), "{}", ended.dump());
    assert_eq!(
        shell(Winddown::new(), "echo $SHUTDOWN_ATTEMPT").env("SHUTDOWN_ATTEMPT", "9").run().out(),
        ["1"]
    );
}

fn bad_values_start_nothing() {
    let cases: [(&[&str], &str); 12] = [
        (&["--retry", "-2"], "use a number of retries such as 3, or forever"),
        (&["--retry", "-1"], "write forever"),
        (&["--retry", "3", "--retry-delay", "15m..4s"], "write 4s..15m"),
        (&["--retry", "3", "--retry-delay", "forever"], "use e.g. 10s"),
        (&["--retry", "3", "--max-crashes", "10/0s"], "it must be longer than 0"),
        (&["--retry", "3", "--max-crashes", "10"], "e.g. 10/1m"),
        (&["--retry", "3", "--permanent-exit", "256"], "from 1 to 255"),
        (&["--retry-delay", "1s"], "--retry-delay does nothing without --retry"),
        (&["--retry", "0", "--max-crashes", "3/1m"], "--max-crashes does nothing without --retry"),
        (&["--permanent-exit", "3"], "--permanent-exit does nothing without --retry"),
        (&["--retry-reset", "3s"], "--retry-reset does nothing without --retry"),
        (&["--retry", "3", "--leave-stragglers"], "--leave-stragglers does not go with --retry"),
    ];
    for (options, remedy) in cases {
        let ended = shell(Winddown::new().args(options), "echo started").run();
        assert_eq!(ended.err().len(), 1, "{}", ended.dump());
        assert!(ended.err()[0].contains(remedy), "{}", ended.dump());
        assert!(ended.out().is_empty(), "{options:?}");
        ended.expect_code(125);
    }
    let ended = shell(Winddown::new().env("WINDDOWN_MAX_CRASHES", "3/1m"), "echo started").run();
    assert!(ended.dump().contains("WINDDOWN_MAX_CRASHES does nothing without --retry"), "{}", ended.dump());
    ended.expect_code(125);
}
