//! The end of a run where /proc is unusable: not mounted, or that of another PID namespace.

use std::time::Duration;

use crate::support::builder::Winddown;
use crate::support::manager::Manager;
use crate::support::running::{Ended, Running};
use crate::support::{TempDir, eventually, processes, read_json, trials};

trials![
    alone needs("root", "unshare") => without_proc_the_whole_tree_is_killed,
    alone needs("root", "unshare") => without_proc_a_chase_is_killed,
    needs("root", "unshare") => without_proc_a_stop_in_time_is_as_ever,
    needs("root", "unshare") => without_proc_stragglers_are_asked,
    needs("root", "unshare") => without_proc_a_hook_is_not_taken_for_the_workload,
    needs("root", "unshare") => without_proc_messages_and_token_work,
    alone needs("root", "pid-namespace") => the_proc_of_another_namespace_is_not_believed,
    needs("root", "pid-namespace") => without_its_own_proc_pid_1_kills_everybody,
];

/// winddown in a place where /proc is an empty directory.
fn without_proc() -> Winddown {
    let script = "mount -t tmpfs none /proc && exec \"$@\"";
    Winddown::new().prefix(["unshare", "--mount", "sh", "-c", script, "sh"])
}

/// A tree that ignores TERM, everywhere a process can hide.
const TREE: &str = "--spawn child a [ --ignore TERM --spawn session b [ --ignore TERM --serve ] --serve ] \
     --spawn daemon-session c [ --ignore TERM --spawn child d [ --ignore TERM --serve ] --serve ] \
     --spawn session e [ --ignore TERM --stop ] --spawn session f [ --dead-leader --ignore TERM --serve ] \
     --on TERM [ ] --print up --serve";

#[track_caller]
fn expect_killed(ended: Ended, asked: std::time::Instant) {
    let ended = ended.expect_code(137).expect_nothing_left();
    assert!(ended.since(asked) >= Duration::from_millis(300), "{}", ended.dump());
    assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.dump());
    assert_eq!(ended.count_out("over"), 0, "{}", ended.dump());
}

fn without_proc_the_whole_tree_is_killed() {
    for options in [vec![], vec!["--no-guard"]] {
        let place = TempDir::new();
        let record = place.file("record");
        let run =
            without_proc().args(options).args(["-t", "300ms", "--record", &record]).workload(TREE).start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        expect_killed(run.wait(), asked);
        let record = read_json(&record);
        assert_eq!(record["outcome"], "killed");
        assert!(record["killed"].as_array().is_some_and(|killed| !killed.is_empty()), "{record}");
    }
}

/// Senders are recognised by their user.
fn without_proc_messages_and_token_work() {
    for options in [vec![], vec!["--no-guard"]] {
        let place = TempDir::new();
        let manager = Manager::new();
        let run = without_proc()
            .args(options)
            .args(["-t", "300ms", "--extend-max", "1m", "--token", &place.file("token")])
            .env("NOTIFY_SOCKET", manager.name())
            .workload("--on TERM [ --look --tell EXTEND_TIMEOUT_USEC=20000000 --sleep 900 --exit 4 ] --tell READY=1 --print up --serve")
            .start();
        run.wait_out("up");
        assert_eq!(manager.next().text, "READY=1\n");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(4);
        assert_eq!(ended.count_out("readable true true"), 1, "{}", ended.dump());
        assert!(std::path::Path::new(&place.file("token")).exists());
    }
}

fn without_proc_a_chase_is_killed() {
    let run = without_proc()
        .args(["-t", "300ms"])
        .workload("--ignore TERM --chase 2 --storm 1 --print up --serve")
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    expect_killed(run.wait(), asked);
}

fn without_proc_a_stop_in_time_is_as_ever() {
    let run = without_proc().workload("--on TERM [ --exit 3 ] --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    without_proc().args(["-t", "0"]).workload("--exit 4").run().expect_code(4);
}

/// winddown signals none of its processes, neither when it asks stragglers meanwhile, nor when the hook has left
/// daemons behind.
fn without_proc_a_hook_is_not_taken_for_the_workload() {
    let place = TempDir::new();
    let [file, go, log] = ["record", "go", "log"].map(|name| place.file(name));
    let workload = crate::support::builder::workload_path();
    let hook = format!(
        "{} --on all [ ] --log {log} --spawn daemon-session hd [ --on all [ ] --serve ] --until {go} --print done",
        workload.display()
    );
    let plan = format!("run \"{hook}\" 20s, QUIT");
    let run = without_proc()
        .args(["-t", "40s", "--record", &file, "--stop", &plan])
        .workload("--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] --on USR1 [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait_err("hd pid");
    run.signal(libc::SIGUSR1);
    let straggler = run.number("d pid");
    eventually("the straggler was asked", || !processes::is_alive(straggler));
    place.write("go", "");
    let ended = run.wait().expect_code(3).expect_nothing_left();
    let log = crate::support::file_lines(&log);
    assert!(log.iter().any(|line| line == "done"), "{log:?}\n{}", ended.dump());
    assert!(!log.iter().any(|line| line.contains("got ")), "{log:?}\n{}", ended.dump());
    let record = read_json(&file);
    assert_eq!(
        (&record["outcome"], &record["killed"]),
        (&"stopped".into(), &serde_json::json!([])),
        "{record:#}"
    );
}

fn without_proc_stragglers_are_asked() {
    let leave = "--on TERM [ --exit 0 ] --serve";
    let run = without_proc()
        .workload(&format!(
            "--spawn child a [ --spawn child b [ {leave} ] {leave} ] --spawn daemon-session c [ {leave} ] \
             --on TERM [ --exit 3 ] --print up --serve"
        ))
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert!(ended.since(asked) < Duration::from_secs(8), "{}", ended.dump());
    assert_eq!(ended.count_out("got 15"), 4, "{}", ended.dump());
}

/// The process called winddown below `unshare`, by its pid in the namespace of the tests.
fn inside(run: &Running) -> i32 {
    let mut pid = 0;
    eventually("winddown is there", || {
        let mut below = processes::children(run.pid());
        while let Some(process) = below.pop() {
            if process.name == "winddown" {
                pid = process.pid;
                return true;
            }
            below.extend(processes::children(process.pid));
        }
        false
    });
    pid
}

/// winddown has a small pid inside its namespace. Outside, that pid is a kernel thread or another process: its
/// children don't belong to the run, and inside, their ids mean other processes.
fn the_proc_of_another_namespace_is_not_believed() {
    for limit in ["300ms", "0"] {
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .prefix(["unshare", "--pid", "--fork", "sh", "-c", "\"$@\"; exit $?", "sh"])
            .args(["-v", "--no-guard", "-t", limit, "--record", &record])
            .workload(TREE)
            .start();
        run.wait_out("up");
        let asked = run.tag().signal(inside(&run), libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.dump());
        let record = read_json(&record);
        let found = ended.out().into_iter().filter_map(|line| line.split_once(" pid ")?.1.parse().ok());
        let mut known: Vec<i64> = found.collect();
        known.push(record["main"]["pid"].as_i64().unwrap());
        for one in record["killed"].as_array().unwrap() {
            assert!(known.contains(&one["pid"].as_i64().unwrap()), "{record}\n{}", ended.dump());
        }
        for one in record["signals"].as_array().unwrap() {
            assert!(known.contains(&one["target"]["pid"].as_i64().unwrap()), "{record}\n{}", ended.dump());
        }
    }
}

fn without_its_own_proc_pid_1_kills_everybody() {
    let run =
        Winddown::new().prefix(["unshare", "--pid", "--fork"]).args(["-t", "300ms"]).workload(TREE).start();
    run.wait_out("up");
    let asked = run.tag().signal(inside(&run), libc::SIGTERM);
    expect_killed(run.wait(), asked);
}
