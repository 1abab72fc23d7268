//! Hooks, during a stop and after it: what they receive, and what happens to the processes they leave behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::builder::{Stream, Winddown, guarded_or_not, winddown_path, workload_path};
use crate::support::running::{Ended, Running};
use crate::support::{TempDir, eventually, holds_within, processes, read_json, trials};
use crate::terminal::{expect_status, in_bash};

trials![
    a_hook_gets_what_winddown_was_given,
    a_hook_has_the_streams_of_the_log_and_no_input,
    a_hook_learns_the_deadline,
    a_hook_learns_nothing_of_another_stop,
    a_hook_that_ends_early_begins_the_next_step,
    a_hook_that_takes_too_long_is_killed_and_the_stop_goes_on,
    what_a_hook_leaves_behind_goes_with_it,
    winddown_waits_for_the_end_of_every_hook,
    a_hook_that_fails_is_reported_in_one_line,
    what_becomes_of_hooks_is_in_json_lines,
    a_hook_is_waited_for_though_sigchld_was_ignored,
    needs("root", "setpriv", "prlimit") => no_process_is_left_for_a_hook,
    hooks_are_killed_with_everybody_and_not_named,
    a_signal_of_the_hook_is_one_from_outside,
    winddown_killed_in_a_hook_leaves_nothing_of_it,
    winddown_killed_without_a_guard_ends_the_hook_too,
    needs("bash") => a_key_of_the_terminal_does_not_reach_a_hook,
    needs("root", "pid-namespace") => pid_1_runs_hooks_and_kills_them,
];

/// The workload program as a hook, with these flags.
pub(crate) fn program(flags: &str) -> String {
    format!("{} {flags}", workload_path().display())
}

/// A run that is up and has been asked by TERM.
#[track_caller]
pub(crate) fn asked(winddown: Winddown, flags: &str) -> Running {
    let run = winddown.workload(&format!("{flags} --print up --serve")).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run
}

/// The value of a fact that a hook has printed.
#[track_caller]
pub(crate) fn printed(ended: &Ended, name: &str) -> String {
    let lines = ended.err();
    let found = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no fact {name}\n{}", ended.dump())).to_owned()
}

/// How many of winddown's own lines contain this text.
fn count_logged(ended: &Ended, part: &str) -> usize {
    ended.err().iter().filter(|line| line.starts_with("winddown: ") && line.contains(part)).count()
}

#[track_caller]
pub(crate) fn expect_logged_once(ended: &Ended, part: &str) {
    assert_eq!(count_logged(ended, part), 1, "{part}\n{}", ended.dump());
}

#[track_caller]
fn pass(time: Duration, since: Instant) {
    eventually("the time is over", || since.elapsed() > time);
}

/// Waits until nothing of the run is alive; panics if that takes too long.
#[track_caller]
pub(crate) fn expect_gone(run: &Running) {
    let gone = holds_within(Duration::from_secs(6), || run.tag().living().is_empty());
    assert!(gone, "left behind: {:#?}\n{:#?}", run.tag().living(), run.err());
}

const FACTS: &str = "--say pid,ppid,pgid,sid,mask,ignored,fds,fd:0,cwd,args,env:GIVEN,env:WINDDOWN_KILL_WAIT,env:SHUTDOWN_LIMIT_MS";

fn a_hook_gets_what_winddown_was_given() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let directory = fs::canonicalize(place.path()).expect("a directory");
        let winddown = winddown
            .directory(&directory)
            .env("GIVEN", "a b")
            .env("WINDDOWN_KILL_WAIT", "3s")
            .blocked([libc::SIGUSR2])
            .ignored([libc::SIGHUP])
            .args(["-t", "20s", "--pre-stop", &program(&format!("{FACTS} -- 'a b' '' '$HOME'"))]);
        let run = asked(winddown, "--say pgid,mask,ignored");
        let group = run.number("pgid");
        let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
        assert_eq!(printed(&ended, "mask"), ended.fact("mask"), "{}", ended.dump());
        assert_eq!(printed(&ended, "ignored"), ended.fact("ignored"), "{}", ended.dump());
        assert_eq!(printed(&ended, "fds"), "0,1,2", "{}", ended.dump());
        assert_eq!(printed(&ended, "fd:0"), "/dev/null", "{}", ended.dump());
        assert_eq!(printed(&ended, "cwd"), directory.display().to_string());
        assert_eq!(printed(&ended, "args"), "612062 - 24484f4d45", "{}", ended.dump());
        assert_eq!(printed(&ended, "env:GIVEN"), "a b");
        assert!(
            ended.err().iter().any(|line| line.trim_end() == "env:WINDDOWN_KILL_WAIT"),
            "{}",
            ended.dump()
        );
        assert_eq!(printed(&ended, "env:SHUTDOWN_LIMIT_MS"), "20000");
        // A group of its own, which its keeper leads.
        assert_eq!(printed(&ended, "pgid"), printed(&ended, "ppid"), "{}", ended.dump());
        assert_ne!(printed(&ended, "pgid"), group.to_string());
    });
}

fn a_hook_has_the_streams_of_the_log_and_no_input() {
    for plan in ["--pre-stop", "--post-stop"] {
        let hook = "sh -c 'cat; echo read; echo seen >&2'";
        let winddown = Winddown::new().stdin(Stream::Pipe).args(["-t", "20s", plan, hook]);
        let mut run = winddown.workload("--on TERM [ --read-line --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        if plan == "--pre-stop" {
            run.wait_err("read");
        }
        run.write("for the workload\n");
        let ended = run.wait().expect_code(3);
        assert_eq!(ended.fact("line"), "for the workload");
        let lines = ended.err();
        let own: Vec<&String> = lines.iter().filter(|line| !line.starts_with("winddown: ")).collect();
        assert_eq!(own, ["read", "seen"], "{}", ended.dump());
        assert!(!ended.out().iter().any(|line| line == "read"), "{}", ended.dump());
    }
    // With all streams closed, the hook still has all three: no file that it opens gets their numbers.
    let place = TempDir::new();
    let file = place.file("facts");
    let hook = program(&format!("--log {file} --say fds,fd:0,fd:1,fd:2"));
    let closed = Winddown::new().stdin(Stream::Closed).stdout(Stream::Closed).stderr(Stream::Closed);
    let run = closed.args(["--post-stop", &hook]).workload("--exit 3").start();
    run.wait().expect_code(3);
    let facts = fs::read_to_string(&file).expect("the hook has run");
    assert_eq!(facts, "fds 0,1,2\nfd:0 /dev/null\nfd:1 /dev/null\nfd:2 /dev/null\n");
}

fn milliseconds_since_epoch(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_millis()
}

fn a_hook_learns_the_deadline() {
    guarded_or_not(|winddown| {
        let plan = format!("wait 200ms, run '{}' 5s, TERM", program("--say env:SHUTDOWN_DEADLINE_MS"));
        let run = winddown.args(["-t", "20s", "--stop", &plan]).workload("--print up --serve").start();
        run.wait_out("up");
        let before = milliseconds_since_epoch(SystemTime::now());
        run.signal(libc::SIGTERM);
        run.wait_err("SIGKILL in 20s");
        let after = milliseconds_since_epoch(SystemTime::now());
        let ended = run.wait();
        let deadline: u128 = printed(&ended, "env:SHUTDOWN_DEADLINE_MS").parse().expect("a number");
        // Each time is cut to milliseconds.
        assert!(deadline + 2 >= before + 20_000, "{deadline} is too early for {before}\n{}", ended.dump());
        assert!(deadline <= after + 20_002, "{deadline} is too late for {after}\n{}", ended.dump());
    });
    let hook = program("--say env:SHUTDOWN_DEADLINE_MS,env:SHUTDOWN_LIMIT_MS");
    let ended = asked(Winddown::new().args(["-t", "infinity", "--pre-stop", &hook]), "").wait();
    for name in ["env:SHUTDOWN_DEADLINE_MS", "env:SHUTDOWN_LIMIT_MS"] {
        assert!(ended.err().iter().any(|line| line.trim_end() == name), "{}", ended.dump());
    }
}

/// Another winddown's hook may run winddown.
fn a_hook_learns_nothing_of_another_stop() {
    let say = program("--say env:SHUTDOWN_DEADLINE_MS,env:SHUTDOWN_OUTCOME,env:SHUTDOWN_EXIT_STATUS");
    let names = ["SHUTDOWN_DEADLINE_MS", "SHUTDOWN_OUTCOME", "SHUTDOWN_EXIT_STATUS"];
    for (option, limit, expected) in
        [("--post-stop", "20s", ["", "stopped", "143"]), ("--pre-stop", "infinity", ["", "", ""])]
    {
        let winddown = names.iter().fold(Winddown::new(), |winddown, name| winddown.env(name, "stale"));
        let ended = asked(winddown.args(["-t", limit, option, &say]), "").wait();
        for (name, expected) in names.iter().zip(expected) {
            let line = format!("env:{name} {expected}");
            assert!(ended.err().iter().any(|found| found.trim() == line.trim()), "{line}\n{}", ended.dump());
        }
    }
}

fn a_hook_that_ends_early_begins_the_next_step() {
    guarded_or_not(|winddown| {
        let options = ["-t", "60s", "--stop", "run true 25s, run true 25s, TERM"];
        let started = Instant::now();
        let ended = asked(winddown.args(options), "--on TERM [ --exit 3 ]").wait().expect_code(3);
        assert!(started.elapsed() < Duration::from_secs(15), "{}", ended.dump());
        assert_eq!(count_logged(&ended, "hook 'true'"), 0, "what went well is a detail: {}", ended.dump());
    });
}

fn a_hook_that_takes_too_long_is_killed_and_the_stop_goes_on() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("record");
        let hook =
            program("--ignore TERM,INT,HUP --spawn child deaf [ --ignore all --serve ] --print on --serve");
        let plan = format!("run \"{hook}\" 400ms, TERM");
        let options = ["-t", "30s", "--record", &file, "--stop", &plan];
        let ended = asked(winddown.args(options), "--on TERM [ --exit 3 ]").wait().expect_code(3);
        expect_logged_once(&ended, "had no time left and was killed");
        let record = read_json(&file);
        let [stop, asked] =
            [&record["stop"], &record["signals"][0]].map(|one| one["at_ms"].as_f64().expect("ms"));
        assert!(asked >= stop + 400.0 && asked < stop + 5400.0, "{record:#}");
        assert_eq!(record["hooks"][0]["result"], "overran");
        assert_eq!((&record["outcome"], &record["killed"]), (&json!("stopped"), &json!([])));
        ended.expect_nothing_left();
    });
}

/// Daemons in sessions of their own: those of a hook that has ended, and those of one that is killed.
fn what_a_hook_leaves_behind_goes_with_it() {
    for (ends, guard) in [("--exit 0", false), ("--serve", false), ("--exit 0", true), ("--serve", true)] {
        let place = TempDir::new();
        let [file, log] = ["record", "log"].map(|name| place.file(name));
        let left = format!(
            "--log {log} --spawn daemon-session*3 left [ --on all [ ] --spawn session l2 [ --on all [ ] --stop ] --serve ] {ends}"
        );
        let plan = format!("run \"{}\" 700ms, USR1 100ms all, TERM", program(&left));
        let winddown = Winddown::new().args(if guard { &[][..] } else { &["--no-guard"] });
        let winddown = winddown.args(["-t", "30s", "--record", &file, "--stop", &plan]);
        let run = asked(winddown, "--on USR1 [ --print asked ] --on TERM [ --exit 3 ]");
        run.wait_out("asked");
        let of_hook = crate::support::file_lines(&log);
        let pids = of_hook.iter().filter_map(|line| line.split_once("pid ")?.1.trim().parse().ok());
        let pids: Vec<i32> = pids.collect();
        assert_eq!(pids.len(), 6, "{of_hook:#?}");
        let are_gone = || !pids.iter().any(|pid| processes::is_alive(*pid));
        if ends == "--serve" {
            eventually("they are gone", are_gone);
        } else {
            assert!(are_gone(), "the next step begins without them");
        }
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert!(
            !crate::support::file_lines(&log).iter().any(|line| line.contains("got ")),
            "{}",
            ended.dump()
        );
        assert_eq!(count_logged(&ended, "left1") + count_logged(&ended, "l2 (pid"), 0, "{}", ended.dump());
        let record = read_json(&file);
        let signals = record["signals"].as_array().expect("a list");
        assert!(signals.iter().all(|one| one["target"]["name"] == "workload"), "{record:#}");
        assert_eq!((&record["outcome"], &record["killed"]), (&json!("stopped"), &json!([])));
    }
}

/// The next hook and the workload end at once, while the first hook's processes are still being killed.
fn winddown_waits_for_the_end_of_every_hook() {
    guarded_or_not(|winddown| {
        let many = program("--ignore TERM --spawn session*400 s [ --ignore TERM --serve ] --serve");
        let plan = format!("run \"{many}\" 1500ms, run true, TERM");
        let run = asked(winddown.args(["-t", "40s", "--stop", &plan]), "--on TERM [ --exit 3 ]");
        run.wait().expect_code(3).expect_nothing_left();
    });
}

fn a_hook_that_fails_is_reported_in_one_line() {
    let place = TempDir::new();
    let plain = place.write("plain", "text");
    for (hook, line) in [
        // In the words for a main command that can't be started.
        (
            "no-such-command-here --flag",
            "hook 'no-such-command-here --flag' exited with 127: cannot run 'no-such-command-here': no such command in PATH",
        ),
        ("/no/such/place", "exited with 127: cannot run '/no/such/place': no such file"),
        ("'sleep 1'", "cannot run 'sleep 1': no such command in PATH; it is one word with blanks"),
        (plain.as_str(), &format!("exited with 126: cannot run '{plain}': Permission denied")),
        ("sh -c 'exit 127'", "hook 'sh -c 'exit 127'' exited with 127"),
        ("sh -c 'exit 3'", "hook 'sh -c 'exit 3'' exited with 3"),
        ("sh -c 'kill -ABRT $$'", "died of SIGABRT"),
    ] {
        for option in ["--pre-stop", "--post-stop"] {
            let ended = asked(Winddown::new().args(["-t", "20s", option, hook]), "--on TERM [ --exit 4 ]")
                .wait()
                .expect_code(4)
                .expect_nothing_left();
            expect_logged_once(&ended, line);
            assert_eq!(count_logged(&ended, "hook '"), 1, "{}", ended.dump());
        }
    }
}

fn what_becomes_of_hooks_is_in_json_lines() {
    let plan = "run 'sleep 20' 100ms, run no-such-command-here, run true, TERM";
    let options = ["--log-format", "json", "-v", "--stop", plan, "-t", "30s"];
    let ended = asked(Winddown::new().args(options), "").wait();
    let lines: Vec<Value> = ended.err().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_hooks =
        lines.iter().filter(|line| line["event"].as_str().is_some_and(|event| event.starts_with("hook-")));
    let found: Vec<_> =
        of_hooks.map(|line| [&line["event"], &line["level"], &line["hook"], &line["exit"]]).collect();
    assert_eq!(
        json!(found),
        json!([
            ["hook-overran", "info", "sleep 20", null],
            ["hook-ended", "info", "no-such-command-here", { "code": 127 }],
            ["hook-ended", "detail", "true", { "code": 0 }],
        ])
    );
}

fn a_hook_is_waited_for_though_sigchld_was_ignored() {
    guarded_or_not(|winddown| {
        let winddown = winddown.ignored([libc::SIGCHLD]).args([
            "-t",
            "40s",
            "--hook-limit",
            "20s",
            "--pre-stop",
            "sh -c 'exit 3'",
        ]);
        let started = Instant::now();
        let ended = asked(winddown, "--on TERM [ --exit 4 ]").wait().expect_code(4);
        assert!(started.elapsed() < Duration::from_secs(15), "its share is 20 s: {}", ended.dump());
        expect_logged_once(&ended, "exited with 3");
    });
}

/// The test lowers the limit on a user's processes once the run is up.
fn no_process_is_left_for_a_hook() {
    const USER: &str = "54321";
    let place = TempDir::new();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("our directory");
    let winddown = place.install("winddown", winddown_path());
    let workload = place.install("workload", workload_path());
    let file = place.file("record");
    let run = Winddown::new()
        .prefix(["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"])
        .binary(&winddown)
        .args(["-t", "50s", "--stop", "run true 20s, run true 20s, TERM", "--post-stop", "true"])
        .args(["--record", &file])
        .command([workload.as_str()])
        .more("--on TERM [ --exit 3 ] --print up --serve".split(' '))
        .start();
    run.wait_out("up");
    let inner = processes::children(run.pid())[0].pid;
    // As that user: the user who runs the tests may not have the right to do so.
    let status = Command::new("setpriv")
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "prlimit", "--nproc=1:1", "--pid"])
        .arg(inner.to_string())
        .status();
    assert!(status.expect("setpriv").success());
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(count_logged(&ended, "hook 'true' could not be started: Resource"), 3, "{}", ended.dump());
    let record = read_json(&file);
    let results: Vec<&Value> =
        record["hooks"].as_array().expect("a list").iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["not-started", "not-started", "not-started"]);
    assert_eq!(record["outcome"], "stopped");
}

/// At the limit, and when Ctrl+C is repeated: here by one sender.
fn hooks_are_killed_with_everybody_and_not_named() {
    for (plan, repeats) in [("TERM 200ms, run \"HOOK\" 800ms", false), ("run \"HOOK\" 20s, TERM", true)] {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let file = place.file("record");
            let hook = program(
                "--ignore TERM --spawn daemon-session hd [ --ignore TERM --serve ] --print hook --serve",
            );
            let plan = plan.replace("HOOK", &hook);
            let limit = if repeats { "40s" } else { "1s" };
            let winddown = winddown.args(["-t", limit, "--record", &file, "--stop", &plan]);
            let run = asked(winddown, "--on TERM [ ]");
            run.wait_err("hd pid");
            run.wait_err("hook");
            if repeats {
                run.signal(libc::SIGINT);
                run.wait_err("SIGINT from");
                pass(Duration::from_millis(250), Instant::now());
                run.signal(libc::SIGINT);
            }
            let ended = run.wait().expect_code(137).expect_nothing_left();
            let record = read_json(&file);
            assert_eq!(record["killed"].as_array().map(Vec::len), Some(1), "{record:#}");
            assert_eq!(record["killed"][0]["name"], "workload");
            expect_logged_once(&ended, "to 1 process: workload");
        });
    }
}

/// A drain script may signal the server by itself.
fn a_signal_of_the_hook_is_one_from_outside() {
    let place = TempDir::new();
    let pid = place.file("pid");
    let hook = format!("sh -c 'kill -USR1 $(cat {pid})'");
    let run = Winddown::new()
        .args(["-t", "20s", "--pre-stop", &hook])
        .workload("--on USR1 [ --exit 3 ] --on TERM [ ] --print up --serve")
        .start();
    run.wait_out("up");
    place.write("pid", &run.pid().to_string());
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3).expect_nothing_left();
}

/// Stays in a step forever, with daemons in sessions of their own.
pub(crate) const STAYS: &str = "--ignore TERM --spawn daemon-session hd [ --ignore TERM --spawn session he [ --ignore TERM --serve ] --serve ] --print hook --serve";

fn winddown_killed_in_a_hook_leaves_nothing_of_it() {
    for outer in [true, false] {
        let plan = format!("run \"{}\" 20s, TERM", program(STAYS));
        let run = asked(Winddown::new().args(["-t", "40s", "--stop", &plan]), "--on TERM [ ]");
        run.wait_err("he pid");
        run.wait_err("hook");
        let pid = if outer { run.pid() } else { processes::children(run.pid())[0].pid };
        run.tag().signal(pid, libc::SIGKILL);
        expect_gone(&run);
    }
}

/// Only the command itself: no process looks after what it started then, as with the workload.
fn winddown_killed_without_a_guard_ends_the_hook_too() {
    let hook = program("--ignore TERM --print hook --serve");
    let run = asked(Winddown::new().args(["--no-guard", "-t", "40s", "--pre-stop", &hook]), "--on TERM [ ]");
    run.wait_err("hook");
    run.signal(libc::SIGKILL);
    expect_gone(&run);
}

fn a_key_of_the_terminal_does_not_reach_a_hook() {
    in_bash(|pty, winddown| {
        // The typed words don't contain the text that is printed.
        pty.line(&format!(
            "{winddown} -t 40s --pre-stop \"$WL --on INT,QUIT [ --say fd:8 ] --say fd:9 --sleep 600\" \
             $WL --on QUIT [ --say fd:7 --exit 3 ] --on INT [ ] --print up --serve"
        ));
        pty.expect("\r\nup");
        pty.keys("\x03");
        pty.expect("fd:9 closed");
        pty.keys("\x1c");
        pty.expect("fd:7 closed");
        pty.prompt();
        assert_eq!(pty.count("fd:8 closed"), 0, "{}", pty.screen());
        expect_status(pty, 3);
    });
}

fn pid_1_runs_hooks_and_kills_them() {
    let place = TempDir::new();
    let file = place.file("record");
    let hook = program(STAYS);
    let options = ["-t", "20s", "--hook-limit", "500ms", "--record", &file];
    let winddown = Winddown::new().pid_1().args(options).args(["--pre-stop", &hook, "--post-stop", &hook]);
    let ended = asked(winddown, "--on TERM [ --exit 3 ]").wait().expect_code(3).expect_nothing_left();
    assert_eq!(count_logged(&ended, "had no time left and was killed"), 2, "{}", ended.dump());
    let record = read_json(&file);
    assert_eq!((&record["outcome"], &record["killed"]), (&json!("stopped"), &json!([])), "{record:#}");
    let signals = record["signals"].as_array().expect("a list");
    assert_eq!(signals.len(), 1, "{record:#}");
}
