//! Which process is asked to stop, when, and with which signal: the main process first, each process once.

use std::time::Duration;

use serde_json::Value;
use snapbox::str;

use crate::support::builder::{Winddown, workload_path};
use crate::support::running::{Ended, Running};
use crate::support::snapshot::expect_log;
use crate::support::{TempDir, eventually, holds_within, processes, read_json, trials};

trials![
    the_main_process_is_asked_alone_then_whoever_lost_its_parent,
    a_parent_that_dies_during_the_stop_hands_on_the_question,
    a_daemon_from_before_is_asked_when_the_main_process_has_gone,
    needs("dash") => a_server_behind_a_shell_keeps_its_work,
    a_chain_like_npm_keeps_its_work,
    a_task_queue_with_forked_workers_keeps_its_tasks,
    all_are_asked_at_one_moment,
    stragglers_are_asked_with_term_or_the_given_signal,
    a_given_signal_asks_in_place_of_the_one_received,
    a_stopped_main_process_goes_on_after_the_signal,
    stopped_stragglers_go_on_after_the_signal,
    a_stopped_process_goes_on_when_all_are_asked,
    a_main_process_that_stops_while_terminating_goes_on,
    a_shell_that_waits_is_reported_once,
    a_script_that_waits_is_reported_by_its_shell,
    a_shell_whose_child_was_asked_is_not_reported,
];

/// The position of a line in the output.
#[track_caller]
fn place_of(ended: &Ended, line: &str) -> usize {
    let found = ended.out().iter().position(|one| one.starts_with(line));
    found.unwrap_or_else(|| panic!("no line {line:?}\n{}", ended.dump()))
}

/// Panics unless each of these processes (the main process is `""`) got TERM exactly once.
#[track_caller]
fn each_got_term_once(ended: &Ended, names: &[&str]) {
    for name in names {
        let blank = if name.is_empty() { "" } else { " " };
        let start = format!("{name}{blank}got 15");
        let count = ended.out().iter().filter(|line| line.starts_with(&start)).count();
        assert_eq!(count, 1, "{name:?}\n{}", ended.dump());
    }
}

/// The signals in the record for this purpose, with the names of their targets.
fn sent(record: &Value, purpose: &str) -> Vec<(String, String)> {
    let all = record["signals"].as_array().expect("a list of signals");
    let wanted = all.iter().filter(|one| one["purpose"] == purpose);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    wanted.map(|one| (text(&one["signal"]), text(&one["target"]["name"]))).collect()
}

fn the_main_process_is_asked_alone_then_whoever_lost_its_parent() {
    let run = Winddown::new()
        .workload(
            "--spawn child a [ \
                --spawn child leaf [ --on TERM [ --exit 0 ] --serve ] \
                --on TERM [ --sleep 150 --print leaving --exit 0 ] --serve ] \
             --spawn session b [ --on TERM [ --exit 0 ] --serve ] \
             --on TERM [ --sleep 150 --print leaving --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    each_got_term_once(&ended, &["", "a", "leaf", "b"]);
    let [main_left, a_left] = [place_of(&ended, "leaving"), place_of(&ended, "a leaving")];
    assert!(main_left < place_of(&ended, "a got 15"), "{}", ended.dump());
    assert!(main_left < place_of(&ended, "b got 15"), "{}", ended.dump());
    assert!(a_left < place_of(&ended, "leaf got 15"), "{}", ended.dump());
}

/// Its own parent reaps it: no signal informs winddown that it has adopted the grandchild.
fn a_parent_that_dies_during_the_stop_hands_on_the_question() {
    let run = Winddown::new()
        .workload(
            "--spawn child middle [ --spawn child leaf [ --on TERM [ --exit 0 ] --serve ] --serve ] \
             --on TERM [ --kill middle KILL --wait middle --sleep 1500 --print leaving --exit 3 ] \
             --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    each_got_term_once(&ended, &["", "leaf"]);
    assert!(place_of(&ended, "leaf got 15") < place_of(&ended, "leaving"), "{}", ended.dump());
}

fn a_daemon_from_before_is_asked_when_the_main_process_has_gone() {
    let run = Winddown::new()
        .workload(
            "--spawn daemon d [ --on TERM [ --exit 0 ] --serve ] \
             --spawn daemon-session s [ --on TERM [ --exit 0 ] --serve ] \
             --on TERM [ --sleep 300 --print leaving --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    each_got_term_once(&ended, &["", "d", "s"]);
    assert!(place_of(&ended, "leaving") < place_of(&ended, "d got 15"), "{}", ended.dump());
    assert!(place_of(&ended, "leaving") < place_of(&ended, "s got 15"), "{}", ended.dump());
}

/// A run of a shell script that starts the workload with these flags, between these two parts.
fn shell(options: &[&str], before: &str, flags: &str, after: &str) -> Running {
    let workload = workload_path();
    let script = format!("{before} {} {flags}; {after}", workload.display());
    Winddown::new().args(options).command(["sh", "-c", &script]).start()
}

/// Trap 13: the main process exits, children remain.
fn a_server_behind_a_shell_keeps_its_work() {
    let flags = "--on TERM [ --sleep 300 --print saved --exit 0 ] --print up --serve";
    let run = shell(&[], "", flags, "echo done");
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    run.wait_err("(pid ");
    let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.dump());
    each_got_term_once(&ended, &[""]);
    assert_eq!(ended.count_out("saved"), 1, "{}", ended.dump());
    assert_eq!(ended.count_out("done"), 0, "{}", ended.dump());
    expect_log(
        &ended.err(),
        str![[r#"
winddown: SIGTERM from [TEST]: stopping sh (pid [PID]), SIGKILL in 10s (default)
winddown: sh (pid [PID]) died of SIGTERM after [TIME]; asking 1 straggler: workload (pid [PID])
winddown: stopped in [TIME] of 10s: sh (pid [PID]) died of SIGTERM
"#]],
    );
}

/// npm passes TERM on to the shell that it runs the script with, and exits when that has died.
fn a_chain_like_npm_keeps_its_work() {
    let run = Winddown::new()
        .workload(
            "--spawn child sh [ \
                --spawn child server [ --on TERM [ --sleep 300 --print saved --exit 0 ] --serve ] \
                --wait-deaf server ] \
             --on TERM [ --kill sh TERM ] --print up --wait sh --exit 143",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(143).expect_nothing_left();
    each_got_term_once(&ended, &["", "server"]);
    assert_eq!(ended.count_out("sh ended signal 15"), 1, "{}", ended.dump());
    assert_eq!(ended.count_out("server saved"), 1, "{}", ended.dump());
}

fn a_task_queue_with_forked_workers_keeps_its_tasks() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["--record", &record])
        .workload(
            "--spawn child*4 w [ --on TERM [ --print lost --exit 1 ] --sleep 500 --print task ] \
             --on TERM [ --wait-deaf w1 --wait-deaf w2 --wait-deaf w3 --wait-deaf w4 --exit 0 ] \
             --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(0).expect_nothing_left();
    assert_eq!(ended.count_out("task"), 4, "{}", ended.dump());
    assert_eq!(ended.count_out("ended exit 0"), 4, "{}", ended.dump());
    assert_eq!(ended.count_out("got"), 1, "{}", ended.dump());
    let record = read_json(&record);
    assert_eq!(sent(&record, "ask").len(), 1, "{record}");
    assert_eq!(record["outcome"], "stopped");
}

fn all_are_asked_at_one_moment() {
    let place = TempDir::new();
    let record = place.file("record");
    let leave = "--on TERM [ --sleep 600 --exit 0 ] --serve";
    let run = Winddown::new()
        .args(["--to", "all", "--record", &record])
        .workload(&format!(
            "--spawn child a [ --spawn child leaf [ {leave} ] {leave} ] \
             --spawn session s [ {leave} ] --spawn daemon-session d [ {leave} ] \
             --on TERM [ --sleep 200 --exit 3 ] --print up --serve"
        ))
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    // The main process ends first: winddown doesn't ask the processes it leaves behind again.
    each_got_term_once(&ended, &["", "a", "leaf", "s", "d"]);
    let record = read_json(&record);
    let asks = sent(&record, "ask");
    assert_eq!(asks.len(), 5, "{record}");
    assert_eq!(asks[0], ("TERM".to_owned(), "workload".to_owned()), "{record}");
    let mut times = record["signals"].as_array().unwrap().iter().map(|one| &one["at_ms"]);
    let first = times.next().unwrap();
    assert!(times.all(|time| time == first), "{record}");
}

fn stragglers_are_asked_with_term_or_the_given_signal() {
    let flags = "--spawn child w [ --on TERM,INT,QUIT [ --exit 0 ] --serve ] \
                 --on TERM,INT,QUIT [ --exit 3 ] --print up --serve";
    for (options, received, main, straggler) in [
        (vec![], libc::SIGINT, "got 2", "w got 15"),
        (vec![], libc::SIGTERM, "got 15", "w got 15"),
        (vec!["-s", "QUIT"], libc::SIGTERM, "got 3", "w got 3"),
    ] {
        let run = Winddown::new().args(options).workload(flags).start();
        run.wait_out("up");
        run.signal(received);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out("got"), 2, "{}", ended.dump());
        assert!(place_of(&ended, main) < place_of(&ended, straggler), "{}", ended.dump());
    }
}

fn a_given_signal_asks_in_place_of_the_one_received() {
    for name in ["QUIT", "SIGINT", "3", "RTMIN+3", "KILL"] {
        let run = Winddown::new()
            .args(["--stop-signal", name])
            .workload("--on TERM [ ] --on QUIT,INT,RTMIN+3 [ --exit 3 ] --print up --serve")
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait();
        if name == "KILL" {
            let ended = ended.expect_signal(libc::SIGKILL);
            assert_eq!(ended.count_out("got"), 0, "{}", ended.dump());
        } else {
            let ended = ended.expect_code(3);
            assert_eq!(ended.count_out("got"), 1, "{name}\n{}", ended.dump());
        }
    }
}

#[track_caller]
fn wait_until_stopped(pid: i32) {
    eventually("it is stopped", || processes::state(pid) == Some('T'));
}

/// Trap 10: a stopped child.
fn a_stopped_main_process_goes_on_after_the_signal() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["--record", &record])
        .workload("--on TERM [ --exit 3 ] --say pid --stop --serve")
        .start();
    wait_until_stopped(run.number("pid"));
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(ended.duration < Duration::from_secs(8), "{}", ended.dump());
    let record = read_json(&record);
    let signals: Vec<_> = record["signals"].as_array().unwrap().iter().map(|one| &one["signal"]).collect();
    assert_eq!(signals, ["TERM", "CONT"], "{record}");
}

/// Trap 10 for processes that are asked later.
fn stopped_stragglers_go_on_after_the_signal() {
    let run = Winddown::new()
        .workload(
            "--spawn child c [ --on TERM [ --exit 0 ] --stop --serve ] \
             --spawn daemon-session d [ --on TERM [ --exit 0 ] --stop --serve ] \
             --on TERM [ --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    wait_until_stopped(run.number("c pid"));
    wait_until_stopped(run.number("d pid"));
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    each_got_term_once(&ended, &["", "c", "d"]);
    assert!(ended.duration < Duration::from_secs(8), "{}", ended.dump());
}

fn a_stopped_process_goes_on_when_all_are_asked() {
    let run = Winddown::new()
        .args(["--to", "all"])
        .workload(
            "--spawn child c [ --spawn child leaf [ --on TERM [ --exit 0 ] --stop --serve ] \
                --on TERM [ --wait leaf --exit 0 ] --stop --serve ] \
             --on TERM [ --wait c --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    wait_until_stopped(run.number("c pid"));
    wait_until_stopped(run.number("leaf pid"));
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    each_got_term_once(&ended, &["", "c", "leaf"]);
    assert!(ended.duration < Duration::from_secs(8), "{}", ended.dump());
}

fn a_main_process_that_stops_while_terminating_goes_on() {
    let run = Winddown::new()
        .workload("--on TERM [ --print a --stop --print b --stop --print c --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(8), "{}", ended.dump());
}

/// The hint names the shell, its child and the remedy, 1 s after the signal; then the child ends.
#[track_caller]
fn expect_hint(run: Running, place: &TempDir, shell: &str) {
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let hint = run.wait_err("waits for");
    assert!(asked.elapsed() >= Duration::from_secs(1), "after {:?}", asked.elapsed());
    expect_log(
        &[hint.replace(shell, "[SHELL]")],
        str![
            "winddown: [SHELL] (pid [PID]) waits for workload (pid [PID]), which was not asked: start it with `exec` in the script, or use --to all"
        ],
    );
    // Several more scans of the tree follow.
    assert!(!holds_within(Duration::from_millis(700), || run.err().len() > 2), "{:?}", run.err());
    place.write("gate", "");
    let ended = run.wait().expect_code(5).expect_nothing_left();
    assert_eq!(ended.count_out("got"), 0, "{}", ended.dump());
}

fn a_shell_that_waits_is_reported_once() {
    let place = TempDir::new();
    let flags = format!("--on TERM [ ] --print up --until {}", place.file("gate"));
    let run = shell(&["-t", "20s"], "trap 'exit 5' TERM;", &flags, ":");
    expect_hint(run, &place, "sh");
}

/// The usual entry point of a container: the kernel names such a process after the script.
fn a_script_that_waits_is_reported_by_its_shell() {
    let place = TempDir::new();
    let flags = format!("--on TERM [ ] --print up --until {}", place.file("gate"));
    let text = format!("trap 'exit 5' TERM\n{} {flags}\n:\n", workload_path().display());
    let script = place.write("entry.sh", &format!("#!/bin/sh\n{text}"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("a file of ours");
    let run = Winddown::new().args(["-t", "20s"]).command([&script]).start();
    expect_hint(run, &place, "entry.sh");
}

fn a_shell_whose_child_was_asked_is_not_reported() {
    let flags = "--on TERM [ --sleep 1300 --exit 0 ] --print up --serve";
    let run = shell(&["-t", "20s", "--to", "all"], "trap 'exit 5' TERM;", flags, ":");
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(5).expect_nothing_left();
    expect_log(
        &ended.err(),
        str![[r#"
winddown: SIGTERM from [TEST]: stopping sh (pid [PID]), SIGKILL in 20s (-t)
winddown: stopped in [TIME] of 20s: sh (pid [PID]) exited with 5
"#]],
    );
}
