//! SIGKILL at the end: to every process, wherever it hides, until none is left.

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::builder::{Stream, Winddown};
use crate::support::running::Ended;
use crate::support::{TempDir, eventually, processes, read_json, short_or_long, trials};

trials![
    alone => the_whole_tree_is_killed_and_recorded,
    alone => everybody_in_a_long_chain_is_recorded,
    needs("bash") => the_child_that_a_shell_waits_for_is_recorded,
    a_stopped_main_process_is_killed,
    a_main_process_without_its_first_thread_is_asked_and_killed,
    alone => one_storm_is_killed,
    alone => several_storms_at_once_are_killed,
    alone => storms_in_sessions_of_their_own_are_killed,
    alone => chases_are_killed,
    alone => chases_and_storms_together_are_killed,
    alone needs("root", "pid-namespace") => a_chase_below_pid_1_is_killed,
    a_zombie_needs_no_kill,
    alone => an_exit_around_the_deadline_is_its_own_or_a_kill,
    a_full_stderr_does_not_delay_it,
    what_turns_up_after_sigkill_is_killed_too,
    alone => what_forks_and_exits_without_a_pause_is_killed_soon,
];

/// The names of the processes that had to be killed, by the record.
fn killed(record: &Value) -> BTreeSet<String> {
    let all = record["killed"].as_array().expect("a list of processes");
    let names: BTreeSet<_> = all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), all.len(), "{record}");
    names
}

/// The pids of the processes that had to be killed, by the record.
fn killed_pids(record: &Value) -> BTreeSet<i32> {
    let all = record["killed"].as_array().expect("a list of processes").iter();
    all.map(|one| i32::try_from(one["pid"].as_i64().unwrap()).unwrap()).collect()
}

fn the_whole_tree_is_killed_and_recorded() {
    let place = TempDir::new();
    let record = place.file("record");
    let deaf = "--ignore TERM --serve";
    // Trap 12: descendants that called setsid.
    let run = Winddown::new()
        .args(["-t", "300ms", "--record", &record])
        .workload(&format!(
            "--spawn child a [ --spawn child b [ {deaf} ] --spawn session c [ {deaf} ] {deaf} ] \
             --spawn group d [ {deaf} ] --spawn session e [ --spawn daemon-session f [ {deaf} ] {deaf} ] \
             --spawn daemon g [ {deaf} ] --spawn daemon-session h [ {deaf} ] \
             --spawn chain*5 n [ {deaf} ] --spawn session stopped [ --ignore TERM --stop ] \
             --spawn session headless [ --dead-leader {deaf} ] --spawn daemon lost [ --dead-leader {deaf} ] \
             --on TERM [ ] --print up --serve"
        ))
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(asked, Duration::from_millis(300));
    let record = read_json(&record);
    let names = "workload a b c d e f g h n1 n2 n3 n4 n5 stopped headless lost";
    assert_eq!(killed(&record), names.split(' ').map(str::to_owned).collect(), "{record}");
    let mut pids = killed_pids(&record);
    assert!(pids.remove(&i32::try_from(record["main"]["pid"].as_i64().unwrap()).unwrap()), "{record}");
    let found = ended.out().into_iter().filter_map(|line| line.split_once(" pid ")?.1.parse().ok());
    assert_eq!(pids, found.collect(), "{}", ended.dump());
    let line = ended.err().into_iter().find(|line| line.contains("SIGKILL after")).unwrap();
    assert!(line.contains("to 17 processes") && line.contains("more"), "{line}");
    assert_eq!(record["outcome"], "killed");
    assert_eq!(record["exit"]["signal"], "KILL");
    assert_eq!(record["survivors"].as_array().unwrap().len(), 0, "{record}");
}

/// The whole group gets SIGKILL at once: its processes die, and lose their parents, while winddown
/// scans for them.
fn everybody_in_a_long_chain_is_recorded() {
    for _ in 0..short_or_long(1, 3) {
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .args(["-t", "100ms", "--record", &record])
            .workload("--ignore TERM --spawn chain*150 n [ --ignore TERM --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_millis(100));
        assert_eq!(killed_pids(&read_json(&record)).len(), 151, "{}", ended.dump());
        assert!(ended.err().iter().any(|line| line.contains("to 151 processes")), "{}", ended.dump());
    }
}

/// A shell that is about to die reaps a child that dies first.
fn the_child_that_a_shell_waits_for_is_recorded() {
    let place = TempDir::new();
    let start = |number: usize| {
        let record = place.file(&number.to_string());
        let script = "trap : TERM; sh -c 'echo up; exec sleep 300'; echo";
        let run = Winddown::new().args(["-t", "100ms", "--record", &record]).command(["bash", "-c", script]);
        (run.start(), record)
    };
    for _ in 0..6 {
        let runs: Vec<_> = (0..6).map(start).collect();
        for (run, record) in runs {
            run.wait_out("up");
            run.signal(libc::SIGTERM);
            run.wait().expect_code(137).expect_nothing_left();
            assert_eq!(killed_pids(&read_json(&record)).len(), 2, "{record}");
        }
    }
}

fn a_stopped_main_process_is_killed() {
    // It stops again whenever it is continued, and never acts on the signal.
    let run = Winddown::new()
        .args(["-t", "400ms"])
        .workload("--ignore TERM --spawn child c [ --ignore TERM --stop --serve ] --say pid --stop --serve")
        .start();
    let main = run.number("pid");
    eventually("it is stopped", || processes::state(main) == Some('T'));
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_millis(400), "{}", ended.dump());
}

/// /proc calls such a process a zombie.
fn a_main_process_without_its_first_thread_is_asked_and_killed() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "1s", "--record", &record])
        .workload("--say pid --dead-leader --on TERM [ ] --print up --serve")
        .start();
    run.wait_out("up");
    let main = run.number("pid");
    eventually("its first thread has ended", || processes::state(main) == Some('Z'));
    run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    let half = run.wait_err("still there");
    assert!(half.contains(&format!("(pid {main})")), "{half}");
    run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(killed_pids(&read_json(&record)), BTreeSet::from([main]));
}

/// Stops a run of a workload that forks without end, and expects nothing to be left.
#[track_caller]
fn stop_forking(winddown: Winddown, flags: &str) -> Ended {
    let run = winddown.args(["-t", "300ms"]).workload(&format!("{flags} --print up --serve")).start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.dump());
    assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.dump());
    // A workload that ended by itself would test nothing.
    assert_eq!(ended.count_out("over"), 0, "{}", ended.dump());
    ended
}

fn one_storm_is_killed() {
    stop_forking(Winddown::new(), "--ignore TERM --storm 1");
}

fn several_storms_at_once_are_killed() {
    stop_forking(Winddown::new(), "--ignore TERM --storm 4");
}

fn storms_in_sessions_of_their_own_are_killed() {
    let storm = "[ --ignore TERM --storm 1 --serve ]";
    let flags = format!(
        "--spawn session a {storm} --spawn session b {storm} --spawn daemon-session c {storm} \
         --spawn daemon-session d {storm} --ignore TERM"
    );
    stop_forking(Winddown::new(), &flags);
}

fn chases_are_killed() {
    stop_forking(Winddown::new(), "--ignore TERM --chase 4");
    stop_forking(Winddown::new().args(["--no-guard"]), "--ignore TERM --chase 4");
}

fn chases_and_storms_together_are_killed() {
    let flags = "--ignore TERM --spawn session s [ --ignore TERM --storm 2 --serve ] --storm 1 --chase 3";
    stop_forking(Winddown::new(), flags);
}

fn a_chase_below_pid_1_is_killed() {
    stop_forking(Winddown::new().pid_1(), "--ignore TERM --storm 1 --chase 4");
}

fn a_zombie_needs_no_kill() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "600ms", "--record", &record])
        .workload("--ignore TERM --spawn child*3 z [ --exit 0 ] --say pid --print up --serve")
        .start();
    run.wait_out("up");
    let main = run.number("pid");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    let record = read_json(&record);
    assert_eq!(killed_pids(&record), BTreeSet::from([main]), "{record}");
    assert!(ended.err().iter().any(|line| line.contains("to 1 process: workload")), "{}", ended.dump());
    assert!(ended.err().iter().any(|line| line.contains("left; still there: workload")), "{}", ended.dump());
}

/// Each run may end either way, but all its reports must agree.
fn an_exit_around_the_deadline_is_its_own_or_a_kill() {
    let place = TempDir::new();
    let file = |busy: u32| place.file(&format!("record{busy}"));
    let start = |busy: u32| {
        let run = Winddown::new()
            .args(["-t", "300ms", "--record", &file(busy)])
            .workload(&format!("--on TERM [ --busy {busy} --exit 7 ] --print up --serve"))
            .start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        (busy, run, asked)
    };
    let runs: Vec<_> = (200..400).step_by(5).map(start).collect();
    let count = runs.len();
    let mut own = 0;
    for (busy, run, asked) in runs {
        let ended = run.wait().expect_nothing_left();
        let record = read_json(file(busy));
        let number_killed = killed_pids(&record).len();
        if ended.code() == Some(7) {
            own += 1;
            assert_eq!((&record["outcome"], number_killed), (&"stopped".into(), 0), "{record}");
            assert_eq!(record["exit"]["code"], 7);
        } else {
            let ended = ended.expect_code(137);
            assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.dump());
            assert_eq!((&record["outcome"], number_killed), (&"killed".into(), 1), "{record}");
            assert_eq!(record["exit"]["signal"], "KILL");
        }
    }
    assert!((1..count).contains(&own), "{own} of {count} ended by themselves: this does not test both");
}

/// A full pipe that is never read.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(writer.as_fd(), nix::fcntl::FcntlArg::F_SETFL(flags)).expect("a pipe's flags");
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    while nix::unistd::write(&writer, b"x").is_ok() {}
    let blocking = nix::fcntl::OFlag::empty();
    nix::fcntl::fcntl(writer.as_fd(), nix::fcntl::FcntlArg::F_SETFL(blocking)).expect("a pipe's flags");
    (reader, writer)
}

fn a_full_stderr_does_not_delay_it() {
    let (reader, writer) = full_pipe();
    let run = Winddown::new()
        .args(["-v", "-t", "300ms"])
        .stderr(Stream::Fd(writer))
        .workload("--spawn session s [ --ignore TERM --serve ] --ignore TERM --print up --serve")
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(asked, Duration::from_millis(300));
    drop(reader);
}

/// No scan came before the kill, and the next process is always somewhere else.
fn what_turns_up_after_sigkill_is_killed_too() {
    for _ in 0..short_or_long(3, 10) {
        let start = Instant::now();
        let run = Winddown::new()
            .args(["-t", "0"])
            .workload("--chase 1 --spawn session s [ --chase 1 --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert!(start.elapsed() < Duration::from_secs(10), "{}", ended.dump());
    }
}

/// It begins just before the stop, since it would be over by itself in a second or two.
fn what_forks_and_exits_without_a_pause_is_killed_soon() {
    for options in [&[][..], &["--no-guard"]] {
        for _ in 0..short_or_long(3, 10) {
            let run = Winddown::new()
                .args(["-t", "20ms"])
                .args(options)
                .workload("--ignore TERM --on USR1 [ --sprint 4 --print started ] --print up --serve")
                .start();
            run.wait_out("up");
            run.signal(libc::SIGUSR1);
            run.wait_out("started");
            let asked = run.signal(libc::SIGTERM);
            let ended = run.wait().expect_code(137).expect_nothing_left();
            assert_eq!(ended.count_out("over"), 0, "{}", ended.dump());
            // Half of the kill wait.
            assert!(ended.since(asked) < Duration::from_millis(2500), "{}", ended.dump());
        }
    }
}
