//! PID 1 of real containers, which are run, stopped, signalled and entered.

use std::time::{Duration, Instant};

use crate::support::builder::Winddown;
use crate::support::docker::{Container, WORKLOAD, image, image_with, label, words};
use crate::support::running::Ended;
use crate::support::{Pty, TempDir, eventually, holds_within, processes, read_json, trials};

trials![
    long needs("docker") => the_exit_status_is_passed_on,
    long needs("docker") => docker_stop_is_graceful,
    long needs("docker") => an_impatient_engine_kills_first,
    long needs("docker") => the_limit_is_over_before_a_patient_engine_kills,
    long needs("docker") => the_default_limit_is_over_before_the_engine_kills,
    long needs("docker") => docker_kill_sends_a_reload,
    long needs("docker") => an_image_with_another_stop_signal,
    long needs("docker") => stragglers_get_their_share_before_pid_1_exits,
    long needs("docker") => no_zombie_is_left_of_1000_orphans,
    long needs("docker") => executed_processes_are_left_alone_until_the_end,
    long needs("docker") => a_paused_container_is_killed_when_it_goes_on,
    long needs("docker") => a_terminal_in_a_container,
    long needs("docker") => ctrl_c_twice_kills_in_a_container,
    long needs("docker") => beside_another_init_the_guard_works,
    long needs("docker") => beside_another_init_nothing_outlives_the_container,
    long needs("docker", "docker-compose") => docker_compose_stop,
];

/// How the log reports a stop by the engine.
const FROM_ENGINE: &str = "SIGTERM from outside the container (pid 0, uid 0): stopping";

#[track_caller]
pub(crate) fn assert_logged(ended: &Ended, part: &str) {
    assert!(ended.err().iter().any(|line| line.contains(part)), "no {part:?}\n{}", ended.dump());
}

/// Expects the line about the kill. Its time depends on the load, and is measured from outside.
#[track_caller]
pub(crate) fn assert_killed(ended: &Ended, victims: &str) {
    let is_it = |line: &String| line.contains("SIGKILL after ") && line.contains(victims);
    assert!(ended.err().iter().any(is_it), "no SIGKILL to {victims:?}\n{}", ended.dump());
}

#[track_caller]
pub(crate) fn assert_not_logged(ended: &Ended, part: &str) {
    assert!(!ended.err().iter().any(|line| line.contains(part)), "{part:?}\n{}", ended.dump());
}

// Trap 20 and 21: PID 1 can't die of a signal, and its status is what the engine shows.
fn the_exit_status_is_passed_on() {
    let cases = [
        ("/workload --exit 0", 0),
        ("/workload --exit 1", 1),
        ("/workload --exit 255", 255),
        ("/workload --die TERM", 143),
        ("/workload --die KILL", 137),
        ("/nothing", 127),
        ("/lib", 126),
    ];
    let started = cases.map(|(words, status)| {
        let container = Container::new();
        let words: Vec<&str> = ["--"].into_iter().chain(words.split(' ')).collect();
        let run = container.run_words("", &words);
        (container, run, status)
    });
    for (container, run, status) in started {
        let ended = run.wait().expect_code(status).expect_nothing_left();
        assert_eq!(container.exit_status(), status);
        assert_not_logged(&ended, "SIGKILL after");
        assert_eq!(ended.err().is_empty(), ![126, 127, 137].contains(&status), "{}", ended.dump());
    }
}

fn docker_stop_is_graceful() {
    let container = Container::new();
    let run = container.run(
        "",
        "",
        "--spawn child worker [ --on TERM [ --exit 0 ] --serve ] --on TERM [ --sleep 100 --exit 3 ] \
         --say ppid,env:SHUTDOWN_LIMIT_MS --print up --serve",
    );
    run.wait_out("up");
    assert_eq!((run.number("ppid"), run.fact("env:SHUTDOWN_LIMIT_MS").as_str()), (1, "8000"));
    assert_eq!(processes::children(container.pid_1()).len(), 1, "no second process as PID 1");
    let (asked, _) = container.docker("stop");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(8), "{}", ended.dump());
    assert_eq!(ended.count_out("got 15 code 0 pid 1"), 2, "{}", ended.dump());
    assert_eq!(container.exit_status(), 3);
    let logs = container.logs();
    for line in [
        &format!("winddown: {FROM_ENGINE} workload (pid "),
        ", SIGKILL in 8s (default)\n",
        "asking 1 straggler: worker (pid ",
        "winddown: stopped in ",
    ] {
        assert!(logs.contains(line), "no {line:?} in\n{logs}");
    }
}

/// winddown can't prevent this, but it reports nothing wrong either.
fn an_impatient_engine_kills_first() {
    let container = Container::new();
    let run = container.run(
        "",
        "-t 20s",
        "--spawn daemon-session d [ --ignore TERM --serve ] --on TERM [ ] --print up --serve",
    );
    run.wait_out("up");
    let (asked, _) = container.docker("stop --time 1");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(15), "{}", ended.dump());
    assert_logged(&ended, "SIGKILL in 20s (-t)");
    assert_not_logged(&ended, "SIGKILL after");
    assert_not_logged(&ended, "killed");
}

fn the_limit_is_over_before_a_patient_engine_kills() {
    let container = Container::new();
    let run = container.run(
        "--env WINDDOWN_TIME_LIMIT=1s",
        "",
        "--on TERM [ ] --say env:WINDDOWN_TIME_LIMIT --print up --serve",
    );
    run.wait_out("up");
    let (asked, _) = container.docker("stop --time 25");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_secs(1), "{}", ended.dump());
    assert!(ended.since(asked) < Duration::from_secs(20), "{}", ended.dump());
    assert_eq!(ended.fact("env:WINDDOWN_TIME_LIMIT"), "");
    assert_logged(&ended, FROM_ENGINE);
    assert_logged(&ended, ", SIGKILL in 1s (WINDDOWN_TIME_LIMIT)");
    assert_killed(&ended, "1 process: workload (pid ");
    assert_eq!(container.inspect("{{.State.ExitCode}} {{.State.OOMKilled}}"), "137 false");
}

/// 8 s: a kill by the engine after 10 s would leave no reason in the log.
fn the_default_limit_is_over_before_the_engine_kills() {
    let container = Container::new();
    let run = container.run("", "", "--on TERM [ ] --print up --serve");
    run.wait_out("up");
    let (asked, _) = container.docker("stop");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_secs(8), "{}", ended.dump());
    assert_logged(&ended, " left; still there: workload (pid ");
    assert_killed(&ended, "1 process: workload (pid ");
    assert_logged(&ended, ": workload (pid ");
}

fn docker_kill_sends_a_reload() {
    let container = Container::new();
    let mut run = container.run("", "-v", "--on HUP,USR1,RTMIN+1 [ ] --print up --serve");
    run.wait_out("up");
    for (name, number) in [("HUP", 1), ("USR1", 10), ("RTMIN+1", libc::SIGRTMIN() + 1)] {
        container.docker(&format!("kill --signal {name}"));
        run.wait_out(&format!("got {number} code 0 pid 1"));
        run.wait_err(&format!("SIG{name} from outside the container (pid 0, uid 0): forwarded"));
    }
    assert!(run.is_running(), "none of them asks for a stop");
    container.docker("kill");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(ended.count_out("got "), 3, "{}", ended.dump());
    assert_not_logged(&ended, "stopping");
}

/// The engine sends STOPSIGNAL; an option of winddown decides whether it is a stop request.
fn an_image_with_another_stop_signal() {
    let image = image_with("quit", "STOPSIGNAL QUIT");
    let flags = "--on QUIT,TERM [ --exit 4 ] --print up --serve";
    let cases = [
        ("-v", "got 3 ", "SIGQUIT from outside the container (pid 0, uid 0): forwarded"),
        ("--stop-on QUIT", "got 3 ", "SIGQUIT from outside the container (pid 0, uid 0): stopping"),
        ("--stop-on QUIT -s TERM", "got 15 ", "SIGQUIT from outside the container (pid 0, uid 0): stopping"),
    ];
    for (args, got, logged) in cases {
        let container = Container::new();
        let command = container.words(&image, "", &words(args, flags));
        let run = Winddown::bare().command(command).start();
        run.wait_out("up");
        container.docker("stop");
        let ended = run.wait().expect_code(4).expect_nothing_left();
        assert_eq!(ended.count_out(got), 1, "{}", ended.dump());
        assert_eq!(ended.count_out("got "), 1, "{}", ended.dump());
        assert_logged(&ended, logged);
    }
}

// Trap 13: the kernel would kill them as soon as PID 1 exits.
fn stragglers_get_their_share_before_pid_1_exits() {
    let container = Container::new();
    let run = container.run(
        "",
        "-t 2s",
        "--spawn daemon-session saves [ --on TERM [ --sleep 400 --print saved --exit 0 ] --serve ] \
         --spawn child deaf [ --ignore TERM --serve ] --on TERM [ --exit 3 ] --print up --serve",
    );
    run.wait_out("up");
    let (asked, _) = container.docker("stop");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_secs(2), "{}", ended.dump());
    assert_eq!(ended.count_out("saves saved"), 1, "{}", ended.dump());
    assert_logged(&ended, "asking 2 stragglers: saves (pid ");
    assert_killed(&ended, "1 process: deaf (pid ");
    assert_logged(&ended, ": workload (pid ");
}

// Trap 3: one SIGCHLD for many deaths.
fn no_zombie_is_left_of_1000_orphans() {
    let container = Container::new();
    let run = container.run("", "", "--orphans 1000 --on TERM [ --exit 3 ] --print up --serve");
    run.wait_out("up");
    let pid_1 = container.pid_1();
    eventually("all orphans are reaped", || processes::children(pid_1).len() == 1);
    container.docker("stop");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("orphans 1000"), 1, "{}", ended.dump());
}

fn executed_processes_are_left_alone_until_the_end() {
    let container = Container::new();
    let run = container.run("", "-t 5s", "--on TERM [ --sleep 700 --exit 3 ] --print up --serve");
    run.wait_out("up");
    let executed = container.exec("", "--on all [ ] --print up --serve");
    executed.wait_out("up");
    container.exec("", "--orphans 20 --exit 6").wait().expect_code(6);
    let pid_1 = container.pid_1();
    eventually("orphans of an executed process are reaped", || processes::children(pid_1).len() == 1);
    // What it leaves behind becomes a child of PID 1 and so belongs to the tree.
    let detached = container.exec("--detach", "--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ]");
    let detached = detached.wait().expect_code(0);
    eventually("its daemon has become a child of PID 1", || processes::children(pid_1).len() == 2);
    let stop = container.docker_beside("stop");
    run.wait_out("got 15");
    assert!(executed.out().len() == 1, "{:?}", executed.out());
    let ended = run.wait().expect_code(3).expect_nothing_left();
    stop.wait().expect_code(0);
    detached.expect_nothing_left();
    assert_logged(&ended, "asking 1 straggler: d (pid ");
    assert_logged(&ended, "stopped in ");
    let executed = executed.wait().expect_code(137).expect_nothing_left();
    assert_eq!(executed.count_out("got "), 0, "{}", executed.dump());
}

/// Stopping winddown does not stop the clock.
fn a_paused_container_is_killed_when_it_goes_on() {
    let container = Container::new();
    let run = container.run("", "-t 4s", "--on TERM [ ] --print up --serve");
    run.wait_out("up");
    let (asked, _) = container.docker("kill --signal TERM");
    run.wait_err("stopping");
    container.docker("pause");
    eventually("the deadline is over", || asked.elapsed() > Duration::from_millis(4300));
    let (again, _) = container.docker("unpause");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(again) < Duration::from_secs(8), "{}", ended.dump());
    assert_killed(&ended, "1 process: workload (pid ");
}

/// Runs winddown and the workload by `docker run -it`.
fn in_terminal(container: &Container, args: &str, flags: &str) -> Pty {
    Pty::program(container.words(image(), "--interactive --tty", &words(args, flags)))
}

// Traps 6 to 8 in a container: its PID 1 leads the session of the terminal.
fn a_terminal_in_a_container() {
    let container = Container::new();
    let mut pty = in_terminal(
        &container,
        "-v",
        "--say pgid,tpgid,sid --on WINCH [ ] --on INT [ --sleep 200 --exit 5 ] --read-line --print up --serve",
    );
    assert_eq!((pty.number("pgid"), pty.number("tpgid"), pty.number("sid")), (1, 1, 1));
    pty.keys("hello\r");
    pty.expect("line hello");
    pty.expect("up");
    // The client sends SIGWINCH as well; two pending ones merge into one.
    pty.resize(30, 90);
    pty.expect("got 28 ");
    pty.keys("\x03");
    pty.expect("got 2 code 128 pid 0");
    assert_eq!(pty.wait().code(), Some(5), "{}", pty.screen());
    assert_eq!(container.exit_status(), 5);
    assert_eq!(pty.count("got 2 "), 1, "{}", pty.screen());
    assert_eq!(pty.count("SIGWINCH from the terminal: forwarded"), 0, "{}", pty.screen());
    assert_eq!(pty.count("SIGINT from the terminal: stopping workload"), 1, "{}", pty.screen());
    pty.tag().assert_nothing_left();
}

fn ctrl_c_twice_kills_in_a_container() {
    let container = Container::new();
    let mut pty = in_terminal(
        &container,
        "",
        "--spawn session s [ --ignore all --serve ] --on INT,TERM [ ] --print up --serve",
    );
    pty.expect("up");
    pty.keys("\x03");
    pty.expect("got 2 code 128");
    // Within 200 ms of the first one it would count as the same key press.
    assert!(!holds_within(Duration::from_millis(250), || false));
    let asked = Instant::now();
    pty.keys("\x03");
    assert_eq!(pty.wait().code(), Some(137), "{}", pty.screen());
    assert!(asked.elapsed() < Duration::from_secs(7), "{}", pty.screen());
    assert_eq!(pty.count("SIGINT again from the terminal: killing at once"), 1, "{}", pty.screen());
    pty.tag().assert_nothing_left();
}

const WITH_DAEMON: &str = "--spawn daemon-session d [ --on TERM [ --print saved --exit 0 ] --serve ] \
     --on TERM [ --exit 3 ] --say pid,ppid --print up --serve";

fn beside_another_init_the_guard_works() {
    let container = Container::new();
    let run = container.run("--init", "", WITH_DAEMON);
    run.wait_out("up");
    let supervisor = processes::info(container.pid_outside(run.number("ppid"))).expect("the inner process");
    let guard = processes::info(supervisor.parent).expect("the outer process");
    assert_eq!((supervisor.name.as_str(), guard.name.as_str()), (processes::INNER, processes::OUTER));
    assert_eq!(guard.parent, container.pid_1(), "the other init is PID 1");
    let killed = run.tag().signal(supervisor.pid, libc::SIGKILL);
    // The kernel kills the main process with it; the other processes get their 500 ms.
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(killed) < Duration::from_secs(10), "{}", ended.dump());
    assert_eq!(ended.count_out("d saved"), 1, "{}", ended.dump());
    assert_logged(&ended, "winddown itself was killed: stopping ");
}

fn beside_another_init_nothing_outlives_the_container() {
    let stopped = Container::new();
    let killed = Container::new();
    let runs = [&stopped, &killed].map(|container| container.run("--init", "-t 5s", WITH_DAEMON));
    for run in &runs {
        run.wait_out("up");
    }
    let [run, doomed] = runs;
    stopped.docker("stop");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("d saved"), 1, "{}", ended.dump());
    assert_logged(&ended, "SIGTERM from docker-init (pid 1, uid 0): stopping workload (pid ");
    // The other init ends with its child, and the kernel kills every other process with it.
    let supervisor = processes::info(killed.pid_outside(doomed.number("ppid"))).expect("the inner process");
    doomed.tag().signal(supervisor.parent, libc::SIGKILL);
    doomed.wait().expect_code(137).expect_nothing_left();
}

fn docker_compose_stop() {
    let container = Container::new();
    let place = TempDir::new();
    let (label, owner) = label();
    let service = serde_json::json!({
        "image": image(),
        "container_name": container.name(),
        "labels": { label: owner },
        "network_mode": "none",
        "command": format!("-t 5s -- {WORKLOAD} --on TERM [ --exit 3 ] --print up --serve"),
    });
    // JSON is YAML too.
    let project = serde_json::json!({ "version": "2.4", "services": { "server": service } });
    let file = place.write("docker-compose.yml", &project.to_string());
    assert_eq!(read_json(&file), project);
    let compose = |words: &str| {
        let command = ["docker-compose", "--project-name", container.name(), "--file", &file];
        let words = command.into_iter().chain(words.split(' '));
        Winddown::bare().command(words).run().expect_code(0)
    };
    compose("up --detach");
    eventually("the server is up", || container.logs().contains("up\n"));
    compose("stop");
    assert_eq!(container.exit_status(), 3);
    let logs = container.logs();
    assert!(logs.contains(FROM_ENGINE) && logs.contains("), SIGKILL in 5s (-t)"), "{logs}");
    assert!(logs.contains("winddown: stopped in "), "{logs}");
    compose("down");
}
