//! Signals with values (`sigqueue`), while the kernel's queue for them is full. Each run has a user, and so
//! a queue, of its own.

use std::time::Duration;

use crate::hostile::{as_user, for_everybody};
use crate::support::TempDir;
use crate::support::builder::Winddown;
use crate::support::running::Running;
use crate::support::trials;

trials![
    needs("root", "setpriv") => while_others_keep_the_queue_full_every_value_arrives,
    needs("bash") => workload_and_hooks_have_the_limit_that_winddown_was_given,
    timed needs("root", "setpriv") => a_workload_that_takes_none_does_not_hold_up_its_stop,
];

/// Few enough to be reached in each run.
const LIMIT: u64 = 4096;

/// Starts a workload as this user, with or without a second process of winddown.
fn start(user: u32, options: &[&str], workload: &str) -> (Running, TempDir) {
    let (place, winddown, program) = for_everybody();
    let run = Winddown::new()
        .prefix(as_user(user))
        .limit(libc::RLIMIT_SIGPENDING, LIMIT)
        .binary(&winddown)
        .args(options)
        .command([program])
        .more(workload.split(' '))
        .start();
    run.wait_out("up");
    (run, place)
}

/// Queues a signal; false when there is no room.
fn queue(run: &Running, value: usize) -> bool {
    run.process().try_queue(libc::SIGRTMIN() + 2, std::process::id().cast_signed(), value)
}

/// The place that winddown frees when it takes a signal is taken by the next one of the sender.
fn while_others_keep_the_queue_full_every_value_arrives() {
    const COUNT: usize = 20_000;
    for (user, options) in [(54_401, &["-q"][..]), (54_402, &["-q", "--no-guard"])] {
        let workload = "--on RTMIN+2 [ ] --on 64 [ --print last ] --on TERM [ --exit 3 ] --print up --serve";
        let (run, _place) = start(user, options, workload);
        for value in 0..COUNT {
            while !queue(&run, value) {}
        }
        run.signal(libc::SIGRTMAX());
        run.wait_out("last");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        let values = ended.out().into_iter().filter_map(|line| line.split_once(" value ")?.1.parse().ok());
        let values: Vec<usize> = values.take(COUNT).collect();
        assert!(values.iter().copied().eq(0..COUNT), "{} of {COUNT} arrived", values.len());
    }
}

fn workload_and_hooks_have_the_limit_that_winddown_was_given() {
    let limit = "echo $(ulimit -Si) $(ulimit -Hi) >&2";
    let hook = format!("bash -c \"{limit}\"");
    for options in [&[][..], &["--no-guard"]] {
        let run = Winddown::new()
            .limit(libc::RLIMIT_SIGPENDING, LIMIT)
            .args(options)
            .args(["-q", "--stop", &format!("run '{hook}' 5s, TERM"), "--post-stop", &hook])
            .command([
                "bash",
                "-c",
                &format!("trap 'exit 3' TERM; {limit}; echo up; while :; do sleep 0.1; done"),
            ])
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.err(), vec![format!("{LIMIT} {LIMIT}"); 3], "{}", ended.dump());
    }
}

fn a_workload_that_takes_none_does_not_hold_up_its_stop() {
    for (user, options) in [(54_403, &["-qt", "300ms"][..]), (54_404, &["-qt", "300ms", "--no-guard"])] {
        let (run, _place) = start(user, options, "--block RTMIN+2 --ignore TERM --print up --serve");
        // Fills the workload's queue, then winddown's, while winddown passes each on.
        let mut refused = 0;
        for value in 0.. {
            refused = if queue(&run, value) { 0 } else { refused + 1 };
            if refused > 1_000 {
                break;
            }
        }
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_millis(300));
    }
}
