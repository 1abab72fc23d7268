//! A signal to winddown's second process, to both processes, or to every process.

use std::time::Instant;

use crate::support::builder::{Stream, Winddown, winddown_path, workload_path};
use crate::support::lateness::expect_soon;
use crate::support::{Pty, eventually, processes, trials};
use crate::terminal::{expect_status, winddown_of};

trials![
    needs("bash") => at_a_terminal_the_workload_may_stop_its_parent,
    needs("bash") => at_a_terminal_a_signal_to_the_second_process_is_passed_on,
    needs("bash") => at_a_terminal_one_to_the_group_is_not_passed_on,
    needs("bash") => at_a_terminal_two_to_the_group_of_which_one_process_took_one,
    needs("bash") => at_a_terminal_one_to_both_processes_is_reported,
    needs("bash") => the_clock_of_a_stop_starts_with_the_first_copy,
    without_a_terminal_the_second_process_is_heeded,
    without_a_terminal_one_to_both_processes_is_passed_on_once,
    needs("sh") => who_signals_every_process_has_asked_the_main_process,
    needs("sh") => who_signals_only_winddown_there_asks_it,
    to_none_asks_nobody,
    to_none_asks_where_nobody_else_has,
    what_is_pending_already_is_not_sent_again,
    needs("bash", "ps") => ps_distinguishes_the_two_processes,
];

/// `process.kill(process.ppid, 'SIGTERM')`: its parent is the second process.
fn at_a_terminal_the_workload_may_stop_its_parent() {
    for winddown in ["$WD", "$WD --no-guard"] {
        for signal in ["TERM", "INT"] {
            let mut pty = Pty::bash();
            pty.line(&format!(
                "{winddown} -t 20s $WL --on {signal} [ --exit 3 ] --print up --kill parent {signal} --serve"
            ));
            pty.prompt();
            expect_status(&mut pty, 3);
            assert_eq!(pty.count("stopping workload"), 1, "{}", pty.screen());
        }
    }
}

fn at_a_terminal_a_signal_to_the_second_process_is_passed_on() {
    let mut pty = Pty::bash();
    pty.line("$WD -t 20s $WL --say ppid --on USR2,HUP,IO [ ] --on TERM [ --exit 3 ] --print up --serve");
    pty.expect("\r\nup");
    let inner = pty.number("ppid");
    for (count, signal) in [libc::SIGUSR2, libc::SIGHUP, libc::SIGIO].into_iter().enumerate() {
        pty.tag().signal(inner, signal);
        let got = format!("got {signal} ");
        eventually("it is passed on", || pty.count(&got) == 1 && pty.count("got ") == count + 1);
    }
    pty.tag().signal(inner, libc::SIGTERM);
    pty.prompt();
    expect_status(&mut pty, 3);
    assert_eq!(pty.count("got 15 "), 1, "{}", pty.screen());
}

fn at_a_terminal_one_to_the_group_is_not_passed_on() {
    let mut pty = Pty::bash();
    pty.line(
        "$WD -v -t 20s $WL --print go --say pgid --on 12,40 [ ] --on TERM [ --sleep 300 --exit 3 ] --print up --serve &",
    );
    pty.expect("up\r\n");
    let group = pty.number("pgid");
    pty.tag().signal_group(group, libc::SIGUSR2);
    pty.tag().signal_group(group, 40);
    eventually("both are logged", || pty.count("not passed on (it was sent to the whole group)") == 2);
    pty.command("kill %1");
    eventually("it ends", || pty.count("stopped in") == 1);
    for (signal, name) in [(libc::SIGUSR2, "USR2"), (40, "RTMIN+6"), (libc::SIGTERM, "TERM")] {
        assert_eq!(pty.count(&format!("got {signal} ")), 1, "{name}:\n{}", pty.screen());
    }
}

/// Two signals so close together that the outer process takes them as one, and every other process as two, as from
/// a shell that passes HUP on to its jobs and leaves.
fn at_a_terminal_two_to_the_group_of_which_one_process_took_one() {
    let mut pty = Pty::bash();
    pty.line("$WD -v -t 20s $WL --print go --say pid,ppid,pgid --on USR2 [ ] --on TERM [ --exit 3 ] --print up --serve &");
    pty.expect("up\r\n");
    let (main, inner, group) = (pty.number("pid"), pty.number("ppid"), pty.number("pgid"));
    let outer = winddown_of(main);
    for sent in [2, 4, 6, 8, 10] {
        pty.tag().signal(outer, libc::SIGSTOP);
        eventually("the outer process takes nothing", || processes::state(outer) == Some('T'));
        for _ in 0..2 {
            pty.tag().signal_group(group, libc::SIGUSR2);
            while [inner, main].into_iter().any(|pid| processes::has_pending(pid, libc::SIGUSR2)) {}
        }
        pty.tag().signal(outer, libc::SIGCONT);
        eventually("both are logged", || pty.count("not passed on (it was sent to the whole group)") == sent);
        // The workload has taken them, and may not have printed the last one yet.
        eventually("the workload has both", || pty.count("got 12 ") >= sent);
        assert_eq!(pty.count("got 12 "), sent, "{}", pty.screen());
    }
    pty.command("kill %1");
    eventually("it ends", || pty.count("stopped in") == 1);
    assert_eq!(pty.count("got 12 "), 10, "{}", pty.screen());
}

/// `kill $(pidof winddown)` can't be told from a signal to the group, and the workload is not asked.
fn at_a_terminal_one_to_both_processes_is_reported() {
    let mut pty = Pty::bash();
    pty.line("$WD -t 300ms $WL --print go --say pid,ppid --on TERM [ --exit 3 ] --print up --serve &");
    pty.expect("up\r\n");
    let (inner, outer) = (pty.number("ppid"), winddown_of(pty.number("pid")));
    pty.command(&format!("kill {inner} {outer}"));
    eventually("it is killed", || pty.count("killed in") == 1);
    assert_eq!(pty.count("it counts as sent to the whole group"), 1, "{}", pty.screen());
    assert_eq!(pty.count("got 15"), 0, "{}", pty.screen());
}

/// Only passing the signal on waits to see whether there is a copy.
fn the_clock_of_a_stop_starts_with_the_first_copy() {
    let mut pty = Pty::bash();
    pty.line("$WD -t 400ms $WL --print go --say pid,ppid --on TERM [ ] --print up --serve &");
    pty.expect("up\r\n");
    let (main, inner) = (pty.number("pid"), pty.number("ppid"));
    let sent = Instant::now();
    pty.tag().signal(inner, libc::SIGTERM);
    let limit = std::time::Duration::from_millis(400);
    expect_soon("killed at the limit", sent, limit, || !processes::is_alive(main));
    assert_eq!(pty.count("got 15 "), 1, "{}", pty.screen());
}

fn without_a_terminal_the_second_process_is_heeded() {
    let run = Winddown::new()
        .workload("--say ppid --on USR1,HUP [ ] --on TERM [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    let inner = run.number("ppid");
    for signal in [libc::SIGUSR1, libc::SIGHUP] {
        run.tag().signal(inner, signal);
        run.wait_out(&format!("got {signal} "));
    }
    run.tag().signal(inner, libc::SIGTERM);
    let ended = run.wait().expect_code(3);
    assert_eq!(ended.count_out("got "), 3, "{}", ended.dump());
}

fn without_a_terminal_one_to_both_processes_is_passed_on_once() {
    for inner_first in [false, true] {
        let run = Winddown::new()
            .args(["-v"])
            .workload("--say ppid --on USR1 [ ] --on TERM [ --sleep 200 --exit 3 ] --print up --serve")
            .start();
        run.wait_out("up");
        let both =
            if inner_first { [run.number("ppid"), run.pid()] } else { [run.pid(), run.number("ppid")] };
        let both = both.map(|pid| run.tag().pin(pid));
        for signal in [libc::SIGUSR1, libc::SIGTERM] {
            for process in &both {
                process.signal(signal);
            }
            run.wait_out(&format!("got {signal} "));
        }
        run.wait_err("not passed on (winddown's other process already got it)");
        let ended = run.wait().expect_code(3);
        assert_eq!(ended.count_out("got "), 2, "{}", ended.dump());
    }
}

/// A parent that sets systemd's variables, and signals the processes it is told to.
fn under_a_service_manager(flags: &str, signals: &str) -> crate::support::running::Ended {
    let script = format!(
        "sh -c 'export SYSTEMD_EXEC_PID=$$; exec \"$@\"' sh {} -v -t 20s -- {} {flags} &\nouter=$!\nread line\n{signals}\nwait $outer",
        winddown_path().display(),
        workload_path().display(),
    );
    let mut run = Winddown::bare().stdin(Stream::Pipe).command(["sh", "-c", &script]).start();
    run.wait_out("up");
    run.write("now\n");
    run.wait()
}

const SERVER: &str = "--on TERM [ --sleep 300 --exit 3 ] --print up --serve";

/// systemd's `KillMode=control-group`: first the process that it started, then all others.
fn who_signals_every_process_has_asked_the_main_process() {
    let inner =
        "inner=$(echo $(cat /proc/$outer/task/*/children)); main=$(echo $(cat /proc/$inner/task/*/children))";
    for order in ["$outer $inner $main", "$main $inner $outer"] {
        let ended = under_a_service_manager(SERVER, &format!("{inner}\nkill -TERM {order}"));
        assert_eq!(ended.code(), Some(3), "{}", ended.dump());
        assert_eq!(ended.count_out("got 15 "), 1, "asked twice: {}", ended.dump());
        assert!(ended.dump().contains("no other process is asked"), "{}", ended.dump());
    }
}

/// `KillMode=mixed`.
fn who_signals_only_winddown_there_asks_it() {
    let ended = under_a_service_manager(SERVER, "kill -TERM $outer");
    assert_eq!(ended.code(), Some(3), "{}", ended.dump());
    assert_eq!(ended.count_out("got 15 "), 1, "{}", ended.dump());
}

fn to_none_asks_nobody() {
    let run = Winddown::new()
        .args(["--to", "none", "-t", "500ms"])
        .workload("--on HUP,INT,TERM [ ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGHUP);
    run.wait_out("got 1 ");
    run.signal(libc::SIGTERM);
    run.wait_err("no other process is asked");
    run.signal(libc::SIGINT);
    let ended = run.wait().expect_code(137);
    assert_eq!(ended.count_out("got "), 1, "only the reload: {}", ended.dump());
}

fn to_none_asks_where_nobody_else_has() {
    let asked = |options: &[&str], flags: &str| {
        let run = Winddown::new().args(["--to", "none"]).args(options).workload(flags).start();
        let ended = run.wait();
        assert_eq!(ended.count_out("got 15 "), 1, "{}", ended.dump());
    };
    asked(&["--run-limit", "5200ms", "-t", "5s"], "--on TERM [ --exit 3 ] --print up --serve");
    asked(&["-t", "9s"], "--on TERM [ --exit 3 ] --print up --kill parent TERM --serve");
}

/// A queued signal would arrive twice.
fn what_is_pending_already_is_not_sent_again() {
    let run = Winddown::new()
        .args(["-s", "RTMIN+3", "-t", "20s"])
        .workload("--block RTMIN+3 --kill self RTMIN+3 --on USR1 [ --on RTMIN+3 [ ] --sleep 300 --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait_err("stopping");
    run.signal(libc::SIGUSR1);
    let ended = run.wait().expect_code(3);
    assert_eq!(ended.count_out("got 37 "), 1, "{}", ended.dump());
}

fn ps_distinguishes_the_two_processes() {
    let look = |pid: i32, column: &str| {
        let output = std::process::Command::new("ps").args(["-o", column, "-p", &pid.to_string()]).output();
        String::from_utf8(output.expect("ps").stdout).expect("text").trim().to_owned()
    };
    let run = Winddown::new().args(["-t", "20s"]).workload("--say ppid --print up --serve").start();
    run.wait_out("up");
    let inner = run.number("ppid");
    assert_eq!((look(run.pid(), "comm="), look(inner, "comm=")), ("winddown".into(), "wd-supervisor".into()));
    assert!(look(run.pid(), "args=").starts_with(&winddown_path().display().to_string()));
    assert!(look(inner, "args=").starts_with("wd-supervisor -t 20s -- "), "{}", look(inner, "args="));
    run.signal(libc::SIGTERM);
    run.wait();
}
