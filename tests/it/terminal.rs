//! The keyboard, Ctrl+C, Ctrl+Z and jobs, in a terminal under an interactive shell.

use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Pty, holds_within, processes, trials};

trials![
    needs("bash") => the_workload_reads_the_keyboard,
    needs("bash") => the_group_and_the_foreground_stay_as_they_were,
    needs("strace", "bash") => no_call_changes_a_group_at_start,
    needs("bash") => the_shell_still_owns_its_terminal_afterwards,
    needs("bash") => ctrl_c_arrives_once_and_starts_the_clock,
    needs("bash") => what_lives_on_after_ctrl_c_has_a_remedy,
    needs("bash") => ctrl_c_twice_kills_at_once,
    needs("bash") => two_ctrl_c_in_one_moment_are_one,
    needs("bash") => ctrl_c_asks_everybody_in_the_group_once,
    needs("bash") => quit_from_the_keyboard_is_not_doubled,
    needs("bash") => a_loop_of_the_shell_ends_on_one_ctrl_c,
    needs("bash") => a_loop_of_a_script_ends_on_one_ctrl_c,
];

/// With and without the second process.
pub(crate) const VARIANTS: [&str; 2] = ["$WD", "$WD --no-guard"];

/// Runs a test in a fresh bash for each variant.
#[track_caller]
pub(crate) fn in_bash(test: impl Fn(&mut Pty, &str)) {
    for winddown in VARIANTS {
        let mut pty = Pty::bash();
        test(&mut pty, winddown);
        assert_eq!(pty.command("echo alive"), "alive", "the shell is usable:\n{}", pty.screen());
        pty.keys("exit\r");
        pty.wait();
        pty.tag().assert_nothing_left();
    }
}

/// The process of winddown that callers see, found from a process that it or its second process started.
#[track_caller]
pub(crate) fn winddown_of(main: i32) -> i32 {
    let parent = |pid| processes::info(pid).map_or(0, |info| info.parent);
    let is_winddown =
        |pid: &i32| processes::info(*pid).is_some_and(|info| processes::is_winddowns(&info.name));
    let above = std::iter::successors(Some(parent(main)), |pid| Some(parent(*pid)));
    above.take_while(is_winddown).last().expect("it is winddown's child")
}

/// At a prompt: checks the exit status of the last command.
#[track_caller]
pub(crate) fn expect_status(pty: &mut Pty, status: i32) {
    let found = pty.command("echo code=$?");
    assert!(found.ends_with(&format!("code={status}")), "not {status}:\n{}", pty.screen());
}

fn the_workload_reads_the_keyboard() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --say pgid,tpgid --read-line --exit 3"));
        let group = pty.number("pgid");
        assert_eq!(pty.number("tpgid"), group);
        pty.keys("hello there\r");
        pty.expect("line hello there");
        pty.prompt();
        expect_status(pty, 3);
        assert_eq!(pty.count("winddown: "), 0, "silence while all is well:\n{}", pty.screen());
    });
}

// Trap 7: setpgid without tcsetpgrp. The job stays in the group that the shell made.
fn the_group_and_the_foreground_stay_as_they_were() {
    in_bash(|pty, winddown| {
        let shell = pty.pid();
        pty.line(&format!("{winddown} $WL --say pgid,sid --print up --serve"));
        let group = pty.number("pgid");
        assert_eq!(pty.number("sid"), shell);
        assert_eq!(
            processes::info(group).map(|job| (job.parent, job.name)),
            Some((shell, "winddown".into()))
        );
        pty.expect("up");
        assert_eq!(pty.foreground(), group);
        pty.keys("\x03");
        pty.prompt();
        pty.line(&format!("{winddown} $WL --say pgid,tpgid --print bg --serve &"));
        pty.expect("bg");
        pty.keys("\r");
        pty.prompt();
        assert_eq!(pty.foreground(), shell, "the shell keeps the foreground while a job starts behind it");
        pty.command("kill %1; wait %1");
    });
}

fn no_call_changes_a_group_at_start() {
    in_bash(|pty, winddown| {
        let calls = pty.command(&format!("strace -f -e trace=setpgid,setsid,ioctl {winddown} true 2>&1"));
        assert!(calls.contains("exited with 0"), "strace has seen it:\n{calls}");
        for call in ["setpgid(", "setsid(", "TIOCSPGRP"] {
            assert!(!calls.contains(call), "{call} was called:\n{calls}");
        }
    });
}

// Trap 6: terminal theft.
fn the_shell_still_owns_its_terminal_afterwards() {
    in_bash(|pty, winddown| {
        for command in ["true", "false", "no-such-command"] {
            pty.line(&format!("sh -c '{winddown} {command}; echo go; read x; echo got=$x'"));
            pty.expect("\r\ngo");
            pty.keys("word\r");
            pty.expect("got=word");
            pty.prompt();
        }
        pty.command(&format!("{winddown} true &"));
        pty.command("wait");
        assert_eq!(pty.foreground(), pty.pid());
        assert_eq!(pty.command("read y <<< 1; echo y=$y"), "y=1");
    });
}

// Trap 8: double Ctrl+C.
fn ctrl_c_arrives_once_and_starts_the_clock() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -t 600ms $WL --on INT [ ] --print up --serve"));
        pty.expect("\r\nup");
        let pressed = Instant::now();
        pty.keys("\x03");
        pty.expect("got 2 code 128 pid 0");
        pty.prompt();
        assert!(pressed.elapsed() >= Duration::from_millis(600), "the limit was cut short");
        expect_status(pty, 137);
        assert_eq!(pty.count("got 2 "), 1);
        assert_eq!(pty.count("SIGINT from the terminal"), 1);
        assert_eq!(pty.count("--stop-on TERM"), 0, "it was not there for a second");
    });
}

fn what_lives_on_after_ctrl_c_has_a_remedy() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -t 30s $WL --on INT [ ] --say pid --print up --serve"));
        pty.expect("\r\nup");
        let main = pty.number("pid");
        let pressed = Instant::now();
        pty.keys("\x03");
        let before = pty.expect("--stop-on TERM");
        assert!(pressed.elapsed() >= Duration::from_secs(1), "too early:\n{before}");
        assert!(before.contains(&format!("(pid {main}) is still there after Ctrl+C: ")), "{before}");
        pty.keys("\x03");
        pty.prompt();
        assert_eq!(pty.count("--stop-on TERM"), 1);
        // Not if it ends within a second.
        pty.line(&format!("{winddown} -t 30s $WL --on INT [ --sleep 700 --exit 3 ] --print up --serve"));
        pty.expect("\r\nup");
        pty.keys("\x03");
        pty.prompt();
        assert_eq!(pty.count("--stop-on TERM"), 1, "{}", pty.screen());
    });
}

fn ctrl_c_twice_kills_at_once() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -t 30s $WL --on INT [ ] --print up --serve"));
        pty.expect("\r\nup");
        pty.keys("\x03");
        pty.expect("SIGKILL in 30s");
        // The shortest time after which a second press counts as another one.
        std::thread::sleep(Duration::from_millis(210));
        let pressed = Instant::now();
        pty.keys("\x03");
        pty.prompt();
        assert!(pressed.elapsed() < Duration::from_secs(10), "not killed by the second Ctrl+C");
        expect_status(pty, 137);
        assert_eq!(pty.count("killing at once"), 1);
    });
}

fn two_ctrl_c_in_one_moment_are_one() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -t 20s $WL --on INT [ --sleep 400 --exit 5 ] --print up --serve"));
        pty.expect("\r\nup");
        pty.keys("\x03\x03");
        pty.prompt();
        expect_status(pty, 5);
        assert_eq!(pty.count("killing at once"), 0);
    });
}

/// The worker got the terminal's Ctrl+C; winddown doesn't ask it again when it becomes an orphan. The
/// process in a session of its own did not get it, and is asked then.
fn ctrl_c_asks_everybody_in_the_group_once() {
    in_bash(|pty, winddown| {
        pty.command("W='--on INT,TERM [ --sleep 300 --print done --exit 0 ] --serve'");
        pty.line(&format!(
            "{winddown} $WL --spawn child w [ $W ] --spawn session s [ $W ] --print up --serve"
        ));
        pty.expect("\r\nup");
        pty.keys("\x03");
        pty.expect("done");
        pty.expect("done");
        pty.prompt();
        expect_status(pty, 130);
        assert_eq!(pty.count("w got 2 code 128"), 1);
        assert_eq!(pty.count("w got "), 1, "asked twice:\n{}", pty.screen());
        assert_eq!(pty.count("s got 15 code 0"), 1);
        assert_eq!(pty.count("s got "), 1, "asked twice:\n{}", pty.screen());
    });
}

fn quit_from_the_keyboard_is_not_doubled() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --on QUIT [ --sleep 300 --exit 6 ] --print up --serve"));
        pty.expect("\r\nup");
        pty.keys("\x1c");
        pty.prompt();
        expect_status(pty, 6);
        assert_eq!(pty.count("got 3 "), 1, "a forwarded signal is doubled:\n{}", pty.screen());
        assert_eq!(pty.count("winddown: "), 0, "SIGQUIT is not a stop request:\n{}", pty.screen());
    });
}

fn a_loop_of_the_shell_ends_on_one_ctrl_c() {
    in_bash(|pty, winddown| {
        pty.line(&format!("for f in 1 2 3; do {winddown} -v sleep 9; done"));
        pty.expect("started sleep");
        pty.keys("\x03");
        // A shell that is not waiting yet dies at once, and the prompt is back before winddown ends.
        // A process that dies before winddown takes the same Ctrl+C counts as ended by itself.
        let has_ended = || pty.count("stopped in") + pty.count("ended: sleep") == 1;
        assert!(holds_within(PATIENCE, has_ended), "winddown goes on:\n{}", pty.screen());
        pty.prompt();
        expect_status(pty, 130);
        assert_eq!(pty.count("started sleep"), 1, "the loop went on:\n{}", pty.screen());
    });
}

fn a_loop_of_a_script_ends_on_one_ctrl_c() {
    in_bash(|pty, winddown| {
        pty.line(&format!("bash -c 'for f in 1 2 3; do {winddown} -v sleep 9; done; echo went-on'"));
        pty.expect("started sleep");
        pty.keys("\x03");
        pty.prompt();
        expect_status(pty, 130);
        assert_eq!(pty.count("started sleep"), 1, "the loop went on:\n{}", pty.screen());
        assert_eq!(pty.screen().matches("went-on").count(), 1, "only as typed:\n{}", pty.screen());
    });
}
