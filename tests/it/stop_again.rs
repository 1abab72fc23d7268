//! A further signal during a stop: it is logged, passed on once, or ends the wait.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::builder::Winddown;
use crate::support::running::Running;
use crate::support::{TempDir, eventually, read_json, trials};

trials![
    a_repeated_term_is_reported_with_its_sender_and_not_passed_on,
    another_stop_signal_is_passed_on_once,
    the_signal_that_asked_is_not_passed_on_again,
    another_stop_signal_from_the_tree_is_not_passed_on,
    other_signals_are_forwarded_while_stopping,
    an_int_again_kills_at_once,
    an_int_again_after_a_term_kills_at_once,
    ints_in_quick_succession_are_one,
    ints_of_two_senders_are_no_repeat,
    a_second_sender_that_repeats_its_int_kills_at_once,
];

/// A stop in progress, with a workload that only reports the signals it gets.
fn stopping(options: &[&str], signal: i32) -> Running {
    let run = Winddown::new()
        .args(["-t", "20s"])
        .args(options)
        .workload("--on all [ ] --on USR2 [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(signal);
    run.wait_out("got");
    run
}

/// Sends a signal from another process, which is gone afterwards.
fn send_from_elsewhere(run: &Running, signal: &str) {
    let status = Command::new("sh").args(["-c", "kill -$0 $1", signal, &run.pid().to_string()]).status();
    assert!(status.expect("a shell").success());
}

/// Waits until this many lines on stderr contain this text.
#[track_caller]
fn wait_logged(run: &Running, part: &str, count: usize) {
    eventually(part, || run.err().iter().filter(|line| line.contains(part)).count() >= count);
}

#[track_caller]
fn pass(time: Duration, since: Instant) {
    eventually("the time is over", || since.elapsed() > time);
}

fn a_repeated_term_is_reported_with_its_sender_and_not_passed_on() {
    let run = stopping(&[], libc::SIGTERM);
    let own = format!("(pid {}, uid ", std::process::id());
    for count in 1..=3 {
        run.signal(libc::SIGTERM);
        wait_logged(&run, "while stopping: not passed on", count);
    }
    send_from_elsewhere(&run, "TERM");
    wait_logged(&run, "while stopping: not passed on", 4);
    run.signal(libc::SIGUSR2);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    let found: Vec<String> = ended.err().into_iter().filter(|line| line.contains("not passed on")).collect();
    assert!(found[..3].iter().all(|line| line.contains("SIGTERM from ") && line.contains(&own)), "{found:?}");
    assert!(found[3].contains("SIGTERM from ") && !found[3].contains(&own), "{found:?}");
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
}

fn another_stop_signal_is_passed_on_once() {
    let run = stopping(&["--stop-on", "TERM,INT,QUIT"], libc::SIGTERM);
    run.signal(libc::SIGQUIT);
    wait_logged(&run, "passed on once as SIGQUIT", 1);
    run.wait_out("got 3");
    run.signal(libc::SIGINT);
    wait_logged(&run, "passed on once as SIGINT", 1);
    run.wait_out("got 2");
    run.signal(libc::SIGQUIT);
    wait_logged(&run, "SIGQUIT from", 2);
    wait_logged(&run, "not passed on", 1);
    run.signal(libc::SIGUSR2);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGINT] {
        assert_eq!(ended.count_out(&format!("got {signal} ")), 1, "{}", ended.dump());
    }
}

/// No process gets the stop signal twice, even if winddown doesn't stop on that signal, or if another
/// signal would be rewritten to it.
fn the_signal_that_asked_is_not_passed_on_again() {
    for (options, again) in [
        (vec!["-s", "QUIT"], libc::SIGQUIT),
        (vec!["--map", "TERM=QUIT"], libc::SIGQUIT),
        (vec!["--map", "INT=TERM"], libc::SIGINT),
        (vec!["--map", "HUP=TERM"], libc::SIGHUP),
    ] {
        let run = stopping(&options, libc::SIGTERM);
        run.signal(again);
        wait_logged(&run, "while stopping: not passed on", 1);
        run.signal(libc::SIGUSR2);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out("got"), 2, "{options:?}\n{}", ended.dump());
    }
}

/// The sender is a descendant that lives on, and signals the process that callers see.
fn another_stop_signal_from_the_tree_is_not_passed_on() {
    let place = TempDir::new();
    let script = place.write("send", &format!("kill -INT $(cat {})\nexec sleep 50\n", place.file("pid")));
    let run = Winddown::new()
        .args(["-t", "20s"])
        .workload(&format!(
            "--spawn session sender [ --until {} --exec [ sh {script} ] ] \
             --on TERM,INT [ ] --on USR2 [ --kill sender KILL --exit 3 ] --print up --serve",
            place.file("go")
        ))
        .start();
    run.wait_out("up");
    place.write("pid", &run.pid().to_string());
    run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    place.write("go", "");
    wait_logged(&run, "SIGINT from", 1);
    let sender = format!("(pid {}, uid ", run.number("sender pid"));
    wait_logged(&run, &sender, 1);
    wait_logged(&run, "not passed on", 1);
    assert!(!run.out().iter().any(|line| line.starts_with("got 2 ")), "{:?}", run.out());
    // A signal from outside is passed on.
    run.signal(libc::SIGINT);
    run.wait_out("got 2 ");
    run.signal(libc::SIGUSR2);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    assert_eq!(ended.count_out("got 2 "), 1, "{}", ended.dump());
}

fn other_signals_are_forwarded_while_stopping() {
    let run = stopping(&[], libc::SIGTERM);
    for count in 1..=3 {
        run.signal(libc::SIGHUP);
        run.wait_out_times("got 1 ", count);
        run.queue(libc::SIGRTMIN(), count);
        run.wait_out_times("code -1", count);
    }
    run.signal(libc::SIGUSR2);
    run.wait().expect_code(3).expect_nothing_left();
}

fn an_int_again_kills_at_once() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "20s", "--record", &record])
        .workload("--spawn daemon-session d [ --ignore INT,TERM --serve ] --on INT [ ] --print up --serve")
        .start();
    run.wait_out("up");
    let first = run.signal(libc::SIGINT);
    run.wait_out("got 2");
    pass(Duration::from_millis(250), Instant::now());
    run.signal(libc::SIGINT);
    run.wait_err("SIGINT again from");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(first) < Duration::from_secs(15), "{}", ended.dump());
    assert_eq!(ended.count_out("got"), 1, "{}", ended.dump());
    let record = read_json(&record);
    assert_eq!(record["outcome"], "killed");
    assert_eq!(record["killed"].as_array().unwrap().len(), 2, "{record}");
}

fn an_int_again_after_a_term_kills_at_once() {
    let run = stopping(&[], libc::SIGTERM);
    run.signal(libc::SIGINT);
    run.wait_out("got 2");
    pass(Duration::from_millis(250), Instant::now());
    run.signal(libc::SIGINT);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.duration < Duration::from_secs(15), "{}", ended.dump());
    assert_eq!(ended.count_out("got"), 2, "{}", ended.dump());
}

/// On a busy machine winddown may take the second one late, and must then kill: such a run shows nothing.
fn ints_in_quick_succession_are_one() {
    for _ in 0..20 {
        let before = Instant::now();
        let run = stopping(&[], libc::SIGINT);
        run.signal(libc::SIGINT);
        // winddown takes this after the INT: the answer shows that it has seen both.
        run.queue(libc::SIGRTMIN(), 1);
        let is_killing = || run.err().iter().any(|line| line.contains("again from"));
        eventually("an answer", || is_killing() || run.out().iter().any(|line| line.contains("code -1")));
        if is_killing() {
            assert!(before.elapsed() >= Duration::from_millis(200), "{:?}", run.err());
            continue;
        }
        run.signal(libc::SIGUSR2);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out("got 2 "), 1, "{}", ended.dump());
        return;
    }
    panic!("the second one was never taken within 200 ms");
}

fn ints_of_two_senders_are_no_repeat() {
    let run = stopping(&[], libc::SIGINT);
    pass(Duration::from_millis(250), Instant::now());
    send_from_elsewhere(&run, "INT");
    wait_logged(&run, "while stopping: not passed on", 1);
    run.signal(libc::SIGUSR2);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("got 2 "), 1, "{}", ended.dump());
}

fn a_second_sender_that_repeats_its_int_kills_at_once() {
    let run = stopping(&[], libc::SIGINT);
    let pid = run.pid().to_string();
    let script = "kill -INT $0; sleep 0.3; kill -INT $0";
    let status = Command::new("sh").args(["-c", script, &pid]).status();
    assert!(status.expect("a shell").success());
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.duration < Duration::from_secs(15), "{}", ended.dump());
}
