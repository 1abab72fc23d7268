//! What winddown logs on stderr: nothing when all is well, one line per phase once a stop has begun.

use std::process::Command;
use std::time::Duration;

use snapbox::str;

use crate::support::builder::Winddown;
use crate::support::running::Ended;
use crate::support::snapshot::expect_log;
use crate::support::{Pty, eventually, processes, trials};
use crate::terminal::VARIANTS;

trials![
    a_run_that_ends_by_itself_is_silent,
    a_stop_in_time_is_reported_in_two_lines,
    each_phase_of_a_kill_has_its_line,
    the_limit_is_reported_with_its_origin,
    a_server_that_puts_itself_into_the_background_is_reported,
    stragglers_are_named_with_who_is_asked,
    stragglers_without_a_limit_are_not_said_to_be_asked,
    killed_stragglers_are_not_mistaken_for_the_main_process,
    another_signal_than_the_one_received_is_named,
    half_of_a_short_limit_is_not_reported,
    a_run_limit_says_when_it_is_reached,
    no_limit_and_no_time_have_their_own_words,
    verbose_logs_starts_signals_and_orphans,
    quiet_logs_a_kill_and_errors_only,
    a_sender_that_is_gone_is_said_to_be_gone,
    needs("root", "pid-namespace") => a_sender_outside_the_container_is_said_to_be_outside,
    a_signal_of_the_kernel_is_not_called_the_terminals,
    nothing_goes_to_stdout,
    needs("bash") => colour_is_for_terminals_that_want_it,
    needs("bash") => lines_are_whole_in_a_raw_terminal,
];

/// Whether a line matches the pattern, in which `*` stands for any text.
fn fits(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Not in every build.
fn is_of_post_mortem(line: &str) -> bool {
    ["winddown: why (", "winddown: also: ", "winddown:   "].iter().any(|start| line.starts_with(start))
}

/// Panics unless each line on stderr matches its pattern.
#[track_caller]
fn expect_lines(ended: &Ended, patterns: &[&str]) {
    let mut lines = ended.err();
    lines.retain(|line| !is_of_post_mortem(line));
    let all = lines.len() == patterns.len() && lines.iter().zip(patterns).all(|(line, one)| fits(line, one));
    assert!(all, "not as {patterns:#?}\n{}", ended.dump());
}

/// The test's own process as the log names a sender.
fn this_process() -> String {
    let own = std::process::id();
    let name = processes::info(own.cast_signed()).expect("this process").name;
    format!("{name} (pid {own}, uid {})", nix::unistd::getuid())
}

fn a_run_that_ends_by_itself_is_silent() {
    for flags in [
        "--exit 0",
        "--exit 3",
        "--die TERM",
        "--print out --spawn child c [ --exit 1 ] --wait c",
        "--orphans 50 --sleep 500",
        "--on USR1,HUP [ ] --kill parent USR1 --kill parent HUP --sleep 50",
    ] {
        for guard in [&[][..], &["--no-guard"]] {
            let ended = Winddown::new().args(guard).workload(flags).run();
            assert!(ended.err().is_empty(), "{flags}\n{}", ended.dump());
        }
    }
    let left =
        Winddown::new().args(["--leave-stragglers"]).workload("--spawn session s [ --serve ] --exit 0").run();
    assert!(left.err().is_empty(), "{}", left.dump());
}

fn a_stop_in_time_is_reported_in_two_lines() {
    let run = Winddown::new()
        .args(["-t", "30s"])
        .workload("--on TERM [ --sleep 1200 --exit 4 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(4);
    let by = this_process();
    expect_lines(
        &ended,
        &[
            &format!("winddown: SIGTERM from {by}: stopping workload (pid *), SIGKILL in 30s (-t)"),
            "winddown: stopped in 1.*s of 30s: workload (pid *) exited with 4",
        ],
    );
}

/// Expects the time after these words to be this long, or a little longer.
#[track_caller]
fn expect_logged_time(ended: &Ended, words: &str, milliseconds: u64) {
    let lines = ended.err();
    let rest = lines.iter().find_map(|line| line.split_once(words)).unwrap_or_default().1;
    let time = rest.split([' ', ':']).next().unwrap_or_default();
    let parsed = match time.strip_suffix("ms") {
        Some(number) => number.parse().map(Duration::from_millis).ok(),
        None => time.strip_suffix('s').and_then(|number| Some(Duration::from_secs_f64(number.parse().ok()?))),
    };
    let parsed = parsed.unwrap_or_else(|| panic!("no time after {words:?}: {}", ended.dump()));
    ended.expect_time(parsed, Duration::from_millis(milliseconds));
}

fn each_phase_of_a_kill_has_its_line() {
    let run = Winddown::new()
        .args(["-t", "800ms"])
        .workload("--ignore TERM --spawn child w [ --ignore TERM --serve ] --say pid --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let (main, worker) = (run.number("pid"), run.number("w pid"));
    let ended = run.wait().expect_code(137);
    let both = format!("workload (pid {main}), w (pid {worker})");
    expect_lines(
        &ended,
        &[
            "winddown: SIGTERM from *: stopping workload (pid *), SIGKILL in 800ms (-t)",
            &format!("winddown: *ms left; still there: {both}"),
            &format!("winddown: SIGKILL after * to 2 processes: {both}"),
            &format!("winddown: killed in *: workload (pid {main}) died of SIGKILL"),
        ],
    );
    let left = ended.err()[1]
        .split_once("winddown: ")
        .and_then(|(_, rest)| rest.split_once("ms left"))
        .map(|(ms, _)| ms.parse::<u32>().unwrap());
    assert!(left.is_some_and(|left| left <= 400), "half of the limit: {}", ended.dump());
    expect_logged_time(&ended, "SIGKILL after ", 800);
    expect_logged_time(&ended, "killed in ", 800);
}

fn the_limit_is_reported_with_its_origin() {
    for (options, variable, logged) in [
        (&["-t", "7s"][..], None, "SIGKILL in 7s (-t)"),
        (&["--time-limit", "90"], Some("5s"), "SIGKILL in 1m 30s (-t)"),
        (&[], Some("5s"), "SIGKILL in 5s (WINDDOWN_TIME_LIMIT)"),
        (&[], None, "SIGKILL in 10s (default)"),
        (&["-t", "250ms"], None, "SIGKILL in 250ms (-t)"),
        (&["--run-limit", "12s"], None, "SIGKILL in 6s (half of --run-limit)"),
        (&["-t", "20s", "--stop", "TERM 3s, KILL"], None, "SIGKILL in 3s (--stop)"),
    ] {
        let mut run = Winddown::new().args(options);
        if let Some(value) = variable {
            run = run.env("WINDDOWN_TIME_LIMIT", value);
        }
        let run = run.workload("--print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        run.wait_err(&format!("), {logged}"));
        run.wait().expect_signal(libc::SIGTERM);
    }
}

/// As nginx does without `daemon off`.
fn a_server_that_puts_itself_into_the_background_is_reported() {
    let mut found = Vec::new();
    for (flags, code) in [
        ("--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] --exit 0", 0),
        // It failed; it stays in winddown's session; it worked before it left.
        ("--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] --exit 1", 1),
        ("--spawn child c [ --on TERM [ --exit 0 ] --serve ] --exit 0", 0),
        ("--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] --sleep 1200 --exit 0", 0),
    ] {
        let ended = Winddown::new().args(["-t", "20s"]).workload(flags).run().expect_code(code);
        found.extend(ended.err().into_iter().next());
    }
    expect_log(
        &found,
        str![[r#"
winddown: workload (pid [PID]) exited with 0; asking 1 straggler: d (pid [PID]), SIGKILL in 20s (-t); it put itself into the background: run it in the foreground, or use --leave-stragglers
winddown: workload (pid [PID]) exited with 1; asking 1 straggler: d (pid [PID]), SIGKILL in 20s (-t); --leave-stragglers leaves them
winddown: workload (pid [PID]) exited with 0; asking 1 straggler: c (pid [PID]), SIGKILL in 20s (-t); --leave-stragglers leaves them
winddown: workload (pid [PID]) exited with 0; asking 1 straggler: d (pid [PID]), SIGKILL in 20s (-t); --leave-stragglers leaves them
"#]],
    );
}

fn stragglers_are_named_with_who_is_asked() {
    let ended = Winddown::new()
        .args(["-t", "20s"])
        .workload("--spawn session s [ --on TERM [ --sleep 100 --exit 0 ] --serve ] --spawn child c [ --serve ] --exit 3")
        .run()
        .expect_code(3);
    expect_lines(
        &ended,
        &[
            "winddown: workload (pid *) exited with 3; asking 2 stragglers: *s (pid *), SIGKILL in 20s (-t); --leave-stragglers leaves them",
            "winddown: stopped in *ms of 20s: workload (pid *) exited with 3",
        ],
    );
    let run = Winddown::new()
        .workload("--on TERM [ --exit 0 ] --spawn session s [ --on TERM [ --sleep 100 --exit 0 ] --serve ] --print up --serve")
        .start();
    run.wait_out("up");
    let straggler = run.number("s pid");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(0);
    expect_lines(
        &ended,
        &[
            "winddown: SIGTERM from *: stopping workload (pid *), SIGKILL in 10s (default)",
            &format!(
                "winddown: workload (pid *) exited with 0 after *ms; asking 1 straggler: s (pid {straggler})"
            ),
            "winddown: stopped in *ms of 10s: workload (pid *) exited with 0",
        ],
    );
}

fn killed_stragglers_are_not_mistaken_for_the_main_process() {
    let ended = Winddown::new()
        .args(["-t", "300ms"])
        .workload("--spawn session s [ --ignore TERM --serve ] --exit 3")
        .run()
        .expect_code(3);
    let last = ended.err().pop().unwrap_or_default();
    assert!(fits(&last, "winddown: what was left was killed in *: workload (pid *) exited with 3"), "{last}");
    expect_logged_time(&ended, "killed in ", 300);
}

fn stragglers_without_a_limit_are_not_said_to_be_asked() {
    let run = Winddown::new().args(["-t", "0"]).workload("--spawn session s [ --serve ]").run();
    expect_lines(
        &run.expect_code(0).expect_nothing_left(),
        &[
            "winddown: workload (pid *) exited with 0; stragglers are left, SIGKILL at once (-t); it put itself into the background: *",
            "winddown: SIGKILL after *ms to 1 process: s (pid *)",
            "winddown: what was left was killed in *ms: workload (pid *) exited with 0",
        ],
    );
}

fn another_signal_than_the_one_received_is_named() {
    for (options, with) in [(&["-s", "QUIT"][..], " with SIGQUIT"), (&["-s", "TERM"], ""), (&[], "")] {
        let flags = "--on TERM,QUIT [ --exit 0 ] --print up --serve";
        let run = Winddown::new().args(options).args(["-t", "5s"]).workload(flags).start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(0);
        let first = format!("winddown: SIGTERM from *: stopping workload (pid *){with}, SIGKILL in 5s (-t)");
        expect_lines(&ended, &[&first, "winddown: stopped in * of 5s: workload (pid *) exited with 0"]);
    }
}

fn half_of_a_short_limit_is_not_reported() {
    for (limit, lines) in [("190ms", 0), ("1s", 1)] {
        let run = Winddown::new().args(["-t", limit]).workload("--on TERM [ ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137);
        let found = ended.err().iter().filter(|line| line.contains("left; still there")).count();
        assert_eq!(found, lines, "{}", ended.dump());
    }
}

fn a_run_limit_says_when_it_is_reached() {
    let ended = Winddown::new().args(["--run-limit", "800ms", "-t", "500ms"]).workload("--serve").run();
    expect_lines(
        &ended.expect_code(124),
        &[
            "winddown: the run limit ends the run: stopping workload (pid *), SIGKILL in *ms (-t)",
            "winddown: stopped in *ms of 500ms: workload (pid *) died of SIGTERM",
        ],
    );
    // Without -t somebody may expect to be asked when the time is up, as by timeout.
    let ended = Winddown::new().args(["--run-limit", "800ms"]).workload("--serve").run().expect_code(124);
    let hint = "SIGKILL in *ms (half of --run-limit); --stop-after asks only at the end";
    let line = format!("winddown: the run limit ends the run: stopping workload (pid *), {hint}");
    expect_lines(&ended, &[&line, "winddown: stopped in *ms of 400ms: workload (pid *) died of SIGTERM"]);
}

fn no_limit_and_no_time_have_their_own_words() {
    for (limit, lines) in [
        (
            "0",
            &[
                "winddown: *: stopping workload (pid *), SIGKILL at once (-t)",
                "winddown: SIGKILL after *ms to 1 process: *",
                "winddown: killed in *ms: *",
            ][..],
        ),
        (
            "infinity",
            &[
                "winddown: *: stopping workload (pid *), no SIGKILL (-t)",
                "winddown: stopped in *ms: workload (pid *) died of SIGTERM",
            ],
        ),
    ] {
        let run = Winddown::new().args(["-t", limit]).workload("--print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        expect_lines(&run.wait(), lines);
    }
}

fn verbose_logs_starts_signals_and_orphans() {
    let run = Winddown::new()
        .args(["-v", "--map", "USR2=USR1"])
        .workload("--on USR1 [ ] --say pid --print up --serve")
        .start();
    run.wait_out("up");
    let main = run.number("pid");
    run.signal(libc::SIGUSR2);
    run.wait_err("forwarded");
    run.signal(libc::SIGTERM);
    let by = this_process();
    expect_lines(
        &run.wait(),
        &[
            &format!("winddown: started workload (pid {main})"),
            &format!("winddown: SIGUSR2 from {by}: forwarded as SIGUSR1"),
            &format!("winddown: SIGTERM from {by}: stopping workload (pid {main}), SIGKILL in 10s (default)"),
            &format!("winddown: reaped workload (pid {main}), which died of SIGTERM"),
            &format!("winddown: stopped in *ms of 10s: workload (pid {main}) died of SIGTERM"),
        ],
    );
    let ended = Winddown::new().args(["-v"]).workload("--orphans 3 --sleep 500").run().expect_code(0);
    assert_eq!(ended.err().iter().filter(|line| line.contains("reaped ")).count(), 4, "{}", ended.dump());
    let last = ended.err().pop().unwrap_or_default();
    assert!(fits(&last, "winddown: ended: workload (pid *) exited with 0"), "{last}");
}

fn quiet_logs_a_kill_and_errors_only() {
    let run =
        Winddown::new().args(["-q", "-t", "300ms"]).workload("--ignore TERM --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137);
    // With its cause; the last line has figures of that process.
    assert_eq!(ended.err().len(), 4, "{}", ended.dump());
    expect_log(
        &ended.err()[..3],
        str![[r#"
winddown: SIGKILL after [TIME] to 1 process: workload (pid [PID])
winddown: why (frozen): W04 ignored: workload (pid [PID]) ignores SIGTERM
winddown:   try: install a handler, ask with another signal (--stop-signal), or start it with the signal not ignored
"#]],
    );
    let ended = Winddown::new().args(["-q"]).command(["no-such-command-here"]).run().expect_code(127);
    expect_lines(&ended, &["winddown: cannot run 'no-such-command-here': no such command in PATH"]);
    let ended =
        Winddown::new().args(["-q", "--record", "/dev/full"]).workload("--exit 2").run().expect_code(2);
    expect_lines(&ended, &["winddown: --record /dev/full: No space left on device; the run is not recorded"]);
}

/// winddown is stopped while the signal is sent, and takes it long after the sender was reaped.
fn a_sender_that_is_gone_is_said_to_be_gone() {
    let run = Winddown::new().workload("--print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGSTOP);
    eventually("winddown is stopped", || processes::state(run.pid()) == Some('T'));
    let mut sender = Command::new("sh").args(["-c", &format!("kill -TERM {}", run.pid())]).spawn().unwrap();
    let pid = sender.id();
    sender.wait().unwrap();
    run.signal(libc::SIGCONT);
    let found = run.wait_err("stopping");
    assert!(
        found.starts_with(&format!("winddown: SIGTERM from a process that is gone (pid {pid}, uid ")),
        "{found}"
    );
}

fn a_sender_outside_the_container_is_said_to_be_outside() {
    let run = Winddown::new().pid_1().workload("--print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let found = run.wait_err("stopping");
    let wanted = "winddown: SIGTERM from outside the container (pid 0, uid *): stopping workload (pid *), SIGKILL in 8s (default)";
    assert!(fits(&found, wanted), "{found}");
}

/// Such as that of the CPU limit, or of an alarm that was set before winddown was started.
fn a_signal_of_the_kernel_is_not_called_the_terminals() {
    let alarm = || {
        // SAFETY: sets a timer of the process that becomes winddown; exec keeps it.
        unsafe { libc::alarm(1) };
        Ok(())
    };
    let run =
        Winddown::new().args(["-v"]).before_exec(alarm).workload("--on ALRM [ --exit 5 ] --serve").start();
    run.wait_err("SIGALRM from the kernel: forwarded");
    run.wait().expect_code(5);
}

// Trap 23: log lines on stdout corrupt the workload's output.
fn nothing_goes_to_stdout() {
    for format in ["text", "json"] {
        let run = Winddown::new()
            .args(["-v", "-t", "200ms", "--log-format", format])
            .workload("--on USR1 [ ] --ignore TERM --print up --serve")
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137);
        assert_eq!(ended.out(), ["up"]);
        assert!(ended.err().len() > 4, "{}", ended.dump());
    }
}

fn colour_is_for_terminals_that_want_it() {
    for winddown in VARIANTS {
        for (environment, coloured) in [
            ("TERM=xterm", true),
            ("TERM=xterm NO_COLOR=", true),
            ("TERM=xterm NO_COLOR=1", false),
            ("TERM=dumb", false),
            ("env -u TERM", false),
        ] {
            let mut pty = Pty::bash();
            pty.line(&format!("{environment} {winddown} -v true"));
            let shown = pty.prompt();
            let started =
                if coloured { "\x1b[2mwinddown:\x1b[0m started true" } else { "\nwinddown: started true" };
            assert!(shown.contains(started), "{environment}: {shown:?}");
            assert_eq!(shown.contains('\x1b'), coloured, "{environment}: {shown:?}");
            pty.line(&format!("{environment} {winddown} -v true 2>&1 | cat"));
            assert!(!pty.prompt().contains('\x1b'), "no colour in a pipe");
            pty.line(&format!("{environment} {winddown} -v --log-format json true"));
            assert!(!pty.prompt().contains('\x1b'), "no colour in JSON");
        }
    }
}

/// A full-screen program has turned off the carriage return that goes with a line feed.
fn lines_are_whole_in_a_raw_terminal() {
    for winddown in VARIANTS {
        let script = format!(
            "stty -opost; {winddown} -t 300ms $WL --ignore TERM --kill parent TERM --serve; echo end"
        );
        let mut pty = Pty::program(["sh", "-c", &script]);
        pty.expect("end");
        let screen = pty.screen();
        assert!(screen.matches("winddown: ").count() >= 3, "{screen}");
        let lines = screen.split("end").next().unwrap();
        assert_eq!(lines.matches('\n').count(), lines.matches("\r\n").count(), "{screen:?}");
    }
}
