//! Signals in the first milliseconds of winddown's life: none is lost.

use std::time::{Duration, Instant};

use crate::support::builder::Winddown;
use crate::support::running::Ended;
use crate::support::{short_or_long, trials, two_at_a_time};

trials![
    alone => no_term_is_lost_in_the_first_milliseconds,
    alone => a_term_in_the_first_milliseconds_ends_the_run,
    alone => no_other_signal_is_lost_in_the_first_milliseconds,
];

/// Starts this many runs, with and without the guard, and signals each a little later than the one
/// before, from 0 to 5 ms.
fn in_the_first_milliseconds(runs: u32, signal: i32, prepare: fn(Winddown) -> Winddown, judge: fn(Ended)) {
    let one = |number: u32| {
        let winddown = Winddown::new();
        let winddown = if (number / 2).is_multiple_of(2) { winddown } else { winddown.args(["--no-guard"]) };
        let run = prepare(winddown).start();
        let at = run.started() + Duration::from_millis(5) * number / runs;
        while Instant::now() < at {
            std::hint::spin_loop();
        }
        run.signal(signal);
        judge(run.wait());
    };
    two_at_a_time(runs, one);
}

/// Trap 1: TERM in the first milliseconds. TERM is blocked from the start, so it stays pending until the workload
/// is ready for it, and each one must be answered.
fn no_term_is_lost_in_the_first_milliseconds() {
    let prepare = |winddown: Winddown| {
        winddown.args(["-t", "25s"]).blocked([libc::SIGTERM]).workload("--on TERM [ --exit 7 ] --serve")
    };
    in_the_first_milliseconds(short_or_long(120, 1000), libc::SIGTERM, prepare, |ended| {
        let ended = ended.expect_code(7);
        assert_eq!(ended.count_out("got 15 code"), 1, "{}", ended.dump());
    });
}

/// Trap 1 again, with nothing blocked: before winddown has started, and before the workload is ready
/// for it, a TERM kills by its default action. It is never lost, and no process is orphaned.
fn a_term_in_the_first_milliseconds_ends_the_run() {
    let prepare =
        |winddown: Winddown| winddown.args(["-t", "25s"]).workload("--on TERM [ --exit 7 ] --serve");
    in_the_first_milliseconds(short_or_long(120, 1000), libc::SIGTERM, prepare, |ended| {
        assert!(ended.code() == Some(7) || ended.signal() == Some(libc::SIGTERM), "{}", ended.dump());
        ended.expect_nothing_left();
    });
}

fn no_other_signal_is_lost_in_the_first_milliseconds() {
    let prepare =
        |winddown: Winddown| winddown.blocked([libc::SIGUSR2]).workload("--on USR2 [ --exit 8 ] --serve");
    in_the_first_milliseconds(short_or_long(40, 200), libc::SIGUSR2, prepare, |ended| {
        ended.expect_code(8);
    });
}
