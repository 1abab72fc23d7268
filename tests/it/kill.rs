//! SIGKILL at the end: everybody, wherever they hide, until nobody is left.

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::builder::{Stream, Winddown};
use crate::support::running::Ended;
use crate::support::{TempDir, eventually, processes, read_json, trials};

trials![
    alone => the_whole_tree_is_killed_and_recorded,
    alone => everybody_in_a_long_chain_is_recorded,
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

/// Late by this at most, also on a busy machine. Never early.
const SLACK: Duration = Duration::from_secs(5);

/// The names of those in the record who had to be killed.
fn killed(record: &Value) -> BTreeSet<String> {
    let all = record["killed"].as_array().expect("a list of processes");
    let names: BTreeSet<_> = all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), all.len(), "{record}");
    names
}

/// The pids of those in the record who had to be killed.
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
    assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.told());
    assert!(ended.since(asked) < SLACK, "{}", ended.told());
    let record = read_json(&record);
    let names = "workload a b c d e f g h n1 n2 n3 n4 n5 stopped headless lost";
    assert_eq!(killed(&record), names.split(' ').map(str::to_owned).collect(), "{record}");
    let mut pids = killed_pids(&record);
    assert!(pids.remove(&i32::try_from(record["main"]["pid"].as_i64().unwrap()).unwrap()), "{record}");
    let told = ended.out().into_iter().filter_map(|line| line.split_once(" pid ")?.1.parse().ok());
    assert_eq!(pids, told.collect(), "{}", ended.told());
    let line = ended.err().into_iter().find(|line| line.contains("SIGKILL after")).unwrap();
    assert!(line.contains("to 17 processes") && line.contains("more"), "{line}");
    assert_eq!(record["outcome"], "killed");
    assert_eq!(record["exit"]["signal"], "KILL");
    assert_eq!(record["survivors"].as_array().unwrap().len(), 0, "{record}");
}

/// The group gets SIGKILL at one moment: its processes die, and lose their parents, while winddown is
/// looking for them.
fn everybody_in_a_long_chain_is_recorded() {
    for _ in 0..3 {
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .args(["-t", "100ms", "--record", &record])
            .workload("--ignore TERM --spawn chain*150 n [ --ignore TERM --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert!(ended.since(asked) < SLACK, "{}", ended.told());
        assert_eq!(killed_pids(&read_json(&record)).len(), 151, "{}", ended.told());
        assert!(ended.err().iter().any(|line| line.contains("to 151 processes")), "{}", ended.told());
    }
}

fn a_stopped_main_process_is_killed() {
    // It stops again whenever it is let go on, and never comes to acting on the signal.
    let run = Winddown::new()
        .args(["-t", "400ms"])
        .workload("--ignore TERM --spawn child c [ --ignore TERM --stop --serve ] --say pid --stop --serve")
        .start();
    let main = run.number("pid");
    eventually("it is stopped", || processes::state(main) == Some('T'));
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_millis(400), "{}", ended.told());
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

/// Stops a run of something that forks without end, and expects nothing of it to be left.
#[track_caller]
fn stop_forking(winddown: Winddown, flags: &str) -> Ended {
    let run = winddown.args(["-t", "300ms"]).workload(&format!("{flags} --print up --serve")).start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.told());
    assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.told());
    // Whoever ended by itself was no test.
    assert_eq!(ended.count_out("over"), 0, "{}", ended.told());
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
    assert!(ended.err().iter().any(|line| line.contains("to 1 process: workload")), "{}", ended.told());
    assert!(ended.err().iter().any(|line| line.contains("left; still there: workload")), "{}", ended.told());
}

/// Each of these runs ends either way, but says the same in every place.
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
            assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.told());
            assert_eq!((&record["outcome"], number_killed), (&"killed".into(), 1), "{record}");
            assert_eq!(record["exit"]["signal"], "KILL");
        }
    }
    assert!((1..count).contains(&own), "{own} of {count} ended by themselves: that is no test of both");
}

/// A pipe that nobody reads and that holds no byte more.
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
    assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.told());
    assert!(ended.since(asked) < SLACK, "{}", ended.told());
    drop(reader);
}

/// At the kill nobody was ever looked at, and the next process is always somewhere else.
fn what_turns_up_after_sigkill_is_killed_too() {
    for _ in 0..10 {
        let start = Instant::now();
        let run = Winddown::new()
            .args(["-t", "0"])
            .workload("--chase 1 --spawn session s [ --chase 1 --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert!(start.elapsed() < Duration::from_secs(10), "{}", ended.told());
    }
}

/// It begins just before the stop: in a second or two it would be over by itself.
fn what_forks_and_exits_without_a_pause_is_killed_soon() {
    for options in [&[][..], &["--no-guard"]] {
        for _ in 0..10 {
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
            assert_eq!(ended.count_out("over"), 0, "{}", ended.told());
            // Half of the kill wait.
            assert!(ended.since(asked) < Duration::from_millis(2500), "{}", ended.told());
        }
    }
}
