//! Containers that may do little: read-only, or short of capabilities, memory, processes or system calls.

use std::time::Duration;

use crate::containers::{assert_killed, assert_logged, assert_not_logged};
use crate::support::docker::{Container, WINDDOWN, words};
use crate::support::running::Running;
use crate::support::{TempDir, eventually, processes, trials};

trials![
    long needs("docker") => a_read_only_root,
    long needs("docker") => no_rights_at_all,
    long needs("docker") => what_may_not_be_signalled_is_named,
    long needs("docker") => an_oom_kill_is_not_claimed,
    long needs("docker") => an_oom_kill_of_a_child_is_reported,
    long needs("docker") => no_process_can_be_started,
    long needs("docker") => no_process_is_left_for_the_guard,
    long needs("docker") => a_storm_at_the_limit_of_processes_is_killed,
    long needs("docker") => without_newer_system_calls,
];

/// The record goes into the log as one line: there may be no place for a file.
fn a_read_only_root() {
    let container = Container::new();
    let flags = "--on TERM [ --exit 3 ] --print up --serve";
    let run = container.run("--read-only", "-q --record /dev/stderr", flags);
    run.wait_out("up");
    container.docker("stop");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    let lines = ended.err();
    let [line] = lines.as_slice() else { panic!("one line: {}", ended.dump()) };
    let record: serde_json::Value = serde_json::from_str(line).expect("a record");
    assert_eq!(record["stop"]["sender"]["pid"], 0, "{record}");
    assert_eq!((&record["outcome"], &record["exit_status"]), (&"stopped".into(), &3.into()), "{record}");
    let nowhere = Container::new();
    let ended = nowhere.run("--read-only", "--record /record", "--exit 3").wait().expect_code(3);
    assert_logged(&ended, "--record /record: Read-only file system");
}

fn no_rights_at_all() {
    let container = Container::new();
    let run = container.run(
        "--read-only --cap-drop ALL --security-opt no-new-privileges --user 12345:12345",
        "-t 2s",
        "--spawn daemon-session d [ --on TERM [ --print saved --exit 0 ] --serve ] \
         --spawn session deaf [ --ignore TERM --serve ] --spawn child stopped [ --stop ] \
         --on TERM [ --exit 3 ] --say uid,status:CapBnd,status:NoNewPrivs --print up --serve",
    );
    run.wait_out("up");
    assert_eq!(run.number("uid"), 12345);
    assert_eq!(run.fact("status:CapBnd"), "0000000000000000");
    assert_eq!(run.fact("status:NoNewPrivs"), "1");
    container.docker("stop");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("d saved"), 1, "{}", ended.dump());
    assert_logged(&ended, "asking 3 stragglers: ");
    assert_killed(&ended, "1 process: deaf (pid ");
}

// Trap 11: EPERM for a process that has changed its user.
fn what_may_not_be_signalled_is_named() {
    let container = Container::new();
    let run = container.run(
        "--cap-drop ALL --cap-add SETUID --cap-add SETGID",
        "-t 500ms --kill-wait 300ms",
        "--spawn child other [ --setuid 12345 --ignore TERM --serve ] --on TERM [ --exit 3 ] --print up --serve",
    );
    run.wait_out("up");
    let other = run.number("other pid");
    container.docker("stop");
    // The kernel kills it all the same when PID 1 exits.
    let ended = run.wait().expect_code(125).expect_nothing_left();
    assert_logged(&ended, &format!("SIGTERM could not be sent to other (pid {other})"));
    assert_logged(&ended, &format!("after SIGKILL: other (pid {other}): it runs as another user"));
}

fn an_oom_kill_is_not_claimed() {
    let container = Container::new();
    let script = "/workload --spawn daemon d [ --on TERM [ --print saved --exit 0 ] --serve ]; \
                  a=xxxxxxxx; while :; do a=$a$a; done";
    let run =
        container.run_words("--memory 32m --memory-swap 32m", &["-v", "-t", "5s", "--", "sh", "-c", script]);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(container.inspect("{{.State.OOMKilled}}"), "true", "{}", ended.dump());
    assert_logged(&ended, "died of SIGKILL; asking 1 straggler: d (pid ");
    assert_logged(
        &ended,
        "died of SIGKILL, not by winddown; its control group counts 1 OOM kill: memory ran out",
    );
    assert_eq!(ended.count_out("d saved"), 1, "{}", ended.dump());
    assert_not_logged(&ended, "SIGKILL after");
    assert_not_logged(&ended, "winddown: killed");
}

fn an_oom_kill_of_a_child_is_reported() {
    let container = Container::new();
    let script = "sh -c 'a=xxxxxxxx; while :; do a=$a$a; done'; exit 3";
    let run = container.run_words("--memory 32m --memory-swap 32m", &["--", "sh", "-c", script]);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_logged(&ended, "a process died of SIGKILL, not by winddown; its control group counts 1 OOM kill");
}

fn no_process_can_be_started() {
    let container = Container::new();
    let ended = container.run("--pids-limit 1", "", "--print up").wait().expect_code(125);
    assert_eq!(ended.out(), Vec::<String>::new());
    assert_logged(&ended, "cannot start a process: Resource temporarily unavailable");
}

/// This user may have two processes: the other init and winddown itself.
fn no_process_is_left_for_the_guard() {
    let container = Container::new();
    let options = "--init --user 23456 --ulimit nproc=2";
    let ended = container.run(options, "-v", "--print up").wait().expect_code(125);
    assert_logged(&ended, "cannot start a process: Resource temporarily unavailable");
}

fn a_storm_at_the_limit_of_processes_is_killed() {
    let container = Container::new();
    let run = container.run("--pids-limit 30", "-t 300ms", "--ignore TERM --storm 1 --print up --serve");
    run.wait_out("up");
    let (asked, _) = container.docker("stop");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(8), "{}", ended.dump());
    assert_killed(&ended, "");
}

/// A profile in the engine's format that refuses system calls as older kernels and engines do: with
/// `ENOSYS`, or with `EPERM` where the profile doesn't know the call.
fn refusing(place: &TempDir, error: i32) -> String {
    let names = ["pidfd_send_signal", "pidfd_open", "close_range", "clone3", "pwritev2", "rt_sigqueueinfo"];
    let rule = serde_json::json!({ "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error });
    let profile = serde_json::json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] });
    let file = place.write(&format!("profile-{error}.json"), &profile.to_string());
    format!("--security-opt seccomp={file}")
}

fn without_newer_system_calls() {
    let place = TempDir::new();
    let profiles = [String::new(), refusing(&place, libc::ENOSYS), refusing(&place, libc::EPERM)];
    let options = profiles.iter().flat_map(|profile| [profile.clone(), format!("--init {profile}")]);
    let started: Vec<(Container, Running)> = options
        .map(|options| {
            let container = Container::new();
            let words = words(
                "-t 1500ms --to all",
                "--spawn child a [ --on TERM [ --exit 0 ] --serve ] --spawn chain*2 c [ --ignore TERM --serve ] \
                 --on TERM,USR1 [ ] --say fds,status:Seccomp --print up --serve",
            );
            // winddown inherits one more descriptor.
            let script = ["-c", "exec 5</workload; exec \"$@\"", "sh", WINDDOWN];
            let run = container
                .run_words(&format!("--entrypoint /bin/sh {options}"), &[&script[..], &words].concat());
            (container, run)
        })
        .collect();
    for (container, run) in started {
        run.wait_out("up");
        assert_eq!((run.fact("fds").as_str(), run.fact("status:Seccomp").as_str()), ("0,1,2,5", "2"));
        expect_inherited_is_closed(&run);
        container.docker("kill --signal USR1");
        run.wait_out("got 10 code 0");
        container.docker("kill --signal TERM");
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert_eq!(ended.count_out("a got 15 code 0"), 1, "{}", ended.dump());
        assert_not_logged(&ended, "could not be sent");
        assert_not_logged(&ended, "lost");
        assert_logged(&ended, "), SIGKILL in 1.5s (-t)");
        // A process that dies and is reaped before the list is made is not on it.
        assert_killed(&ended, ": workload (pid ");
        assert_logged(&ended, "died of SIGKILL");
    }
}

// Trap 18: winddown holds nothing that it handed to the workload.
#[track_caller]
fn expect_inherited_is_closed(run: &Running) {
    let living = run.tag().living();
    let own: Vec<_> = living.iter().filter(|process| processes::is_winddowns(&process.name)).collect();
    assert!(!own.is_empty(), "{living:?}");
    for process in own {
        let number = format!("/proc/{}/fd/5", process.pid);
        eventually("it is closed", || {
            std::fs::read_link(&number).map_or(true, |target| !target.ends_with("workload"))
        });
    }
}
