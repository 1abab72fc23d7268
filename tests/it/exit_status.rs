//! The table of exit statuses (docs/exit-status.md), line by line, in the same order.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::builder::{Stream, Winddown, guarded_or_not, winddown_path, workload_path};
use crate::support::{Pty, TempDir, eventually, processes, read_json, short_or_long, trials};

trials![
    every_code_is_returned,
    every_deadly_signal_is_died_of,
    no_core_is_left_in_the_workloads_place,
    a_shell_sees_what_it_would_have_seen,
    a_reader_that_leaves_ends_the_writer,
    needs("bash") => one_interrupt_ends_a_loop_of_bash,
    asked_and_ended_in_time_is_the_own_status,
    killed_by_winddown_is_137,
    killed_by_somebody_else_is_a_death,
    the_run_limit_is_124,
    a_run_that_was_too_long_can_have_another_status,
    needs("timeout") => whoever_comes_from_timeout_gets_the_same_status,
    killed_at_the_run_limit_is_137,
    a_stop_before_the_run_limit_is_no_run_limit,
    killed_stragglers_leave_the_own_status,
    statuses_are_rewritten,
    what_winddown_itself_says_is_not_rewritten,
    needs("root", "setpriv") => survivors_are_125,
    needs("root") => no_process_is_125,
    needs("root", "pid-namespace") => as_pid_1_a_death_is_128_and_the_signal,
    outcomes_are_one_word,
];

/// All signals whose default action ends a process.
fn deadly() -> impl Iterator<Item = i32> {
    let harmless = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    (1..=64).filter(move |signal| !harmless.contains(signal))
}

fn every_code_is_returned() {
    // Trap 21: codes of 128 and more, and -1, which is 255; trap 3: 127 is not special.
    let special = [1, 2, 124, 125, 126, 127, 128, 129, 137, 143];
    for code in (0..=255).step_by(short_or_long(17, 1)).chain(special) {
        let ended = Winddown::new().workload(&format!("--exit {code}")).run().expect_code(code);
        assert!(ended.err().is_empty(), "{}", ended.dump());
    }
    for code in (0..=255).step_by(17).chain(special) {
        Winddown::new().args(["--no-guard"]).workload(&format!("--exit {code}")).run().expect_code(code);
    }
}

fn every_deadly_signal_is_died_of() {
    // Trap 21: the exit code of a process that died of a signal is 0.
    // All real-time signals except the first and the last are alike.
    let is_alike = |signal: &i32| (35..64).contains(signal);
    for signal in deadly().filter(|signal| short_or_long(!is_alike(signal), true)) {
        guarded_or_not(|winddown| {
            let ended = winddown.workload(&format!("--die {signal}")).run().expect_signal(signal);
            // For SIGKILL a line says that winddown didn't send it.
            let lines = usize::from(signal == libc::SIGKILL);
            assert_eq!(ended.err().len(), lines, "{}", ended.dump());
        });
    }
    // Also of signals that winddown inherited as ignored or blocked.
    guarded_or_not(|winddown| {
        let winddown = winddown.ignored([libc::SIGTERM]).blocked([libc::SIGTERM]);
        winddown.workload("--die TERM").run().expect_signal(libc::SIGTERM);
    });
}

fn no_core_is_left_in_the_workloads_place() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let ended = winddown
            .limit(libc::RLIMIT_CORE, 1 << 30)
            .directory(place.path())
            .command(["sh", "-c", "ulimit -c; kill -SEGV $$"])
            .run()
            .expect_signal(libc::SIGSEGV);
        // The workload may leave a core: it kept its limit, in blocks of 512 bytes.
        assert_eq!(ended.out(), ["2097152"]);
        assert!(!ended.status.core_dumped(), "{}", ended.dump());
    });
}

fn a_shell_sees_what_it_would_have_seen() {
    for (flags, status) in [("--exit 3", 3), ("--die TERM", 143), ("--die KILL", 137), ("--die 64", 192)] {
        guarded_or_not(|winddown| {
            let run = winddown.prefix(["sh", "-c", "\"$@\"; echo \"status $?\"", "sh"]).workload(flags);
            assert_eq!(run.run().expect_code(0).out(), [format!("status {status}")]);
        });
    }
}

/// `winddown yes | head -1`
fn a_reader_that_leaves_ends_the_writer() {
    guarded_or_not(|winddown| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let run = winddown.stdout(Stream::Fd(writer.into())).command(["yes"]).start();
        drop(reader);
        let ended = run.wait().expect_signal(libc::SIGPIPE).expect_nothing_left();
        assert!(ended.err().is_empty(), "{}", ended.dump());
    });
}

fn one_interrupt_ends_a_loop_of_bash() {
    for options in ["", "--no-guard "] {
        let mut pty = Pty::bash();
        pty.line(&format!("for f in 1 2 3; do echo begin-$f; $WD {options}sleep 9; done; echo after-$f"));
        pty.expect("begin-1");
        let runs = || pty.tag().living().into_iter().any(|process| process.name == "sleep");
        eventually("the first one runs", runs);
        pty.keys("\x03");
        pty.prompt();
        assert_eq!(pty.command("echo code=$?").lines().last(), Some("code=130"));
        assert_eq!((pty.count("begin-2"), pty.count("after-1")), (0, 0), "{}", pty.screen());
    }
}

/// Starts it, and sends SIGTERM once it is ready.
#[track_caller]
fn stopped(winddown: Winddown, workload: &str) -> crate::support::running::Ended {
    let run = winddown.workload(workload).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_nothing_left()
}

fn asked_and_ended_in_time_is_the_own_status() {
    for code in [0, 3, 124, 137] {
        guarded_or_not(|winddown| {
            let workload = format!("--on TERM [ --exit {code} ] --print up --serve");
            stopped(winddown, &workload).expect_code(code);
        });
    }
    guarded_or_not(|winddown| {
        stopped(winddown, "--print up --serve").expect_signal(libc::SIGTERM);
    });
    guarded_or_not(|winddown| {
        stopped(winddown, "--on TERM [ --die USR1 ] --print up --serve").expect_signal(libc::SIGUSR1);
    });
}

fn killed_by_winddown_is_137() {
    for limit in ["0", "150ms"] {
        guarded_or_not(|winddown| {
            // An exit status, not a death; and not the main process's own, so winddown doesn't rewrite it.
            let winddown = winddown.args(["-t", limit, "--remap-exit", "137=0"]);
            stopped(winddown, "--on TERM [ ] --print up --serve").expect_code(137);
        });
    }
}

fn killed_by_somebody_else_is_a_death() {
    guarded_or_not(|winddown| {
        let run = winddown.workload("--say pid --print up --serve").start();
        run.wait_out("up");
        // Like the kernel when memory runs out.
        run.tag().signal(run.number("pid"), libc::SIGKILL);
        run.wait().expect_signal(libc::SIGKILL).expect_nothing_left();
    });
    // Also during a stop, by the workload itself.
    guarded_or_not(|winddown| {
        stopped(winddown, "--on TERM [ --die KILL ] --print up --serve").expect_signal(libc::SIGKILL);
    });
    guarded_or_not(|winddown| {
        winddown.args(["--remap-exit", "137=5"]).workload("--die KILL").run().expect_code(5);
    });
}

fn the_run_limit_is_124() {
    for actions in ["--exit 0", "--exit 3", "--die USR1"] {
        guarded_or_not(|winddown| {
            let winddown = winddown.args(["--run-limit", "1s", "--remap-exit", "0=9,3=9,138=9"]);
            let workload = format!("--on TERM [ {actions} ] --print up --serve");
            let ended = winddown.workload(&workload).run().expect_code(124).expect_nothing_left();
            assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
        });
    }
    // "In time" is about the main process: stragglers had to be killed.
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--run-limit", "400ms"]);
        let workload = "--on TERM [ --exit 0 ] --spawn session s [ --on TERM [ ] --serve ] --serve";
        winddown.workload(workload).run().expect_code(124).expect_nothing_left();
    });
}

fn a_run_that_was_too_long_can_have_another_status() {
    let length = ["--run-limit", "--stop-after"];
    for (options, actions, code) in [
        (["--remap-exit", "3=9,124=0"].as_slice(), "--exit 3", 0),
        (&["--preserve-status"], "--exit 3", 3),
        (&["--preserve-status", "--remap-exit", "3=9,124=0"], "--exit 3", 9),
        (&["--preserve-status", "-t", "200ms"], "", 137),
    ] {
        for length in length {
            let winddown = Winddown::new().args([length, "600ms"]).args(options);
            let workload = format!("--on TERM [ {actions} ] --print up --serve");
            let ended = winddown.workload(&workload).run().expect_code(code).expect_nothing_left();
            assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
        }
    }
    let winddown = Winddown::new().args(["--stop-after", "300ms", "--preserve-status"]);
    winddown.workload("--serve").run().expect_signal(libc::SIGTERM);
}

/// The same workload under `timeout` and under winddown with the options of docs/timeout.md.
fn whoever_comes_from_timeout_gets_the_same_status() {
    for (timeout, ours, script) in [
        (["0.5"].as_slice(), ["--stop-after", "0.5", "-t", "infinity"].as_slice(), "exec sleep 30"),
        (&["0.5"], &["--stop-after", "0.5", "-t", "infinity"], "trap 'exit 3' TERM; sleep 30 & wait"),
        (&["0.5"], &["--stop-after", "0.5", "-t", "infinity"], "exit 7"),
        (&["--preserve-status", "0.5"], &["--preserve-status", "--stop-after", "0.5"], "exec sleep 30"),
        (
            &["--preserve-status", "0.5"],
            &["--preserve-status", "--stop-after", "0.5"],
            "trap 'exit 3' TERM; sleep 30 & wait",
        ),
        (
            &["-k", "0.2", "0.5"],
            &["-t", "0.2", "--stop-after", "0.5"],
            "trap '' TERM; while :; do sleep 1; done",
        ),
        (
            &["-s", "INT", "0.5"],
            &["-s", "INT", "--stop-after", "0.5"],
            "trap 'exit 3' INT; while :; do sleep 0.1; done",
        ),
    ] {
        let status = |command: &mut Command| {
            let status = command.stdin(Stdio::null()).stderr(Stdio::null()).status().expect("a program");
            status.code().unwrap_or_else(|| 128 + status.signal().expect("a death"))
        };
        let expected = status(Command::new("timeout").args(timeout).args(["sh", "-c", script]));
        let found = status(Command::new(winddown_path()).args(ours).args(["sh", "-c", script]));
        // timeout dies of its own SIGKILL: a shell shows 137 for that as well.
        assert_eq!(found, expected, "{ours:?} {script}");
    }
}

fn killed_at_the_run_limit_is_137() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--run-limit", "1s", "-t", "300ms", "--remap-exit", "137=0,124=0"]);
        let ended = winddown.workload("--on TERM [ ] --serve").run().expect_code(137).expect_nothing_left();
        assert!(ended.duration >= Duration::from_secs(1), "{}", ended.dump());
    });
}

fn a_stop_before_the_run_limit_is_no_run_limit() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--run-limit", "1h"]);
        stopped(winddown, "--on TERM [ --exit 3 ] --print up --serve").expect_code(3);
    });
    guarded_or_not(|winddown| {
        winddown.args(["--run-limit", "1h"]).workload("--exit 3").run().expect_code(3);
    });
}

fn killed_stragglers_leave_the_own_status() {
    const STRAGGLER: &str = "--spawn session s [ --on TERM [ ] --serve ]";
    for (end, code, signal) in [("--exit 3", Some(3), None), ("--die USR1", None, Some(libc::SIGUSR1))] {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let record = place.file("run.json");
            let winddown = winddown.args(["-t", "200ms", "--record", &record]);
            let ended = winddown.workload(&format!("{STRAGGLER} {end}")).run().expect_nothing_left();
            assert_eq!((ended.code(), ended.signal()), (code, signal), "{}", ended.dump());
            assert_eq!(ended.count_out("s got 15"), 1, "{}", ended.dump());
            let record = read_json(record);
            assert_eq!(record["outcome"], "killed");
            assert_eq!(record["killed"][0]["name"], "s");
        });
    }
    // Rewritten as well, since it is the main process's own status.
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["-t", "100ms", "--remap-exit", "3=4"]);
        winddown.workload(&format!("{STRAGGLER} --exit 3")).run().expect_code(4).expect_nothing_left();
    });
}

fn statuses_are_rewritten() {
    for (remap, flags, code) in [
        ("143=0", "--die TERM", 0),
        ("143=1,143=0", "--die TERM", 0),
        ("0=3", "--exit 0", 3),
        ("3=0", "--exit 3", 0),
        ("143=0", "--exit 143", 0),
        ("125=1", "--exit 125", 1),
        ("127=1", "--exit 127", 1),
        // Once, not again and again.
        ("1=2,2=3", "--exit 1", 2),
        ("1=2", "--exit 2", 2),
        ("255=254", "--exit 255", 254),
        ("129=7", "--die HUP", 7),
        ("192=7", "--die 64", 7),
        // To a number that looks like a death: it is an exit status all the same.
        ("3=143", "--exit 3", 143),
    ] {
        guarded_or_not(|winddown| {
            winddown.args(["--remap-exit", remap]).workload(flags).run().expect_code(code);
        });
    }
    // The exit status of a JVM after SIGTERM.
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--remap-exit", "143=0"]);
        stopped(winddown, "--on TERM [ --exit 143 ] --print up --serve").expect_code(0);
    });
}

fn what_winddown_itself_says_is_not_rewritten() {
    let remap = ["--remap-exit", "125=0,126=0,127=0,137=0"];
    Winddown::new().args(remap).command(["/no/such"]).run().expect_code(127);
    Winddown::new().args(remap).command(["/etc/passwd"]).run().expect_code(126);
    Winddown::new().args(remap).args(["--frob"]).run().expect_code(125);
}

/// winddown may not signal other users here, and a process of the workload becomes another user.
fn survivors_are_125() {
    const WORKLOAD: &str = "--on TERM [ --exit 3 ] \
        --spawn child survivor [ --setuid 65534 --on TERM [ ] --serve ] --print up --serve";
    let no_right = ["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill"];
    let check = |winddown: Winddown| {
        let place = TempDir::new();
        let record = place.file("run.json");
        let winddown = winddown.prefix(no_right).args(["-t", "200ms", "--record", &record]);
        let run = winddown.workload(WORKLOAD).start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(125);
        let waited = ended.since(asked);
        assert!(waited >= Duration::from_millis(600) && waited < Duration::from_secs(5), "{}", ended.dump());
        let pid = ended.fact("survivor pid");
        let named = format!("survivor (pid {pid}): it runs as another user");
        assert!(ended.err().iter().any(|line| line.contains(&named)), "{}", ended.dump());
        let record = read_json(record);
        assert_eq!((&record["outcome"], &record["exit_status"]), (&"stuck".into(), &125.into()));
        assert_eq!(record["survivors"][0]["name"], "survivor");
        assert!(processes::is_alive(pid.parse().expect("a pid")));
    };
    guarded_or_not(|winddown| check(winddown.args(["--kill-wait", "400ms"])));
    check(Winddown::new().env("WINDDOWN_KILL_WAIT", "0.4"));
}

fn no_process_is_125() {
    let place = TempDir::new();
    let binary = place.install("winddown", winddown_path());
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    guarded_or_not(|winddown| {
        let ended = winddown
            .binary(&binary)
            .command(["/bin/true"])
            .limit(libc::RLIMIT_NPROC, 1)
            // A user that has no other process.
            .before_exec(|| Ok(nix::unistd::setuid(nix::unistd::Uid::from_raw(1_234_567))?))
            .run()
            .expect_code(125);
        assert_eq!(ended.err().len(), 1, "{}", ended.dump());
        assert!(ended.err()[0].starts_with("winddown: cannot start a process: "), "{}", ended.dump());
    });
}

fn as_pid_1_a_death_is_128_and_the_signal() {
    for (flags, code) in
        [("--exit 0", 0), ("--exit 255", 255), ("--die TERM", 143), ("--die KILL", 137), ("--die SEGV", 139)]
    {
        Winddown::new().pid_1().workload(flags).run().expect_code(code);
    }
    let run = Winddown::new().pid_1().args(["--remap-exit", "143=4"]).workload("--die TERM");
    run.run().expect_code(4);
}

fn outcomes_are_one_word() {
    let place = TempDir::new();
    let record = place.file("run.json");
    let missing = place.file("no-such");
    let workload = workload_path();
    for (flags, outcome) in [
        ("--exit 0", "completed"),
        ("--exit 3", "failed"),
        ("--die SEGV", "crashed"),
        ("--on TERM [ --exit 3 ] --print up --serve", "stopped"),
        ("--print up --serve", "stopped"),
        ("--ignore TERM --print up --serve", "killed"),
        ("", "not-started"),
    ] {
        guarded_or_not(|winddown| {
            let command = if flags.is_empty() { missing.as_ref() } else { workload.as_os_str() };
            let winddown = winddown.args(["-t", "200ms", "--record", &record]).command([command]);
            let run = winddown.more(flags.split_whitespace()).start();
            if flags.contains("up") {
                run.wait_out("up");
                run.signal(libc::SIGTERM);
            }
            run.wait().expect_nothing_left();
            assert_eq!(read_json(&record)["outcome"], outcome, "{flags}");
        });
    }
}
