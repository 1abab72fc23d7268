//! The wall clock jumps back and forth: winddown measures time by another clock.

use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::builder::guarded_or_not;
use crate::support::{TempDir, trials};

trials![
    needs("cc", "date") => the_limit_holds_while_the_wall_clock_jumps,
    needs("cc", "date") => the_run_limit_holds_while_the_wall_clock_jumps,
];

/// A library to load before the C library: the wall clock is an hour slow, then an hour fast, and so on.
const JUMPS: &str = r"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long jump(void) {
    static int count;
    return count++ % 2 ? -3600 : 3600;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = syscall(SYS_gettimeofday, now, zone);
    if (result == 0) now->tv_sec += jump();
    return result;
}

time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}
";

/// Builds the library, and checks that it works. A static winddown is not affected by it.
#[track_caller]
fn jumping_clock(place: &TempDir) -> String {
    let (source, library) = (place.write("jumps.c", JUMPS), place.file("jumps.so"));
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &source]).status();
    assert!(built.is_ok_and(|built| built.success()), "the library can't be built");
    let found = Command::new("date").arg("+%s").env("LD_PRELOAD", &library).output().expect("the date");
    let found: u64 = String::from_utf8_lossy(&found.stdout).trim().parse().expect("seconds");
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs();
    assert!(found.abs_diff(now) > 3000, "{found} is the real time, {now}");
    library
}

fn the_limit_holds_while_the_wall_clock_jumps() {
    let place = TempDir::new();
    let library = jumping_clock(&place);
    guarded_or_not(|winddown| {
        let run = winddown
            .env("LD_PRELOAD", &library)
            .args(["-t", "1s"])
            .workload("--on TERM [ ] --print up --serve")
            .start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        run.wait_err("left; still there: workload");
        assert!(asked.elapsed() >= Duration::from_millis(500), "{:?}", asked.elapsed());
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_secs(1));
    });
}

fn the_run_limit_holds_while_the_wall_clock_jumps() {
    let place = TempDir::new();
    let library = jumping_clock(&place);
    guarded_or_not(|winddown| {
        let run = winddown
            .env("LD_PRELOAD", &library)
            .args(["--run-limit", "1s", "-t", "400ms"])
            .workload("--on TERM [ ] --serve");
        let ended = run.run().expect_code(137).expect_nothing_left();
        assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
        ended.expect_time(ended.duration, Duration::from_secs(1));
    });
}
