//! PID 1 of a PID namespace: what the kernel does differently for this process.

use std::time::Duration;

use snapbox::str;

use crate::support::builder::{Winddown, workload_path};
use crate::support::running::{Ended, Running};
use crate::support::snapshot::expect_log;
use crate::support::{Pty, TempDir, eventually, holds_within, processes, read_json, trials};

trials![
    needs("root", "pid-namespace") => stop_signals_reach_pid_1,
    needs("root", "pid-namespace") => a_stop_from_inside_has_a_name,
    needs("root", "pid-namespace") => a_name_is_not_taken_from_another_namespace,
    needs("root", "pid-namespace") => every_signal_is_passed_on,
    needs("root", "pid-namespace") => stragglers_are_stopped_before_pid_1_exits,
    needs("root", "pid-namespace") => an_old_daemon_is_asked_after_the_main_process,
    needs("root", "pid-namespace", "nsenter") => nobody_is_killed_before_the_deadline,
    needs("root", "pid-namespace", "nsenter") => who_came_from_outside_is_neither_asked_nor_waited_for,
    needs("root", "pid-namespace") => a_limit_of_zero_kills_at_once,
    needs("root", "pid-namespace") => nothing_outlives_a_killed_pid_1,
    needs("root", "pid-namespace", "bash") => job_control_around_pid_1,
    needs("root", "pid-namespace") => without_any_proc,
    alone needs("root", "pid-namespace") => orphans_are_reaped,
    alone needs("root", "pid-namespace") => many_deaths_of_one_signal_are_all_reaped,
    alone needs("root", "pid-namespace") => storms_are_killed,
];

// Trap 20: a signal for which PID 1 has no handler does not reach it.
fn stop_signals_reach_pid_1() {
    for (signal, number) in [("SIGTERM", libc::SIGTERM), ("SIGINT", libc::SIGINT)] {
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .pid_1()
            .args(["--record", &record])
            .workload("--on all [ --exit 3 ] --say ppid --print up --serve")
            .start();
        run.wait_out("up");
        assert_eq!(run.number("ppid"), 1);
        assert_eq!(processes::children(run.pid()).len(), 1, "no second process: the kernel is the guard");
        run.signal(number);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out(&format!("got {number} code 0 pid 1 ")), 1, "{}", ended.dump());
        let log: Vec<String> = ended.err().iter().map(|line| line.replace(signal, "[SIGNAL]")).collect();
        expect_log(
            &log,
            str![[r#"
winddown: [SIGNAL] from outside the container (pid [PID], uid 0): stopping workload (pid [PID]), SIGKILL in 8s (default)
winddown: stopped in [TIME] of 8s: workload (pid [PID]) exited with 3
"#]],
        );
        let record = read_json(&record);
        assert_eq!(record["stop"]["sender"]["pid"], 0, "{record}");
        assert_eq!(record["outcome"], "stopped", "{record}");
    }
}

/// Inside the namespace winddown is PID 1, and the child has a pid of its own.
const ASKER: &str = "--on TERM [ --exit 3 ] --spawn child asker [ --kill 1 TERM --serve ] --serve";

/// Its log; its own pid there is `[ASKER]`.
fn asked_by(ended: &Ended) -> Vec<String> {
    let pid = format!("pid {},", ended.fact("asker pid"));
    ended.err().iter().map(|line| line.replace(&pid, "pid [ASKER],")).collect()
}

fn a_stop_from_inside_has_a_name() {
    let ended = Winddown::new().pid_1().workload(ASKER).run().expect_code(3).expect_nothing_left();
    expect_log(
        &asked_by(&ended),
        str![[r#"
winddown: SIGTERM from asker (pid [ASKER], uid 0): stopping workload (pid [PID]), SIGKILL in 8s (default)
winddown: workload (pid [PID]) exited with 3 after [TIME]; asking 1 straggler: asker (pid [PID])
winddown: stopped in [TIME] of 8s: workload (pid [PID]) exited with 3
"#]],
    );
}

/// In the caller's /proc the same pid belongs to a stranger.
fn a_name_is_not_taken_from_another_namespace() {
    let run = Winddown::new().prefix(["unshare", "--pid", "--fork"]).workload(ASKER);
    let ended = run.run().expect_code(3).expect_nothing_left();
    expect_log(
        &asked_by(&ended),
        str![[r#"
winddown: SIGTERM from a process (pid [ASKER], uid 0): stopping workload (pid [PID]), SIGKILL in 8s (default)
winddown: workload (pid [PID]) exited with 3 after [TIME]; asking 1 straggler: pid [PID]
winddown: stopped in [TIME] of 8s: workload (pid [PID]) exited with 3
"#]],
    );
}

/// Every signal that can be forwarded and is no stop request, except those that stop a process.
fn every_signal_is_passed_on() {
    let stays = [
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGCHLD,
        libc::SIGTTIN,
        libc::SIGTTOU,
        32,
        33,
    ];
    let run =
        Winddown::new().pid_1().workload("--on all [ ] --on TERM [ --exit 3 ] --print up --serve").start();
    run.wait_out("up");
    let signals: Vec<i32> = (1..=64).filter(|signal| !stays.contains(signal)).collect();
    for &signal in &signals {
        if signal < 32 {
            run.signal(signal);
            run.wait_out(&format!("got {signal} code 0 pid 1 value 0"));
        } else {
            run.queue(signal, 7);
            run.wait_out(&format!("got {signal} code -1 pid 0 value 7"));
        }
    }
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("got "), signals.len() + 1, "{}", ended.dump());
}

// Trap 13: when PID 1 exits, the kernel kills all other processes.
fn stragglers_are_stopped_before_pid_1_exits() {
    let saves = "--on TERM [ --sleep 300 --print saved --exit 0 ] --serve";
    let run = Winddown::new()
        .pid_1()
        .args(["-t", "10s"])
        .workload(&format!(
            "--spawn child a [ {saves} ] --spawn session b [ {saves} ] --spawn daemon c [ {saves} ] \
             --spawn daemon-session d [ {saves} ] --on TERM [ --exit 3 ] --print up --serve"
        ))
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("saved"), 4, "{}", ended.dump());
    assert!(ended.since(asked) < Duration::from_secs(8), "{}", ended.dump());
}

fn an_old_daemon_is_asked_after_the_main_process() {
    let run = Winddown::new()
        .pid_1()
        .workload(
            "--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] \
             --on TERM [ --sleep 200 --print done --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    let out = ended.out();
    let at = |part: &str| out.iter().position(|line| line.starts_with(part));
    assert!(at("done").is_some() && at("done") < at("d got 15"), "{}", ended.dump());
}

/// Starts the workload program in winddown's PID namespace, but not as its descendant, like `docker exec`.
fn join(run: &Running, flags: &str) -> Running {
    let pid = run.pid().to_string();
    Winddown::bare()
        .command(["nsenter", "--target", &pid, "--pid", "--mount"])
        .more([workload_path()])
        .more(flags.split(' '))
        .start()
}

/// `kill(-1)` would reach every process in the namespace, so winddown uses it only at the end.
fn nobody_is_killed_before_the_deadline() {
    let deaf = "--ignore TERM --serve";
    let run = Winddown::new()
        .pid_1()
        .args(["-t", "2s"])
        .workload(&format!(
            "--spawn child a [ {deaf} ] --spawn session b [ {deaf} ] --spawn daemon-session c [ {deaf} ] \
             --spawn session e [ --dead-leader {deaf} ] --on TERM [ ] --print up --serve"
        ))
        .start();
    run.wait_out("up");
    let joined = join(&run, "--on all [ ] --print up --serve");
    joined.wait_out("up");
    let living = run.tag().living().len();
    let asked = run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    let all_there = |run: &Running| run.tag().living().len() == living;
    let mut looked = 0;
    holds_within(Duration::from_millis(1700), || {
        let now = asked.elapsed();
        let there = all_there(&run);
        // A scan that took long says nothing about the time before the deadline.
        assert!(there || asked.elapsed() > Duration::from_secs(2), "killed within {now:?}: {:?}", run.err());
        looked += 1;
        false
    });
    assert!(looked > 0);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_secs(2), "{}", ended.dump());
    let joined = joined.wait().expect_nothing_left();
    assert_eq!(joined.count_out("got "), 0, "{}", joined.dump());
    assert_eq!(ended.count_out("got "), 1, "{}", ended.dump());
}

fn who_came_from_outside_is_neither_asked_nor_waited_for() {
    let run =
        Winddown::new().pid_1().workload("--on TERM [ --sleep 300 --exit 3 ] --print up --serve").start();
    run.wait_out("up");
    let joined = join(&run, "--on all [ ] --print up --serve");
    joined.wait_out("up");
    join(&run, "--orphans 50 --exit 4").wait().expect_code(4);
    let pid_1 = run.pid();
    eventually("its orphans are reaped", || processes::children(pid_1).len() == 1);
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(7), "{}", ended.dump());
    expect_log(
        &ended.err(),
        str![[r#"
winddown: SIGTERM from outside the container (pid [PID], uid 0): stopping workload (pid [PID]), SIGKILL in 8s (default)
winddown: stopped in [TIME] of 8s: workload (pid [PID]) exited with 3
"#]],
    );
    let joined = joined.wait().expect_nothing_left();
    assert_eq!(joined.count_out("got "), 0, "{}", joined.dump());
}

fn a_limit_of_zero_kills_at_once() {
    let run = Winddown::new()
        .pid_1()
        .args(["-t", "0"])
        .workload("--spawn session s [ --on all [ ] --serve ] --on all [ ] --print up --serve")
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(5), "{}", ended.dump());
    assert_eq!(ended.count_out("got "), 0, "{}", ended.dump());
}

fn nothing_outlives_a_killed_pid_1() {
    let run = Winddown::new()
        .pid_1()
        .workload("--spawn daemon-session d [ --ignore all --serve ] --ignore all --print up --serve")
        .start();
    run.wait_out("up");
    let killed = run.signal(libc::SIGKILL);
    let ended = run.wait().expect_nothing_left();
    assert!(ended.since(killed) < Duration::from_secs(5), "{}", ended.dump());
}

/// PID 1 can't be stopped from inside its namespace; the rest of the job can, and is continued.
fn job_control_around_pid_1() {
    let mut pty = Pty::bash();
    pty.line(
        "unshare --pid --fork --mount-proc $WD -- $WL --on INT [ --exit 5 ] --print up --read-line --serve",
    );
    pty.expect("up");
    pty.keys("\x1a");
    // Before or after the shell's own line, but not within the next typed line.
    eventually("winddown logs it", || pty.count("was stopped; SIGCONT resumes it") == 1);
    pty.prompt();
    assert!(pty.command("jobs").contains("Stopped"), "{}", pty.screen());
    pty.line("fg");
    pty.expect("unshare");
    pty.keys("hello\r");
    pty.expect("line hello");
    pty.keys("\x03");
    pty.prompt();
    assert_eq!(pty.command("echo code=$?").lines().last(), Some("code=5"), "{}", pty.screen());
    assert_eq!(pty.count("got 2 code 128 pid 0"), 1, "{}", pty.screen());
    assert_eq!(pty.count("got 2 "), 1, "{}", pty.screen());
    pty.line("exit");
    pty.wait();
    pty.tag().assert_nothing_left();
}

/// Neither its own /proc nor another's: an empty directory.
fn without_any_proc() {
    let flags = "--spawn daemon-session d [ --on TERM [ --print saved --exit 0 ] --serve ] \
                 --spawn session deaf [ --ignore TERM --serve ] --on TERM [ --exit 3 ] --print up --serve";
    let script = "mount -t tmpfs none /proc && exec \"$@\"";
    let run = Winddown::new()
        .prefix(["unshare", "--pid", "--fork", "--mount", "sh", "-c", script, "sh"])
        .args(["-t", "2s"])
        .workload(flags)
        .start();
    run.wait_out("up");
    let inner = || processes::children(run.pid()).first().map(|process| process.pid);
    let asked = run.tag().signal(inner().expect("PID 1"), libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_secs(2), "{}", ended.dump());
    assert_eq!(ended.count_out("d saved"), 1, "{}", ended.dump());
    expect_log(
        &ended.err()[..3],
        str![[r#"
winddown: SIGTERM from outside the container (pid [PID], uid 0): stopping workload (pid [PID]), SIGKILL in 2s (-t)
winddown: workload (pid [PID]) exited with 3 after [TIME]; asking 2 stragglers: pid [PID], pid [PID]
winddown: [TIME] left; still there: pid [PID]
"#]],
    );
    assert!(ended.err().iter().any(|line| line.contains("SIGKILL after ")), "{}", ended.dump());
}

// Traps 3 and 4: deaths that are faster than their signals.
fn orphans_are_reaped() {
    let run =
        Winddown::new().pid_1().workload("--orphans 3000 --on TERM [ --exit 3 ] --print up --serve").start();
    run.wait_out("up");
    let pid_1 = run.pid();
    eventually("none is left as a zombie", || processes::children(pid_1).len() == 1);
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3).expect_nothing_left();
}

/// PID 1 is stopped while its children die, and the kernel keeps one SIGCHLD for all of them.
fn many_deaths_of_one_signal_are_all_reaped() {
    let run = Winddown::new()
        .pid_1()
        .workload("--on USR1 [ --orphans 500 ] --on TERM [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    let pid_1 = run.pid();
    let main = processes::children(pid_1)[0].pid;
    run.signal(libc::SIGSTOP);
    eventually("PID 1 is stopped", || processes::state(pid_1) == Some('T'));
    run.tag().signal(main, libc::SIGUSR1);
    run.wait_out("orphans 500");
    let zombies = || processes::children(pid_1).into_iter().filter(|process| process.state == 'Z').count();
    eventually("they wait for PID 1", || zombies() == 500);
    run.signal(libc::SIGCONT);
    eventually("all are reaped", || processes::children(pid_1).len() == 1);
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3).expect_nothing_left();
}

fn storms_are_killed() {
    let run = Winddown::new()
        .pid_1()
        .args(["-t", "300ms"])
        .workload("--ignore TERM --storm 2 --chase 2 --print up --serve")
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.dump());
    assert_eq!(ended.count_out("over"), 0, "{}", ended.dump());
}
