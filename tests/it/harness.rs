//! The harness and the workload program work by themselves, without winddown.

use std::time::{Duration, Instant};

use crate::support::builder::{Stream, Winddown, workload_path};
use crate::support::lateness::{Machine, TOLERANCE, Verdict};
use crate::support::trial::summary;
use crate::support::{Pty, TempDir, eventually, needs, processes, read_json, trials};

trials![
    facts_are_those_of_the_start,
    each_signal_is_reported_once,
    spawned_processes_are_ready_and_found,
    no_stranger_is_signalled,
    needs("tini") => an_init_is_a_stand_in,
    needs("root", "pid-namespace") => the_pid_is_seen_from_outside_a_namespace,
    needs("bash") => a_shell_in_a_terminal,
    a_terminal_hangs_up,
    alone => storms_end_with_their_run,
    the_life_of_every_process_is_limited,
    an_unmet_need_has_its_reason,
    a_failure_is_summed_up_in_one_line,
    the_machine_is_watched,
    what_is_late_is_judged_by_how_late_the_machine_was,
];

fn facts_are_those_of_the_start() {
    let place = TempDir::new();
    let log = place.file("log");
    let ended = Winddown::bare()
        .workload(&format!("--log {log} --say mask,ignored,fds,cwd,args,env:A,env:B,sid,pid,tpgid"))
        .more([b"--".as_slice(), b"a", b"", b"\xff"].map(std::os::unix::ffi::OsStrExt::from_bytes)
            as [&std::ffi::OsStr; 4])
        .env("A", "1 2")
        .directory(place.path())
        .stdin(Stream::Closed)
        .blocked([libc::SIGTERM])
        .ignored([libc::SIGPIPE, libc::SIGINT])
        .run()
        .expect_code(0)
        .expect_nothing_left();
    assert_eq!(ended.fact("mask"), "0000000000004000");
    assert_eq!(ended.fact("ignored"), "0000000000001002");
    assert_eq!(ended.fact("fds"), "1,2");
    assert_eq!(ended.fact("cwd"), place.path().to_str().unwrap());
    assert_eq!(ended.fact("args"), "61 - ff");
    assert_eq!(ended.fact("env:A"), "1 2");
    assert_eq!(ended.fact("env:B"), "");
    assert_eq!(ended.fact("sid"), ended.fact("pid"));
    assert_eq!(ended.fact("tpgid"), "-1");
    let logged = std::fs::read(&log).unwrap();
    assert_eq!(logged, ended.out_bytes());
    let record = place.write("record", "{\"outcome\": \"completed\"}");
    assert_eq!(read_json(record)["outcome"], "completed");
}

fn each_signal_is_reported_once() {
    let run = Winddown::bare()
        .workload("--on RTMIN+1,USR1 [ ] --on TERM [ --sleep 20 --die QUIT ] --print up --serve")
        .start();
    run.wait_out("up");
    let real_time = libc::SIGRTMIN() + 1;
    for value in 1..=50 {
        run.queue(real_time, value);
    }
    run.signal(libc::SIGUSR1);
    run.wait_out_times(&format!("got {real_time} code -1"), 50);
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_signal(libc::SIGQUIT);
    assert!(ended.since(asked) >= Duration::from_millis(20));
    let own = std::process::id();
    let values: Vec<String> =
        (1..=50).map(|value| format!("got {real_time} code -1 pid {own} value {value}")).collect();
    let mut got = ended.out();
    got.retain(|line| line.starts_with(&format!("got {real_time}")));
    assert_eq!(got, values);
    assert_eq!(ended.count_out(&format!("got 10 code 0 pid {own} value 0")), 1);
    assert_eq!(ended.count_out("got 15"), 1);
}

fn no_stranger_is_signalled() {
    let run = Winddown::bare().workload("--on TERM [ --wait c ] --spawn child c [ --serve ] --serve").start();
    let stranger = Winddown::bare().workload("--print up --serve").start();
    stranger.wait_out("up");
    assert!(run.tag().find(stranger.pid()).is_none());
    let child = run.tag().pin(run.number("c pid"));
    run.signal(libc::SIGTERM);
    child.signal(libc::SIGKILL);
    run.wait_out("c ended");
    // Reaped: from now on its id may be another's.
    let error = child.try_signal(libc::SIGKILL).expect_err("it has gone");
    assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
}

fn spawned_processes_are_ready_and_found() {
    let run = Winddown::bare()
        .workload(
            "--spawn child*2 c [ --on TERM [ --exit 3 ] --serve ] \
             --spawn session s [ --serve ] --spawn daemon d [ --serve ] \
             --spawn daemon-session ds [ --serve ] --spawn chain*3 n [ --serve ] \
             --spawn child stopped [ --stop ] --spawn child z [ --dead-leader --serve ] \
             --print up --kill c1 TERM --wait c1 --orphans 250 --exit 4",
        )
        .start();
    run.wait_out("orphans 250");
    let ended = run.wait().expect_code(4);
    assert_eq!(ended.count_out("c1 got 15 code 0"), 1);
    assert_eq!(ended.count_out("c1 ended exit 3"), 1);
    let mut names: Vec<_> = ended.tag().living().into_iter().map(|one| one.name).collect();
    names.sort();
    assert_eq!(names, ["c2", "d", "ds", "n1", "n2", "n3", "s", "stopped", "z"]);
    let pid = |name: &str| ended.fact(&format!("{name} pid")).parse::<i32>().unwrap();
    eventually("the stopped child is stopped", || processes::state(pid("stopped")) == Some('T'));
    eventually("the leader is dead", || processes::state(pid("z")) == Some('Z'));
    assert!(processes::is_alive(pid("z")));
    let pids: Vec<i32> = ended.tag().living().iter().map(|one| one.pid).collect();
    drop(ended);
    assert!(pids.iter().all(|&pid| !processes::is_alive(pid)));
}

fn an_init_is_a_stand_in() {
    let run = Winddown::new()
        .binary("tini")
        .args(["-s"])
        .workload("--on TERM [ --exit 7 ] --say pid,ppid --serve")
        .foreign_child("sleep 50")
        .start();
    assert_eq!(run.number("ppid"), run.pid());
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(7);
    let left: Vec<_> = ended.tag().living().into_iter().map(|one| one.name).collect();
    assert_eq!(left, ["sleep"]);
}

fn the_pid_is_seen_from_outside_a_namespace() {
    let run = Winddown::bare().pid_1().workload("--say pid --serve").start();
    assert_eq!(run.fact("pid"), "1");
    assert_eq!(processes::inner_pid(run.pid()), Some(1));
}

fn a_shell_in_a_terminal() {
    let mut pty = Pty::bash();
    let before = pty.modes();
    assert_eq!(pty.foreground(), pty.pid());
    pty.line("$WL --say pid,tpgid --on INT [ --exit 5 ] --read-line --print go --serve");
    let pid = pty.number("pid");
    assert_eq!(pty.number("tpgid"), pid);
    pty.wait_foreground(pid);
    pty.keys("hello\r");
    pty.expect("line hello");
    pty.expect("go");
    pty.keys("\x03");
    pty.expect("got 2 code 128 pid 0");
    pty.prompt();
    assert_eq!(pty.command("echo code=$?").lines().last(), Some("code=5"));
    assert_eq!(pty.count("got 2"), 1);
    pty.line("$WL --raw --serve");
    pty.expect("raw");
    assert_ne!(pty.modes(), before);
    pty.hang_up();
    pty.wait();
    pty.tag().assert_nothing_left();
}

fn a_terminal_hangs_up() {
    let place = TempDir::new();
    let log = place.file("log");
    let program = workload_path();
    let flags = format!("--log {log} --on HUP [ --exit 6 ] --print up --serve");
    let mut words = vec![program.to_str().unwrap()];
    words.extend(flags.split(' '));
    let mut pty = Pty::program(words);
    pty.expect("up");
    assert!(pty.hang_up().contains("up"));
    assert_eq!(pty.wait().code(), Some(6));
    assert!(std::fs::read_to_string(log).unwrap().contains("got 1 code 128 pid 0"));
}

fn storms_end_with_their_run() {
    let run = Winddown::bare().workload("--ignore TERM,INT --storm 1 --chase 1 --print up --serve").start();
    run.wait_out("up");
    eventually("the storm rages", || run.tag().living().len() > 5);
    let tag = run.tag().value().to_owned();
    drop(run);
    let variable = format!("{}={tag}", processes::TAG);
    let found = processes::all().into_iter().filter(|one| {
        let environment = std::fs::read(format!("/proc/{}/environ", one.pid)).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&variable)
    });
    assert_eq!(found.map(|one| one.name).collect::<Vec<_>>(), Vec::<String>::new());
}

fn the_life_of_every_process_is_limited() {
    let ended = Winddown::bare()
        .workload("--life 60 --ignore all --block all --spawn daemon d [ --serve ] --stop --serve")
        .run()
        .expect_signal(libc::SIGKILL)
        .expect_nothing_left();
    assert!(ended.duration >= Duration::from_millis(60));
}

fn an_unmet_need_has_its_reason() {
    let reason = needs::missing("a-program-nobody-has");
    assert_eq!(reason.as_deref(), Some("needs a-program-nobody-has, which is not installed"));
    assert_eq!(needs::missing("sh"), None);
}

fn a_failure_is_summed_up_in_one_line() {
    assert_eq!(summary("no end\n--- stdout"), "no end");
    let snapshot = "\n---- expected: tests/it/x.rs:5:9\n++++ actual:   In-memory\n   1    1 | a\n   2      - x\n        2 + b\n";
    assert_eq!(summary(snapshot), "expected: tests/it/x.rs:5:9: - x + b");
}

fn the_machine_is_watched() {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(50));
    let end = Instant::now();
    let machine = Machine::between(start, end);
    assert!(machine.length >= end - start, "{machine:?}");
    assert!(machine.length >= machine.late, "{machine:?}");
}

fn what_is_late_is_judged_by_how_late_the_machine_was() {
    let milliseconds = Duration::from_millis;
    let judge = |times: [u64; 4]| {
        let [time, late, waited, crowded] = times.map(milliseconds);
        Machine { length: milliseconds(1000), late, waited, crowded }.judge(time)
    };
    assert_eq!(TOLERANCE, milliseconds(100));
    assert_eq!(judge([100, 0, 0, 0]), Verdict::InTime);
    assert_eq!(judge([101, 0, 500, 500]), Verdict::Late);
    assert_eq!(judge([150, 50, 0, 0]), Verdict::InTime);
    assert_eq!(judge([151, 50, 0, 0]), Verdict::Late);
    // Starved: a result that was still in time is a pass, and the rest is neither.
    assert_eq!(judge([100, 900, 900, 0]), Verdict::InTime);
    assert_eq!(judge([101, 501, 0, 0]), Verdict::NotJudged);
    assert_eq!(judge([101, 0, 501, 0]), Verdict::NotJudged);
    assert_eq!(judge([101, 0, 0, 501]), Verdict::NotJudged);
    assert_eq!(judge([5000, 5000, 0, 0]), Verdict::NotJudged);
}
