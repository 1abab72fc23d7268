//! Nothing that a workload or a stranger sends or holds moves the deadline.

use std::time::{Duration, Instant};

use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::running::{Ended, Running};
use crate::support::{TempDir, lateness, trials};

trials![
    alone => a_flood_of_signals_with_forged_senders_does_not_delay_it,
    alone long => many_locks_and_many_who_wait_for_one_do_not_delay_it,
    alone long => a_wide_process_does_not_delay_it,
    alone => a_large_tree_that_is_asked_as_a_whole_does_not_delay_it,
    a_descriptor_that_takes_long_to_be_closed_does_not_delay_it,
    a_stranger_whose_descriptor_takes_long_to_be_closed_does_not_delay_it,
    a_descriptor_that_goes_on_to_the_parent_delays_nothing,
];

/// Asks for the stop, and expects the main process to be killed at the limit. The rest of a large tree may take
/// longer to go.
#[track_caller]
fn expect_killed_at(limit: Duration, run: Running) -> Ended {
    run.wait_out("up");
    let main = run.tag().pin(run.number("pid"));
    let asked = run.signal(libc::SIGTERM);
    assert!(main.ends(), "{} lives on", main.pid());
    let end = Instant::now();
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(end - asked >= limit, "{}", ended.dump());
    lateness::expect_within(end - asked, limit, (asked, end), || ended.dump());
    // Descriptors that are still to be closed hold nothing up.
    assert!(ended.since(asked) < limit + Duration::from_secs(10), "{}", ended.dump());
    ended
}

fn a_flood_of_signals_with_forged_senders_does_not_delay_it() {
    guarded_or_not(|winddown| {
        let run = winddown
            // winddown looks up for each stop request whether the workload sent it.
            .args(["-t", "1s", "--stop-on", "TERM,RTMIN+1"])
            .workload(
                "--ignore RTMIN+1 --spawn child*1500 c [ --serve ] --say pid \
                 --on TERM [ --forge parent RTMIN+1 ] --print up --serve",
            )
            .start();
        expect_killed_at(Duration::from_secs(1), run);
    });
}

fn many_locks_and_many_who_wait_for_one_do_not_delay_it() {
    let place = TempDir::new();
    let file = place.file("locks");
    let run = Winddown::new()
        .args(["-t", "1s"])
        .workload(&format!(
            "--ignore TERM --locks {file} 30000 --spawn child*32 c [ --lock {file} ] --say pid --print up --serve"
        ))
        .start();
    expect_killed_at(Duration::from_secs(1), run);
}

/// Takes longer to close than any test here waits.
const LINGERS: &str = "--tell-lingering 25 STATUS=x";

fn a_descriptor_that_takes_long_to_be_closed_does_not_delay_it() {
    guarded_or_not(|winddown| {
        let run = winddown
            .args(["-t", "1s", "--notify"])
            .workload(&format!("--ignore TERM --say pid {LINGERS} {LINGERS} --print up --serve"))
            .start();
        expect_killed_at(Duration::from_secs(1), run);
    });
}

fn a_stranger_whose_descriptor_takes_long_to_be_closed_does_not_delay_it() {
    guarded_or_not(|winddown| {
        let run = winddown
            .args(["-t", "1s", "--notify"])
            .workload("--ignore TERM --say env:NOTIFY_SOCKET --say pid --print up --serve")
            .start();
        run.wait_out("up");
        let stranger = Winddown::bare()
            .env("NOTIFY_SOCKET", run.fact("env:NOTIFY_SOCKET"))
            .workload(&format!("{LINGERS} --print sent --serve"))
            .start();
        stranger.wait_out("sent");
        expect_killed_at(Duration::from_secs(1), run);
        stranger.signal(libc::SIGKILL);
        stranger.wait();
    });
}

/// The outer process gets a copy of the descriptor, which is the last copy if the parent takes none. A barrier sent
/// after it is over once both processes have gone on.
fn a_descriptor_that_goes_on_to_the_parent_delays_nothing() {
    let run = Winddown::new()
        .args(["-t", "1s"])
        .env("NOTIFY_SOCKET", "@nobody-is-here")
        .workload("--ignore TERM --say pid --tell-lingering 50 FDSTORE=1 --barrier --print up --serve")
        .start();
    expect_killed_at(Duration::from_secs(1), run);
}

fn a_wide_process_does_not_delay_it() {
    let run = Winddown::new()
        .args(["-t", "500ms"])
        .workload("--ignore TERM --spawn child*2 c [ --threads 2000 --serve ] --say pid --print up --serve")
        .start();
    expect_killed_at(Duration::from_millis(500), run);
}

fn a_large_tree_that_is_asked_as_a_whole_does_not_delay_it() {
    let run = Winddown::new()
        .args(["-t", "20ms", "--to", "all"])
        .workload("--ignore TERM --spawn child*1500 c [ --ignore TERM --serve ] --say pid --print up --serve")
        .start();
    expect_killed_at(Duration::from_millis(20), run);
}
