//! An interrupted run can be told from a completed one: by the outcome, and by `--interrupted-exit`.

use crate::guard::inner;
use crate::job_control::program;
use crate::parent;
use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::running::Ended;
use crate::support::{
    TempDir, eventually, file_lines, processes, read_json, short_or_long, trials, wait_file_line,
};

trials![
    a_clean_stop_that_a_signal_asked_for_has_the_status,
    nothing_else_has_it,
    a_request_counts_as_long_as_anything_is_left,
    a_request_that_came_before_the_end_counts,
    an_interrupt_at_a_terminal_counts,
    the_end_of_the_terminal_counts,
    the_end_of_the_parent_counts,
    whoever_takes_over_knows_whether_somebody_asked,
    needs("root", "pid-namespace") => as_pid_1_it_is_the_same,
    the_hook_after_the_end_sees_outcome_and_status,
];

const OPTIONS: [&str; 2] = ["--interrupted-exit", "75"];

/// The outcome and the status, which the record has as well.
fn outcome(record: &str, ended: &Ended) -> (String, i32) {
    let record = read_json(record);
    let status = ended.code().unwrap_or_else(|| 128 + ended.signal().expect("an end"));
    assert_eq!(record["exit_status"], status, "{record}");
    (record["outcome"].as_str().expect("an outcome").to_owned(), status)
}

fn expect(record: &str, ended: Ended, expected: (&str, i32)) {
    let (outcome, status) = outcome(record, &ended);
    assert_eq!((outcome.as_str(), status), expected, "{}", ended.dump());
    ended.expect_nothing_left();
}

fn a_clean_stop_that_a_signal_asked_for_has_the_status() {
    for (options, actions, expected) in [
        ([].as_slice(), "--exit 0", 75),
        (&[], "--exit 3", 3),
        (&["--remap-exit", "143=0"], "--die TERM", 75),
        (&["--remap-exit", "3=0,75=9"], "--exit 3", 75),
        (&["--remap-exit", "0=4"], "--exit 0", 4),
    ] {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let record = place.file("record");
            let run = winddown
                .args(OPTIONS)
                .args(["--record", &record])
                .args(options)
                .workload(&format!("--on TERM [ {actions} ] --print up --serve"))
                .start();
            run.wait_out("up");
            run.signal(libc::SIGTERM);
            expect(&record, run.wait(), ("stopped", expected));
        });
    }
}

fn nothing_else_has_it() {
    let clean = "--on TERM [ --exit 0 ] --serve";
    for (options, flags, expected) in [
        ([].as_slice(), "--exit 0", ("completed", 0)),
        (&[], "--spawn daemon d [ --on TERM [ --exit 1 ] --serve ] --exit 0", ("completed", 0)),
        (&["--run-limit", "2s"], clean, ("stopped", 124)),
        (&["--run-limit", "2s", "--remap-exit", "124=0"], clean, ("stopped", 0)),
        (&["--stop-after", "1s", "--preserve-status"], clean, ("stopped", 0)),
    ] {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let record = place.file("record");
            let winddown = winddown.args(OPTIONS).args(["--record", &record]).args(options);
            expect(&record, winddown.workload(flags).run(), expected);
        });
    }
}

/// The main process has ended by itself with 0, but what it left was still there.
fn a_request_counts_as_long_as_anything_is_left() {
    for (grace, is_being_asked) in [("30s", false), ("0", true)] {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let (record, go) = (place.file("record"), place.file("go"));
            let straggler =
                format!("--spawn session d [ --on TERM [ --print asked --until {go} --exit 0 ] --serve ]");
            let run = winddown
                .args(OPTIONS)
                .args(["-v", "--record", &record, "--straggler-grace", grace])
                .workload(&format!("{straggler} --say pid --exit 0"))
                .start();
            let main = run.number("pid");
            eventually("the main process is gone", || processes::info(main).is_none());
            if is_being_asked {
                run.wait_out("asked");
            }
            run.signal(libc::SIGTERM);
            run.wait_err("SIGTERM from");
            std::fs::write(&go, "").expect("a file");
            expect(&record, run.wait(), ("stopped", 75));
        });
    }
}

/// winddown did not come to take it before the workload had ended by itself.
fn a_request_that_came_before_the_end_counts() {
    for is_guarded in [true, false] {
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .args(OPTIONS)
            .args((!is_guarded).then_some("--no-guard"))
            .args(["--record", &record])
            .workload("--on USR1 [ --exit 0 ] --say pid --print up --serve")
            .start();
        run.wait_out("up");
        let main = run.number("pid");
        let supervisor = if is_guarded { inner(run.pid()) } else { run.pid() };
        let is = |pid, state| move || processes::state(pid) == Some(state);
        run.tag().signal(supervisor, libc::SIGSTOP);
        eventually("it is stopped", is(supervisor, 'T'));
        run.signal(libc::SIGTERM);
        if is_guarded {
            let outer = run.pid();
            let has_it = || !processes::has_pending(outer, libc::SIGTERM) && is(outer, 'S')();
            eventually("the outer process has passed it on", has_it);
        }
        run.tag().signal(main, libc::SIGUSR1);
        eventually("the main process has ended", is(main, 'Z'));
        run.tag().signal(supervisor, libc::SIGCONT);
        expect(&record, run.wait(), ("stopped", 75));
    }
}

/// The workload gets the key's signal from the kernel, and may be gone before winddown has taken its own.
fn an_interrupt_at_a_terminal_counts() {
    for options in [[].as_slice(), &["--no-guard"]] {
        for _ in 0..short_or_long(3, 30) {
            let place = TempDir::new();
            let file = place.file("record");
            let record = ["--record", file.as_str()];
            let options = OPTIONS.iter().chain(options).chain(&record).copied();
            let mut pty = program(options, "--on INT [ --exit 0 ] --print up --serve");
            pty.expect("up");
            pty.keys("\x03");
            assert_eq!(pty.wait().code(), Some(75), "{}", pty.screen());
            assert_eq!(read_json(&file)["outcome"], "stopped");
            pty.tag().assert_nothing_left();
        }
    }
}

fn the_end_of_the_terminal_counts() {
    for options in [[].as_slice(), &["--no-guard"]] {
        let options = OPTIONS.iter().chain(options).copied();
        let mut pty = program(options, "--on HUP [ --exit 0 ] --print up --serve");
        pty.expect("up");
        pty.hang_up();
        assert_eq!(pty.wait().code(), Some(75));
        pty.tag().assert_nothing_left();
    }
}

fn the_end_of_the_parent_counts() {
    for options in [[].as_slice(), &["--no-guard"]] {
        let place = TempDir::new();
        let (log, record) = (place.file("log"), place.file("record"));
        let mine = ["--stop-with-parent", "--record", &record];
        let options: Vec<&str> = OPTIONS.iter().chain(&mine).chain(options).copied().collect();
        let run = parent::start(&options, &log, "--on TERM [ --exit 0 ] --print up --serve");
        wait_file_line(&log, "up");
        run.signal(libc::SIGKILL);
        eventually("the record is written", || std::path::Path::new(&record).exists());
        let record = read_json(&record);
        assert_eq!((&record["outcome"], &record["exit_status"]), (&"stopped".into(), &75.into()), "{record}");
        eventually("nothing is left", || run.tag().living().is_empty());
    }
}

/// The inner process is killed when the main process has ended with 0, and something is left.
fn whoever_takes_over_knows_whether_somebody_asked() {
    for (is_asked, expected) in [(true, ("stopped", 75)), (false, ("completed", 0))] {
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .args(OPTIONS)
            .args(["--record", &record, "--straggler-grace", "30s", "-t", "30s"])
            .workload(
                "--spawn session d [ --on TERM [ --print asked ] --on USR1 [ --exit 0 ] --serve ] \
                 --on TERM,USR1 [ --exit 0 ] --say pid --print up --serve",
            )
            .start();
        run.wait_out("up");
        let (main, straggler) = (run.number("pid"), run.number("d pid"));
        if is_asked {
            run.signal(libc::SIGTERM);
            run.wait_out("asked");
        } else {
            run.tag().signal(main, libc::SIGUSR1);
        }
        eventually("the main process is gone", || processes::info(main).is_none());
        let (inner, straggler) = (inner(run.pid()), run.tag().pin(straggler));
        eventually("the end is on the page", || processes::state(inner) == Some('S'));
        run.tag().signal(inner, libc::SIGKILL);
        run.wait_err("winddown itself was killed");
        straggler.signal(libc::SIGUSR1);
        expect(&record, run.wait(), expected);
    }
}

fn as_pid_1_it_is_the_same() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .pid_1()
        .args(OPTIONS)
        .args(["--record", &record])
        .workload("--on TERM [ --exit 0 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    expect(&record, run.wait(), ("stopped", 75));
}

fn the_hook_after_the_end_sees_outcome_and_status() {
    for (is_asked, expected) in [(true, "stopped 75"), (false, "completed 0")] {
        let place = TempDir::new();
        let told = place.file("told");
        let hook = format!("sh -c 'echo $SHUTDOWN_OUTCOME $SHUTDOWN_EXIT_STATUS >{told}'");
        let run = Winddown::new()
            .args(OPTIONS)
            .args(["--post-stop", &hook])
            .workload("--on TERM,USR1 [ --exit 0 ] --say pid --print up --serve")
            .start();
        run.wait_out("up");
        if is_asked {
            run.signal(libc::SIGTERM);
        } else {
            run.tag().signal(run.number("pid"), libc::SIGUSR1);
        }
        run.wait().expect_code(if is_asked { 75 } else { 0 }).expect_nothing_left();
        assert_eq!(file_lines(&told), [expected]);
    }
}
