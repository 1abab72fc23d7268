//! The hook after the end of a run: when it runs, and what it learns.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::hooks::{STAYS, asked, expect_gone, expect_logged_once, printed, program};
use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::running::Ended;
use crate::support::{TempDir, processes, read_json, trials};
use crate::terminal::{expect_status, in_bash};

trials![
    the_hook_after_the_end_learns_how_it_ended,
    the_hook_after_a_kill_learns_of_it,
    the_hook_after_the_end_comes_when_nothing_is_left,
    a_hook_after_the_end_that_takes_too_long_is_killed,
    a_hook_after_the_end_changes_no_status,
    without_a_start_nothing_follows_the_end,
    needs("bash") => ctrl_c_ends_the_hook_after_the_end,
    winddown_killed_in_the_hook_after_the_end_leaves_nothing_of_it,
];

const SAY_END: &str = "--say env:SHUTDOWN_OUTCOME,env:SHUTDOWN_EXIT_STATUS,env:SHUTDOWN_LIMIT_MS";

#[track_caller]
fn expect_end(ended: &Ended, outcome: &str, status: i32) {
    assert_eq!(printed(ended, "env:SHUTDOWN_OUTCOME"), outcome, "{}", ended.dump());
    assert_eq!(printed(ended, "env:SHUTDOWN_EXIT_STATUS"), status.to_string(), "{}", ended.dump());
    let shown = ended.code().or(ended.signal().map(|signal| signal + 128));
    assert_eq!(shown, Some(status), "{}", ended.dump());
}

fn the_hook_after_the_end_learns_how_it_ended() {
    guarded_or_not(|winddown| {
        let hook = program(SAY_END);
        let winddown = winddown.args(["-t", "20s", "--post-stop", &hook]);
        expect_end(&asked(winddown, "--on TERM [ --exit 7 ]").wait(), "stopped", 7);
    });
    let hook = program(SAY_END);
    let with = |options: &[&str]| Winddown::new().args(["--post-stop", &hook]).args(options);
    expect_end(&with(&[]).workload("--exit 0").run(), "completed", 0);
    expect_end(&with(&[]).workload("--exit 3").run(), "failed", 3);
    expect_end(&with(&[]).workload("--die SEGV").run(), "crashed", 139);
    expect_end(&with(&["--remap-exit", "3=0"]).workload("--exit 3").run(), "failed", 0);
    expect_end(&asked(with(&[]), "--on TERM [ --exit 0 ]").wait(), "stopped", 0);
    expect_end(&asked(with(&[]), "").wait(), "stopped", 143);
    expect_end(&asked(with(&["--remap-exit", "143=0"]), "").wait(), "stopped", 0);
    let limited = ["--run-limit", "600ms", "-t", "300ms"];
    expect_end(&with(&limited).workload("--on TERM [ --exit 3 ] --serve").run(), "stopped", 124);
    let stragglers = "--spawn session s [ --ignore TERM --serve ] --exit 4";
    expect_end(&with(&["-t", "200ms"]).workload(stragglers).run(), "killed", 4);
}

fn the_hook_after_a_kill_learns_of_it() {
    let hook = program(SAY_END);
    for limit in ["200ms", "0"] {
        let ended = asked(Winddown::new().args(["-t", limit, "--post-stop", &hook]), "--ignore TERM").wait();
        expect_end(&ended, "killed", 137);
    }
}

fn the_hook_after_the_end_comes_when_nothing_is_left() {
    guarded_or_not(|winddown| {
        let flags = "--spawn daemon-session d [ --on TERM [ --sleep 200 --print done --exit 0 ] --serve ] --on TERM [ --exit 3 ]";
        let place = TempDir::new();
        let pid = place.file("pid");
        let hook = format!("sh -c 'kill -0 $(cat {pid}) 2>/dev/null && echo early; echo after'");
        let winddown = winddown.args(["-t", "20s", "--post-stop", &hook]);
        let run = winddown.workload(&format!("{flags} --print up --serve")).start();
        run.wait_out("up");
        place.write("pid", &run.fact("d pid"));
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out("d done"), 1);
        let own: Vec<String> =
            ended.err().into_iter().filter(|line| !line.starts_with("winddown: ")).collect();
        assert_eq!(own, ["after"], "{}", ended.dump());
    });
}

fn a_hook_after_the_end_that_takes_too_long_is_killed() {
    guarded_or_not(|winddown| {
        let hook = program(STAYS);
        let winddown = winddown.args(["-t", "20s", "--hook-limit", "400ms", "--post-stop", &hook]);
        let started = Instant::now();
        let ended = winddown.workload("--exit 3").run().expect_code(3).expect_nothing_left();
        assert!(ended.duration >= Duration::from_millis(400), "{}", ended.dump());
        assert!(started.elapsed() < Duration::from_secs(10), "{}", ended.dump());
        expect_logged_once(&ended, "had no time left and was killed");
    });
}

fn a_hook_after_the_end_changes_no_status() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("record");
        let winddown = winddown.args(["--record", &file, "--post-stop", "sh -c 'exit 9'"]);
        winddown.workload("--exit 0").run().expect_code(0);
        let record = read_json(&file);
        assert_eq!((&record["exit_status"], &record["outcome"]), (&json!(0), &json!("completed")));
        assert_eq!(record["hooks"][0]["exit"], json!({ "code": 9 }));
    });
    let ended = Winddown::new().args(["--post-stop", "true"]).workload("--die TERM").run();
    assert_eq!(ended.signal(), Some(libc::SIGTERM), "{}", ended.dump());
    let quiet = Winddown::new().args(["--post-stop", "true"]).workload("--exit 0").run();
    assert!(quiet.err().is_empty(), "as silent as env: {}", quiet.dump());
}

fn without_a_start_nothing_follows_the_end() {
    guarded_or_not(|winddown| {
        let winddown = winddown.args(["--pre-stop", "echo hook", "--post-stop", "echo hook"]);
        let ended = winddown.command(["no-such-command-here"]).run().expect_code(127);
        assert_eq!(ended.err().len(), 1, "{}", ended.dump());
    });
}

fn ctrl_c_ends_the_hook_after_the_end() {
    in_bash(|pty, winddown| {
        pty.line(&format!(
            "{winddown} --hook-limit 40s --post-stop \"$WL --print hook --serve\" $WL --exit 5"
        ));
        pty.expect("\r\nhook");
        let pressed = Instant::now();
        pty.keys("\x03");
        pty.prompt();
        assert!(pressed.elapsed() < Duration::from_secs(15), "{}", pty.screen());
        expect_status(pty, 5);
    });
}

/// The process that is left may run it once more, but not for longer than it may last.
fn winddown_killed_in_the_hook_after_the_end_leaves_nothing_of_it() {
    for outer in [true, false] {
        let hook = program(STAYS);
        let run =
            Winddown::new().args(["--hook-limit", "1s", "--post-stop", &hook]).workload("--exit 3").start();
        run.wait_err("he pid");
        run.wait_err("hook");
        let pid = if outer { run.pid() } else { processes::children(run.pid())[0].pid };
        run.tag().signal(pid, libc::SIGKILL);
        expect_gone(&run);
    }
}
