//! The terminal goes away: HUP as the end of a terminal, and HUP as a reload.

use std::fs;

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
    needs("bash") => a_shell_that_leaves_is_the_end_of_the_terminal,
    needs("bash") => a_hang_up_of_a_shell_that_stays_is_a_reload,
    needs("zsh") => zsh_ends_its_job_when_it_leaves,
    needs("fish") => fish_ends_its_job_when_it_leaves,
    needs("mksh") => mksh_ends_its_job_when_it_leaves,
    needs("bash") => who_has_a_stop_signal_of_its_own_is_asked_with_it_beside_hup,
];

/// Waits for a text in the workload's log, since its terminal can no longer be read.
#[track_caller]
fn wait_logged(log: &str, part: &str) -> String {
    let text = || fs::read_to_string(log).unwrap_or_default();
    eventually(part, || text().contains(part));
    text()
}

/// The kernel signals the session's leader alone: the workload must still get the signal.
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

/// Closes the terminal of a bash with a job and waits for the end of everything. bash signals the job's
/// group, and the kernel may do so when bash ends: no other process may signal the main process. A bash
/// that is just about to read at that moment sees the end of its input, and signals no process.
#[track_caller]
fn close(pty: &mut Pty, log: &str) {
    eventually("bash waits for a key or its job", || processes::state(pty.pid()) == Some('S'));
    let shell = format!("got 1 code 0 pid {} ", pty.pid());
    pty.hang_up();
    pty.wait();
    wait_logged(log, "got 1 ");
    pty.tag().assert_nothing_left();
    let logged = fs::read_to_string(log).unwrap();
    let found: Vec<&str> = logged.lines().filter(|line| line.starts_with("got 1 ")).collect();
    assert!(found.iter().filter(|line| line.starts_with(&shell)).count() <= 1, "{logged}");
    let others =
        found.iter().filter(|line| !line.starts_with(&shell) && !line.starts_with("got 1 code 128 "));
    assert_eq!(others.count(), 0, "winddown signalled it again:\n{logged}");
}

/// Runs a test for each variant, in a bash of its own, with a file for the workload's log.
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
        // The next prompt may still belong to the start of the job.
        pty.command("echo behind");
        close(pty, log);
    });
}

/// bash also sends TERM to the group of a stopped job. Without the second process, winddown can't tell it
/// from one that was sent to winddown alone, and passes it on.
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
        // The shell signals it first; winddown asks it as well once the shell has gone.
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
        pty.tag().signal(winddown, libc::SIGHUP);
        assert!(processes::is_alive(main), "nohup was lost");
        pty.tag().signal(winddown, libc::SIGTERM);
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
        pty.tag().signal(winddown.unwrap(), libc::SIGTERM);
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
            pty.tag().signal(winddown, libc::SIGHUP);
            eventually("the reload came", || pty.count("got 1 code 0") == count);
        }
        pty.tag().signal(winddown, libc::SIGUSR1);
        pty.prompt();
        expect_status(pty, 3);
        assert_eq!(pty.count("winddown: "), 0, "a reload is not a stop:\n{}", pty.screen());
    });
}

/// `huponexit`, zsh, fish: the shell signals its jobs, and is gone some milliseconds later.
fn a_shell_that_leaves_is_the_end_of_the_terminal() {
    for pause in ["0", "0.05", "0.3"] {
        let place = TempDir::new();
        let (log, record) = (place.file("log"), place.file("record"));
        let mut pty = Pty::bash();
        // Short enough for one line of the screen.
        pty.command(&format!("cd {}", place.path().display()));
        pty.line(
            "$WD -t 500ms --record record $WL --log log --on HUP,TERM [ ] --say pgid --print up --serve &",
        );
        let logged = wait_logged(&log, "up");
        let group = logged.lines().find_map(|line| line.strip_prefix("pgid ")).expect("its group");
        pty.line(&format!("disown -a; kill -HUP -{group}; read -t {pause} <> <(:); exit"));
        pty.wait();
        pty.tag().assert_nothing_left();
        assert_eq!(read_json(&record)["stop"]["cause"], "hangup", "{pause}");
        let logged = wait_logged(&log, "got 1 ");
        assert_eq!(logged.matches("got ").count(), 1, "asked twice: {logged}");
    }
}

/// `kill -HUP %1`.
fn a_hang_up_of_a_shell_that_stays_is_a_reload() {
    let mut pty = Pty::bash();
    pty.line("$WD -v $WL --on HUP [ ] --on TERM [ --exit 3 ] --print up --serve &");
    pty.expect("up\r\n");
    for count in 1..=2 {
        pty.command("kill -HUP %1");
        eventually("it is a reload", || pty.count("got 1 ") == count);
    }
    // Longer than winddown waits for a shell to leave.
    std::thread::sleep(std::time::Duration::from_millis(3500));
    assert_eq!(pty.count("stopping"), 0, "{}", pty.screen());
    pty.command("kill %1");
    eventually("it ends", || pty.count("stopped in") == 1);
    assert_eq!(pty.count("got 1 "), 2, "{}", pty.screen());
}

/// A shell, and the command that makes it send HUP to its jobs when it leaves.
struct Shell {
    words: &'static [&'static str],
    first: &'static str,
    reload: &'static str,
}

const ZSH: Shell =
    Shell { words: &["zsh", "-f", "-i"], first: "unsetopt zle check_jobs", reload: "kill -HUP %1" };
const FISH: Shell =
    Shell { words: &["fish", "--no-config", "-i"], first: "true", reload: "kill -HUP -- -$last_pid" };
const MKSH: Shell = Shell { words: &["mksh", "-l", "-i"], first: "set +o nohup", reload: "kill -HUP %1" };

/// A server for which HUP is a reload, in the background of the shell: a HUP by hand reloads it, and the one from
/// the shell that leaves ends it.
fn ends_its_job_when_it_leaves(shell: &Shell) {
    for winddown in VARIANTS {
        let place = TempDir::new();
        let (log, record) = (place.file("log"), place.file("record"));
        let script = format!(
            "cd {}; exec {winddown} -t 500ms -s TERM --record record $WL --log log --on HUP [ ] --on TERM [ --exit 3 ] --say pgid --print up --serve",
            place.path().display()
        );
        // Each shell draws its command line in its own way: so little is typed, and the files show the result.
        let job = place.executable("job", format!("#!/bin/sh\n{script}\n"));
        let mut pty = Pty::program(shell.words);
        // Some shells drop keys that are typed before the prompt, which differs between shells.
        let prompts = || pty.screen().matches(['#', '$', '%', '>']).count();
        eventually("its prompt", || prompts() > 0);
        pty.keys(&format!("{}\r", shell.first));
        pty.keys(&format!("{job} &\r"));
        wait_logged(&log, "up");
        let found = || fs::read_to_string(&log).unwrap_or_default().matches("got 1 ").count();
        pty.keys(&format!("{}\r", shell.reload));
        eventually("it reloads", || found() > 0);
        // Some shells first warn that there are jobs.
        pty.keys("exit\rexit\r");
        pty.wait();
        pty.tag().assert_nothing_left();
        let record = read_json(&record);
        assert_eq!(record["stop"]["cause"], "hangup", "{winddown}");
        assert_eq!(record["exit_status"], 3, "{winddown}: asked with TERM");
        let logged = wait_logged(&log, "got 15 ");
        assert_eq!(logged.matches("got 15 ").count(), 1, "{winddown}: {logged}");
        if winddown == VARIANTS[0] {
            assert_eq!(logged.matches("got 1 ").count(), 2, "a reload, and the end: {logged}");
        }
    }
}

fn zsh_ends_its_job_when_it_leaves() {
    ends_its_job_when_it_leaves(&ZSH);
}

fn fish_ends_its_job_when_it_leaves() {
    ends_its_job_when_it_leaves(&FISH);
}

fn mksh_ends_its_job_when_it_leaves() {
    ends_its_job_when_it_leaves(&MKSH);
}

/// HUP may be a reload for the workload: `-s` names a signal that is not.
fn who_has_a_stop_signal_of_its_own_is_asked_with_it_beside_hup() {
    for options in ["-s TERM", "--stop TERM", "--to none -s TERM"] {
        with_log(|pty, winddown, log| {
            pty.command(&format!("A='--on HUP [ ] --on TERM [ --exit 3 ]' L={log}"));
            pty.line(&format!("{winddown} {options} --record $L.json $WL --log $L $A --print up --serve"));
            pty.expect("\r\nup");
            close(pty, log);
            let record = read_json(format!("{log}.json"));
            assert_eq!(record["stop"]["cause"], "hangup");
            assert_eq!(record["exit_status"], 3, "{winddown} {options}: {record}");
        });
    }
}
