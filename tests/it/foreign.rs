//! Children that winddown inherits when it starts (`helper & exec winddown ...`): it reaps them, and never
//! asks, kills or waits for them; except as PID 1.

use crate::support::builder::{Winddown, guarded_or_not, workload_path};
use crate::support::{TempDir, eventually, file_lines, processes, read_json, trials, wait_file_number};

trials![
    children_from_before_are_never_asked,
    children_from_before_are_never_killed,
    children_from_before_are_not_waited_for,
    children_from_before_are_reaped,
    children_from_before_may_have_ended_already,
    children_from_before_may_leave_orphans,
    needs("root", "pid-namespace", "recycled-pid") => a_process_of_the_workload_may_get_the_id_of_one_from_before,
    needs("root", "pid-namespace") => as_pid_1_children_from_before_belong_to_the_tree,
];

/// A helper with a child of its own. Both write the signals they get to a file, and the helper its pid.
fn helper(winddown: Winddown, log: &str) -> Winddown {
    let workload = workload_path();
    winddown.foreign_child(&format!(
        "{} --log {log} --spawn child kid [ --on all [ ] --serve ] --on all [ ] --say pid --serve",
        workload.display()
    ))
}

/// Asserts that helper and kid are alive and have got no signal. They die with the run.
#[track_caller]
fn unharmed(log: &str) {
    for name in ["pid", "kid pid"] {
        assert!(processes::is_alive(wait_file_number(log, name)), "{name}: {:?}", file_lines(log));
    }
    assert!(!file_lines(log).iter().any(|line| line.contains("got")), "{:?}", file_lines(log));
}

fn children_from_before_are_never_asked() {
    for to in ["main", "all"] {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let log = place.file("log");
            let run = helper(winddown.args(["--to", to]), &log)
                .workload("--on TERM [ --sleep 100 --exit 3 ] --spawn child c [ --on TERM [ --exit 0 ] --serve ] --print up --serve")
                .start();
            run.wait_out("up");
            wait_file_number(&log, "pid");
            run.signal(libc::SIGTERM);
            let ended = run.wait().expect_code(3);
            unharmed(&log);
            drop(ended);
        });
    }
}

fn children_from_before_are_never_killed() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let log = place.file("log");
        let run = helper(winddown.args(["-t", "100ms", "-v"]), &log)
            .workload("--on TERM [ ] --spawn session c [ --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        wait_file_number(&log, "pid");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137);
        unharmed(&log);
        assert!(!processes::is_alive(ended.fact("c pid").parse().expect("a pid")));
    });
}

fn children_from_before_are_not_waited_for() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (log, go) = (place.file("log"), place.file("go"));
        let run = helper(winddown, &log).workload(&format!("--print up --until {go} --exit 3")).start();
        run.wait_out("up");
        wait_file_number(&log, "pid");
        place.write("go", "");
        // winddown doesn't mention them either: they are not stragglers.
        let ended = run.wait().expect_code(3);
        assert!(ended.err().is_empty(), "{}", ended.dump());
        unharmed(&log);
    });
}

fn children_from_before_are_reaped() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (log, go) = (place.file("log"), place.file("go"));
        let helper = format!("{} --log {log} --say pid --until {go}", workload_path().display());
        let run = winddown.foreign_child(&helper).workload("--print up --sleep 20000").start();
        run.wait_out("up");
        let pid = wait_file_number(&log, "pid");
        assert_eq!(processes::info(pid).map(|info| info.parent), Some(run.pid()));
        place.write("go", "");
        eventually("the helper is reaped", || {
            processes::info(pid).is_none_or(|info| info.parent != run.pid())
        });
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
        assert_eq!(ended.err().len(), 2, "only the stop is logged: {}", ended.dump());
    });
}

fn children_from_before_may_have_ended_already() {
    guarded_or_not(|winddown| {
        let run = winddown.foreign_child("true").workload("--print up --sleep 20000").start();
        run.wait_out("up");
        let zombies =
            || processes::children(run.pid()).into_iter().filter(|child| child.state == 'Z').count();
        eventually("the helper is reaped", || zombies() == 0);
        run.signal(libc::SIGTERM);
        run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    });
}

fn children_from_before_may_leave_orphans() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (log, die, go) = (place.file("log"), place.file("die"), place.file("go"));
        let helper = format!(
            "{} --log {log} --spawn child kid [ --on all [ ] --serve ] --print ready --until {die} --kill self KILL",
            workload_path().display()
        );
        // Without a guard, a later orphan of theirs can't be told from the workload's processes.
        let script = format!("{helper} & until grep -qs ready {log}; do sleep 0.01; done; exec \"$@\"");
        let winddown = winddown.prefix(["sh", "-c", &script, "sh"]);
        let run = winddown.workload(&format!("--print up --until {go} --exit 3")).start();
        run.wait_out("up");
        let kid = wait_file_number(&log, "kid pid");
        place.write("die", "");
        eventually("the orphan is adopted", || {
            processes::info(kid).is_some_and(|info| info.parent == run.pid())
        });
        place.write("go", "");
        let ended = run.wait().expect_code(3);
        assert!(ended.err().is_empty(), "{}", ended.dump());
        assert!(processes::is_alive(kid), "{:?}", file_lines(&log));
        assert!(!file_lines(&log).iter().any(|line| line.contains("got")), "{:?}", file_lines(&log));
    });
}

/// A child of the helper ends, the helper reaps it, and a process of the workload gets its id.
fn a_process_of_the_workload_may_get_the_id_of_one_from_before() {
    let place = TempDir::new();
    let (id, record) = (place.file("id"), place.file("record"));
    let helper = "sh -c 'sleep 60 & echo $! >$ID.new; mv $ID.new $ID; wait; exec sleep 60' & \
                  until [ -e $ID ]; do sleep 0.01; done; exec \"$@\"";
    let main = "trap '' TERM; id=$(cat $ID); kill $id; while [ -e /proc/$id ]; do sleep 0.01; done\n\
                echo $((id - 1)) >/proc/sys/kernel/ns_last_pid; setsid sleep 60 &\n\
                [ $! = $id ] && echo recycled || echo \"$! is not $id\"; kill -TERM $PPID; sleep 60";
    // As PID 1 winddown counts children from before as the workload, so a shell is PID 1 here.
    let ended = Winddown::new()
        .prefix(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", "\"$@\"; exit $?", "sh"])
        .prefix(["sh", "-c", helper, "sh"])
        .args(["--no-guard", "-t", "300ms", "--record", &record])
        .env("ID", &id)
        .command(["sh", "-c", main])
        .run()
        .expect_code(137);
    assert_eq!(ended.out(), ["recycled"], "{}", ended.dump());
    let id = wait_file_number(&id, "");
    let record = read_json(&record);
    let killed = record["killed"].as_array().expect("a list");
    assert!(killed.iter().any(|one| one["pid"] == id), "{id}: {record}");
}

fn as_pid_1_children_from_before_belong_to_the_tree() {
    let place = TempDir::new();
    let (log, go) = (place.file("log"), place.file("go"));
    let helper =
        format!("{} --log {log} --on TERM [ --exit 0 ] --say pid --serve", workload_path().display());
    let run = Winddown::new()
        .pid_1()
        .foreign_child(&helper)
        .workload(&format!("--print up --until {go} --exit 3"))
        .start();
    run.wait_out("up");
    wait_file_number(&log, "pid");
    place.write("go", "");
    run.wait().expect_code(3).expect_nothing_left();
    assert!(file_lines(&log).iter().any(|line| line.starts_with("got 15")), "{:?}", file_lines(&log));
}
