//! Signals on their way through both processes of winddown.

use crate::guard::inner;
use crate::support::builder::Winddown;
use crate::support::{Pty, short_or_long, trials};
use crate::terminal::winddown_of;

trials![
    needs("sh") => the_log_names_the_real_sender,
    alone => a_burst_of_queued_signals_arrives_in_order,
    needs("bash") => a_signal_to_the_group_on_a_terminal_arrives_once,
    needs("bash", "pkill") => by_name_only_the_outer_process_is_signalled,
];

/// The workload sees winddown as the sender where the kernel allows no other.
fn the_log_names_the_real_sender() {
    let run = Winddown::new()
        .args(["-v"])
        .workload("--on USR1 [ ] --on TERM [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    let mut shell = std::process::Command::new("sh")
        .args(["-c", &format!("kill -USR1 {}; read line", run.pid())])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("a shell");
    let uid = nix::unistd::getuid();
    run.wait_err(&format!("SIGUSR1 from sh (pid {}, uid {uid})", shell.id()));
    run.wait_out(&format!("got 10 code 0 pid {}", inner(run.pid())));
    drop(shell.stdin.take());
    shell.wait().expect("its end");
    run.signal(libc::SIGTERM);
    run.wait_err(&format!("(pid {}, uid {uid}): stopping", std::process::id()));
    run.wait().expect_code(3);
}

fn a_burst_of_queued_signals_arrives_in_order() {
    let count = short_or_long(20_000, 100_000);
    let run = Winddown::new()
        .workload(
            "--on USR1 [ --print first ] --on RTMIN+2 [ ] --on 64 [ --print last ] --on TERM [ --exit 3 ] \
             --print up --serve",
        )
        .start();
    run.wait_out("up");
    // Both processes have run the whole path once, so loading code no longer adds to the count.
    run.signal(libc::SIGUSR1);
    run.wait_out("first");
    let both = [run.pid(), inner(run.pid())];
    let resident = |pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size").to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let before = both.map(resident);
    for value in 0..count {
        run.queue(libc::SIGRTMIN() + 2, value);
    }
    run.signal(libc::SIGRTMAX());
    run.wait_out("last");
    for (pid, before) in both.into_iter().zip(before) {
        assert!(resident(pid) <= before + 512, "{before} kB, then {} kB", resident(pid));
    }
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3);
    let values = ended.out().into_iter().filter_map(|line| line.split_once(" value ")?.1.parse().ok());
    // The first value is that of SIGUSR1.
    let values: Vec<usize> = values.skip(1).take(count).collect();
    assert!(values.iter().copied().eq(0..count), "{} arrived", values.len());
}

fn a_signal_to_the_group_on_a_terminal_arrives_once() {
    let mut pty = Pty::bash();
    pty.line("$WD -v -- $WL --say pid,pgid --on 40,50 [ ] --on TERM [ --exit 3 ] --print up --serve");
    pty.expect("up");
    let (main, group) = (pty.number("pid"), pty.number("pgid"));
    // A queued number: two standard signals would be merged into one.
    pty.tag().signal_group(group, 40);
    // A signal to the outer process alone follows: by then the earlier ones have arrived.
    pty.tag().signal(winddown_of(main), 50);
    pty.expect("got 50");
    assert_eq!(pty.count("got 40"), 1, "{}", pty.screen());
    pty.tag().signal_group(group, libc::SIGTERM);
    pty.prompt();
    assert_eq!(pty.count("got 15"), 1, "{}", pty.screen());
}

/// A signal to both would count as sent to the whole group: the workload would never be asked.
fn by_name_only_the_outer_process_is_signalled() {
    let mut pty = Pty::bash();
    pty.line("$WD -t 20s -- $WL --say pid --on TERM [ --exit 3 ] --print up --serve");
    pty.expect("up\r\n");
    // In this session alone, to spare other runs.
    let session = pty.pid().to_string();
    let sent = std::process::Command::new("pkill").args(["--session", &session, "winddown"]).status();
    assert!(sent.is_ok_and(|sent| sent.success()), "no process has the name");
    pty.prompt();
    assert_eq!(pty.count("got 15"), 1, "{}", pty.screen());
    assert!(pty.command("echo code=$?").ends_with("code=3"), "{}", pty.screen());
}
