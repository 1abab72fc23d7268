//! Ctrl+Z, `fg`, `bg` and background jobs: winddown stops and goes on with its main process.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::support::builder::{winddown_path, workload_path};
use crate::support::{Pty, TempDir, eventually, holds_within, processes, trials};
use crate::terminal::{expect_status, in_bash};

trials![
    needs("bash") => ctrl_z_stops_the_job_and_fg_continues_it,
    needs("bash") => bg_lets_a_stopped_job_go_on,
    needs("bash") => a_workload_that_ignores_ctrl_z_goes_on,
    needs("bash") => a_workload_that_catches_ctrl_z_gets_it_once,
    needs("bash") => a_workload_that_stops_itself_stops_the_job,
    needs("bash") => sigcont_to_winddown_alone_continues_both,
    needs("bash") => a_background_job_is_brought_to_the_foreground,
    needs("bash") => a_background_job_that_reads_stops_until_fg,
    needs("bash") => a_stopped_job_is_killed_by_the_shell,
    needs("bash") => ctrl_z_during_a_stop_does_not_hold_it_up,
    needs("bash") => an_orphaned_group_is_not_wedged_in_the_background,
    ctrl_z_does_not_wedge_where_no_shell_could_continue_us,
    a_main_process_stopped_for_good_still_ends_by_the_stop,
    needs("bash") => an_ignored_ctrl_z_is_not_acted_on,
    needs("bash", "strace") => what_the_outer_process_passes_on_late_stops_nobody_again,
    needs("bash") => after_a_ctrl_z_for_longer_than_the_run_limit_fg_asks_and_leaves_time,
];

/// The states of winddown's own processes below the shell.
fn winddowns(pty: &Pty) -> Vec<char> {
    let living = pty.tag().living().into_iter();
    living.filter(|one| processes::is_winddowns(&one.name)).map(|one| one.state).collect()
}

#[track_caller]
fn wait_stopped(pty: &Pty, main: i32) {
    eventually("the whole job is stopped", || {
        let states = winddowns(pty);
        !states.is_empty() && states.iter().all(|state| *state == 'T') && processes::state(main) == Some('T')
    });
}

#[track_caller]
fn wait_running(pty: &Pty, main: i32) {
    eventually("the whole job goes on", || {
        let states = winddowns(pty);
        !states.is_empty() && states.iter().all(|state| *state != 'T') && processes::state(main) != Some('T')
    });
}

// Trap 6: a wrapper that does not stop with its child keeps the shell waiting forever.
fn ctrl_z_stops_the_job_and_fg_continues_it() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --say pid --read-line --read-line --read-line --exit 7"));
        let main = pty.number("pid");
        for word in ["one", "two", "three"] {
            pty.keys("\x1a");
            pty.expect("Stopped");
            pty.prompt();
            wait_stopped(pty, main);
            assert_eq!(pty.foreground(), pty.pid());
            pty.line("fg");
            wait_running(pty, main);
            pty.keys(&format!("{word}\r"));
            pty.expect(&format!("line {word}"));
        }
        pty.prompt();
        expect_status(pty, 7);
        assert_eq!(pty.count("winddown: "), 0, "Ctrl+Z is not logged:\n{}", pty.screen());
    });
}

fn bg_lets_a_stopped_job_go_on() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --on TERM [ --exit 4 ] --say pid --serve"));
        let main = pty.number("pid");
        pty.keys("\x1a");
        pty.expect("Stopped");
        pty.prompt();
        pty.command("bg");
        wait_running(pty, main);
        pty.command("kill %1; wait %1");
        expect_status(pty, 4);
    });
}

fn a_workload_that_ignores_ctrl_z_goes_on() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --ignore TSTP --say pid --read-line --exit 2"));
        let main = pty.number("pid");
        pty.keys("\x1a");
        pty.keys("on\r");
        pty.expect("line on");
        pty.prompt();
        expect_status(pty, 2);
        assert_ne!(processes::state(main), Some('T'));
        assert_eq!(pty.screen().matches("Stopped").count(), 0, "{}", pty.screen());
    });
}

fn a_workload_that_catches_ctrl_z_gets_it_once() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --on TSTP [ --sleep 300 --exit 2 ] --print up --serve"));
        pty.expect("\r\nup");
        pty.keys("\x1a");
        pty.prompt();
        expect_status(pty, 2);
        assert_eq!(pty.count("got 20 "), 1, "doubled:\n{}", pty.screen());
    });
}

fn a_workload_that_stops_itself_stops_the_job() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --say pid --stop --print again --exit 3"));
        let main = pty.number("pid");
        pty.expect("Stopped");
        pty.prompt();
        wait_stopped(pty, main);
        pty.line("fg");
        pty.expect("\r\nagain");
        pty.prompt();
        expect_status(pty, 3);
    });
}

fn sigcont_to_winddown_alone_continues_both() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --on TERM [ --exit 3 ] --say pid,pgid --serve"));
        let (main, winddown) = (pty.number("pid"), pty.number("pgid"));
        pty.keys("\x1a");
        pty.expect("Stopped");
        pty.prompt();
        wait_stopped(pty, main);
        pty.command(&format!("kill -CONT {winddown}"));
        wait_running(pty, main);
        pty.command("kill %1; wait %1");
        expect_status(pty, 3);
    });
}

/// A fact that a background job prints after the shell's prompt.
#[track_caller]
fn number_behind_prompt(pty: &mut Pty, name: &str) -> i32 {
    pty.expect(&format!("{name} "));
    let value = pty.expect("\r\n");
    value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
}

fn a_background_job_is_brought_to_the_foreground() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --on USR1 [ --read-line --exit 8 ] --say pgid,pid --serve &"));
        pty.expect("\r\n");
        let (group, main) = (number_behind_prompt(pty, "pgid"), number_behind_prompt(pty, "pid"));
        pty.line("fg");
        pty.wait_foreground(group);
        pty.tag().signal(main, libc::SIGUSR1);
        pty.expect("got 10");
        pty.keys("front\r");
        pty.expect("line front");
        pty.prompt();
        expect_status(pty, 8);
    });
}

fn a_background_job_that_reads_stops_until_fg() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} $WL --say pid --read-line --exit 8 &"));
        pty.expect("\r\n");
        let main = number_behind_prompt(pty, "pid");
        wait_stopped(pty, main);
        pty.keys("\r");
        pty.expect("Stopped");
        pty.prompt();
        pty.line("fg");
        wait_running(pty, main);
        pty.keys("front\r");
        pty.expect("line front");
        pty.prompt();
        expect_status(pty, 8);
    });
}

fn a_stopped_job_is_killed_by_the_shell() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -t 20s $WL --on TERM [ --print bye --exit 5 ] --say pid --serve"));
        let main = pty.number("pid");
        pty.keys("\x1a");
        pty.expect("Stopped");
        pty.prompt();
        wait_stopped(pty, main);
        pty.line("kill %1; while kill -0 %1 2>&-; do sleep .05; done");
        pty.expect("Exit 5");
        pty.prompt();
        assert_eq!(pty.count("got 15 "), 1, "asked twice:\n{}", pty.screen());
    });
}

fn ctrl_z_during_a_stop_does_not_hold_it_up() {
    in_bash(|pty, winddown| {
        pty.line(&format!("{winddown} -t 20s $WL --on INT [ --sleep 500 --exit 5 ] --print up --serve"));
        pty.expect("\r\nup");
        pty.keys("\x03");
        pty.expect("SIGKILL in 20s");
        pty.keys("\x1a");
        pty.prompt();
        expect_status(pty, 5);
        assert_eq!(pty.screen().matches("Stopped").count(), 0, "{}", pty.screen());
    });
}

/// The shell that started it is gone: a read of the terminal fails instead of stopping the group.
fn an_orphaned_group_is_not_wedged_in_the_background() {
    in_bash(|pty, winddown| {
        let place = TempDir::new();
        let go = place.file("go");
        pty.line(&format!("( {winddown} $WL --say pid --until {go} --read-line --print end < /dev/tty & )"));
        pty.expect("\r\n");
        let main = number_behind_prompt(pty, "pid");
        pty.wait_foreground(pty.pid());
        place.write("go", "");
        pty.expect("line-error 5");
        eventually("the job has ended", || !processes::is_alive(main));
        pty.keys("\r");
        pty.prompt();
    });
}

/// As in `docker run -it`: winddown leads the session, and there is no shell in which to type `fg`.
fn ctrl_z_does_not_wedge_where_no_shell_could_continue_us() {
    for guard in [None, Some("--no-guard")] {
        let mut pty = program(guard, "--print up --read-line --exit 9");
        pty.expect("up");
        pty.keys("\x1a");
        pty.keys("word\r");
        pty.expect("line word");
        assert_eq!(pty.wait().code(), Some(9));
    }
}

/// SIGSTOP stops the main process even in an orphaned group: winddown can't stop with it, and is still awake
/// for a stop request.
fn a_main_process_stopped_for_good_still_ends_by_the_stop() {
    for guard in [None, Some("--no-guard")] {
        let mut pty = program(guard, "--on TERM [ --exit 9 ] --say pid --stop --serve");
        let main = pty.number("pid");
        eventually("the main process is stopped", || processes::state(main) == Some('T'));
        let leader = pty.pid();
        let is_stopped = || processes::state(leader) == Some('T');
        assert!(!holds_within(Duration::from_millis(100), is_stopped), "winddown is wedged");
        pty.tag().signal(leader, libc::SIGTERM);
        assert_eq!(pty.wait().code(), Some(9));
        pty.tag().assert_nothing_left();
    }
}

/// winddown as the leader of a terminal's session, with the workload program.
pub(crate) fn program<'a>(options: impl IntoIterator<Item = &'a str>, flags: &str) -> Pty {
    let mut words = vec![winddown_path().into_os_string()];
    words.extend(options.into_iter().chain(["--"]).map(OsString::from));
    words.push(workload_path().into());
    words.extend(flags.split(' ').map(OsString::from));
    Pty::program(words)
}

/// A caller that ignores SIGTSTP (a shell without job control) wants no process to stop.
fn an_ignored_ctrl_z_is_not_acted_on() {
    in_bash(|pty, winddown| {
        pty.line(&format!("(trap '' TSTP; exec {winddown} $WL --say pid --read-line --exit 6)"));
        let main = pty.number("pid");
        pty.keys("\x1a");
        pty.keys("go\r");
        pty.expect("line go");
        pty.prompt();
        expect_status(pty, 6);
        assert!(!processes::is_alive(main));
    });
}

/// The run limit is over by then, but no process is killed without being asked.
fn after_a_ctrl_z_for_longer_than_the_run_limit_fg_asks_and_leaves_time() {
    in_bash(|pty, winddown| {
        let started = Instant::now();
        let workload = "$WL --on TERM [ --sleep 300 --exit 6 ] --say pid --serve";
        pty.line(&format!("{winddown} --run-limit 2s -t 1500ms {workload}"));
        let main = pty.number("pid");
        pty.keys("\x1a");
        pty.prompt();
        wait_stopped(pty, main);
        eventually("the run limit is over", || started.elapsed() > Duration::from_millis(2300));
        pty.line("fg");
        pty.prompt();
        // The run limit asked the workload, which ended in time.
        expect_status(pty, 124);
        assert_eq!(pty.count("got 15 "), 1, "{}", pty.screen());
        assert_eq!(pty.count("SIGKILL in 1.5s"), 1, "{}", pty.screen());
    });
}

/// vi sends SIGTSTP to itself and the rest of its job. The outer process may take its copy just before it stops,
/// and pass it on only after `fg`.
fn what_the_outer_process_passes_on_late_stops_nobody_again() {
    let place = TempDir::new();
    let mut pty = Pty::bash();
    let trace = place.file("trace");
    let slow = "-e trace=write -e inject=write:delay_enter=500000";
    let words = "read line; kill -TSTP 0; read line; exit 4";
    pty.line(&format!("strace -DDD -f -qq -o {trace} {slow} $WD -v -- sh -c '{words}'"));
    // The inner process writes slowly, too.
    pty.expect("started sh");
    pty.keys("stop\r");
    pty.expect("Stopped");
    pty.prompt();
    pty.line("fg");
    pty.expect("SIGTSTP from sh");
    pty.keys("go on\r");
    pty.prompt();
    expect_status(&mut pty, 4);
    assert_eq!(pty.count("Stopped"), 1, "{}", pty.screen());
}
