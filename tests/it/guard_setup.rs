//! The second process of winddown: what it costs, and runs in which there is none.

use std::time::Duration;

use crate::guard::inner;
use crate::support::builder::Winddown;
use crate::support::{TempDir, eventually, holds_within, processes, trials};

trials![
    idle_costs_no_wake_up_and_no_timer,
    without_descriptors_for_it_there_is_no_guard,
    needs("strace") => an_inner_process_that_cannot_be_set_up_leaves_the_outer_one_to_supervise,
];

/// How often a process gave up the processor voluntarily.
fn switches(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("a count").trim().parse().expect("a number")
}

fn idle_costs_no_wake_up_and_no_timer() {
    let run = Winddown::new().workload("--say pid --on TERM [ --exit 0 ] --print up --serve").start();
    run.wait_out("up");
    let both = [run.pid(), inner(run.pid())];
    eventually("both are at rest", || both.iter().all(|pid| processes::state(*pid) == Some('S')));
    let settled = |pid: i32| {
        let before = switches(pid);
        !holds_within(Duration::from_millis(200), || switches(pid) != before)
    };
    eventually("the start is over", || both.iter().all(|pid| settled(*pid)));
    let before = both.map(switches);
    assert!(!holds_within(Duration::from_secs(2), || both.map(switches) != before), "they wake up");
    for pid in both {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a living process").count();
        assert_eq!(threads, 1);
        if let Ok(timers) = std::fs::read_to_string(format!("/proc/{pid}/timers")) {
            assert_eq!(timers, "", "timers");
        }
    }
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
}

/// Its pipe needs two descriptors, the start of the main process needs one.
fn without_descriptors_for_it_there_is_no_guard() {
    let run = Winddown::new().args(["-v"]).limit(libc::RLIMIT_NOFILE, 4).command(["sleep", "60"]).start();
    run.wait_err("no guard: ");
    run.wait_err("started sleep");
    assert_eq!(processes::children(run.pid()).len(), 1);
    run.signal(libc::SIGTERM);
    run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    let quiet = Winddown::new().limit(libc::RLIMIT_NOFILE, 4).command(["true"]).run().expect_code(0);
    assert!(quiet.err().is_empty(), "{}", quiet.dump());
}

/// As under a profile that refuses the call.
fn an_inner_process_that_cannot_be_set_up_leaves_the_outer_one_to_supervise() {
    for call in ["fcntl", "prctl"] {
        let place = TempDir::new();
        let run = Winddown::new()
            .prefix(["strace", "-DDD", "-f", "-o", &place.file("trace"), "-e", &format!("trace={call}")])
            .prefix(["-e", &format!("inject={call}:error=EPERM")])
            .args(["-v"])
            .workload("--on TERM [ --exit 3 ] --print up --serve")
            .start();
        run.wait_err("no guard: Operation not permitted");
        run.wait_out("up");
        assert_eq!(processes::children(run.pid()).len(), 1, "{call}");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3).expect_nothing_left();
    }
}
