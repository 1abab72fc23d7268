//! The terminal goes away: HUP as the end of a terminal, and HUP as a reload.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::job_control::program;
use crate::support::{Pty, TempDir, eventually, processes, read_json, trials};
use crate::terminal::{VARIANTS, expect_status, in_bash, winddown_of};

trials![
    the_session_leader_passes_a_hang_up_on_once,
    needs("bash") => a_job_of_a_shell_ends_with_its_terminal,
    needs("bash") => a_background_job_of_a_shell_ends_with_its_terminal,
    needs("bash") => a_stopped_job_of_a_shell_ends_with_its_terminal,
    needs("bash") => the_limit_is_enforced_without_a_terminal,
    needs("bash") => a_shell_inside_ends_with_its_terminal,
    needs("bash", "nohup") => nohup_outlives_its_terminal,
    needs("bash") => a_disowned_job_hears_nothing,
    needs("bash") => a_hang_up_signal_with_a_terminal_is_a_reload,
];

/// What the workload has logged, once it is as long as that: its terminal can't be read any more.
#[track_caller]
fn wait_logged(log: &str, part: &str) -> String {
    let text = || fs::read_to_string(log).unwrap_or_default();
    eventually(part, || text().contains(part));
    text()
}

/// The kernel tells the session's leader alone: the workload must still hear of it.
fn the_session_leader_passes_a_hang_up_on_once() {
    for guard in [None, Some("--no-guard")] {
        let place = TempDir::new();
        let (log, record) = (place.file("log"), place.file("record"));
        let flags = format!("--log {log} --on HUP [ --sleep 200 --exit 6 ] --print up --serve");
        let options = format!("--record={record}");
        let mut pty = program(guard.into_iter().chain([options.as_str()]), &flags);
        pty.expect("up");
        pty.hang_up();
        assert_eq!(pty.wait().code(), Some(6));
        let logged = fs::read_to_string(log).unwrap();
        assert_eq!(logged.matches("got 1 ").count(), 1, "{logged}");
        let record = read_json(record);
        assert_eq!(record["stop"]["cause"], "hangup");
        assert_eq!(record["stop"]["signal"], "HUP");
        assert_eq!(record["stop"]["sender"]["kind"], "kernel");
        assert_eq!(record["outcome"], "stopped");
        pty.tag().assert_nothing_left();
    }
}

/// Closes the terminal of a bash with a job and waits for the end of all of it. The job's group is
/// told by bash, and when bash ends perhaps by the kernel: nobody else may tell the main process. A bash
/// that is only about to read at that moment sees the end of its input, and tells nobody.
#[track_caller]
fn close(pty: &mut Pty, log: &str) {
    eventually("bash waits for a key or its job", || processes::state(pty.pid()) == Some('S'));
    let shell = format!("got 1 code 0 pid {} ", pty.pid());
    pty.hang_up();
    pty.wait();
    wait_logged(log, "got 1 ");
    pty.tag().assert_nothing_left();
    let logged = fs::read_to_string(log).unwrap();
    let told: Vec<&str> = logged.lines().filter(|line| line.starts_with("got 1 ")).collect();
    assert!(told.iter().filter(|line| line.starts_with(&shell)).count() <= 1, "{logged}");
    let others = told.iter().filter(|line| !line.starts_with(&shell) && !line.starts_with("got 1 code 128 "));
    assert_eq!(others.count(), 0, "winddown has told it again:\n{logged}");
}

/// Each variant, in a bash of its own, with a file for the workload's log.
fn with_log(test: impl Fn(&mut Pty, &str, &str)) {
    for winddown in VARIANTS {
        let place = TempDir::new();
        let mut pty = Pty::bash();
        test(&mut pty, winddown, &place.file("log"));
    }
}

const ON_HUP: &str = "--on HUP [ --sleep 200 --exit 0 ]";

fn a_job_of_a_shell_ends_with_its_terminal() {
    with_log(|pty, winddown, log| {
        pty.line(&format!("{winddown} $WL --log {log} {ON_HUP} --print up --serve"));
        pty.expect("\r\nup");
        close(pty, log);
    });
}

fn a_background_job_of_a_shell_ends_with_its_terminal() {
    with_log(|pty, winddown, log| {
        pty.line(&format!("{winddown} $WL --log {log} {ON_HUP} --print up --serve &"));
        pty.expect("up\r\n");
        // The next prompt may still be the job's own.
        pty.command("echo behind");
        close(pty, log);
    });
}

/// bash sends TERM as well to the group of a stopped job. Without the second process that can't be
/// told from one that was sent to winddown alone, and is passed on.
fn a_stopped_job_of_a_shell_ends_with_its_terminal() {
    with_log(|pty, winddown, log| {
        pty.command("A='--on HUP,TERM [ --sleep 200 --exit 0 ]'");
        pty.line(&format!("{winddown} $WL --log {log} $A --print up --serve"));
        pty.expect("\r\nup");
        pty.keys("\x1a");
        pty.expect("Stopped");
        pty.prompt();
        close(pty, log);
        let logged = fs::read_to_string(log).unwrap();
        let most = if winddown == VARIANTS[0] { 1 } else { 2 };
        assert!(logged.matches("got 15 ").count() <= most, "shell {}:\n{logged}", pty.pid());
    });
}

fn the_limit_is_enforced_without_a_terminal() {
    with_log(|pty, winddown, log| {
        pty.line(&format!(
            "{winddown} -t 300ms --record {log}.json $WL --log {log} --on HUP [ ] --print up --serve"
        ));
        pty.expect("\r\nup");
        close(pty, log);
        let record = read_json(format!("{log}.json"));
        assert_eq!(record["stop"]["cause"], "hangup");
        assert_eq!(record["outcome"], "killed");
        assert_eq!(record["exit_status"], 137);
    });
}

fn a_shell_inside_ends_with_its_terminal() {
    with_log(|pty, winddown, log| {
        pty.line(&format!("{winddown} bash --norc --noprofile -i"));
        pty.prompt();
        // The shell tells it first; it is asked by us as well once the shell has gone.
        pty.line(&format!("$WL --log {log} --on TERM [ ] {ON_HUP} --print up --serve"));
        pty.expect("\r\nup");
        pty.hang_up();
        pty.wait();
        wait_logged(log, "got 1 ");
        pty.tag().assert_nothing_left();
    });
}

fn nohup_outlives_its_terminal() {
    with_log(|pty, winddown, log| {
        let flags = "--on TERM,USR1 [ --exit 3 ] --say pid,pgid,ignored --serve";
        pty.command(&format!("L={log}"));
        pty.line(&format!("nohup {winddown} --record $L.json $WL --log $L {flags} > $L.out 2>&1 &"));
        let logged = wait_logged(log, "ignored");
        let number = |name| logged.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        let (main, winddown): (i32, i32) = (number("pid ").unwrap(), number("pgid ").unwrap());
        pty.hang_up();
        pty.wait();
        kill(Pid::from_raw(winddown), Signal::SIGHUP).unwrap();
        assert!(processes::is_alive(main), "nohup was lost");
        kill(Pid::from_raw(winddown), Signal::SIGTERM).unwrap();
        wait_logged(log, "got 15");
        pty.tag().assert_nothing_left();
        assert_eq!(read_json(format!("{log}.json"))["exit"]["code"], 3);
        assert!(!wait_logged(log, "got 15").contains("got 1 "));
    });
}

fn a_disowned_job_hears_nothing() {
    with_log(|pty, winddown, log| {
        pty.line(&format!(
            "{winddown} $WL --log {log} --on HUP,TERM [ --exit 3 ] --say pgid --print up --serve &"
        ));
        pty.expect("up\r\n");
        pty.keys("\r");
        pty.prompt();
        pty.command("disown -h");
        let logged = wait_logged(log, "up");
        let winddown = logged.lines().find_map(|line| line.strip_prefix("pgid ")?.trim().parse().ok());
        pty.hang_up();
        pty.wait();
        kill(Pid::from_raw(winddown.unwrap()), Signal::SIGTERM).unwrap();
        wait_logged(log, "got 15");
        pty.tag().assert_nothing_left();
        assert!(!wait_logged(log, "got 15").contains("got 1 "));
    });
}

/// The terminal is still there: servers reload on HUP, and winddown only passes it on.
fn a_hang_up_signal_with_a_terminal_is_a_reload() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --on HUP [ ] --on USR1 [ --exit 3 ] --say pid --serve"));
        let winddown = winddown_of(pty.number("pid"));
        for count in 1..=3 {
            kill(Pid::from_raw(winddown), Signal::SIGHUP).unwrap();
            eventually("the reload came", || pty.count("got 1 code 0") == count);
        }
        kill(Pid::from_raw(winddown), Signal::SIGUSR1).unwrap();
        pty.prompt();
        expect_status(pty, 3);
        assert_eq!(pty.count("winddown: "), 0, "a reload is no stop:\n{}", pty.screen());
    });
}
