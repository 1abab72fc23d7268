//! SIGKILL at the deadline: how late the workload is dead.
//!
//! The fair comparison is `timeout -k 0.05 600 CMD` with `winddown -t 50ms CMD`, around a workload that
//! ignores SIGTERM. Both get SIGTERM from here, pass it on, and promise SIGKILL 50 ms later. So the
//! deadline is known from outside: the moment of the `kill` plus 50 ms. (With a time limit from the
//! start, the start-up time of each program would blur it.)

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Bench;
use crate::figure::{Figure, Limit, both};
use crate::launch::reap_orphans;
use crate::os::{PidFd, micros, now_ns};
use crate::programs::{Kind, Program, Setting};
use crate::rounds::{Plan, interleave};
use crate::workload::Role;

const LIMIT_MS: u32 = 50;

pub(super) fn measure(bench: &Bench) -> Figure {
    let programs = bench.pick(&[Kind::Timeout, Kind::Alone, Kind::Guarded]);
    let plan = Plan {
        rounds: bench.options.scaled(bench.options.rounds / 2),
        warm_up: 2,
        budget: Duration::from_secs(40),
    };
    Figure {
        id: "deadline",
        title: "SIGKILL after the deadline".into(),
        unit: "us",
        baseline: Some(Kind::Timeout),
        goals: both(Limit::Ratio(1.0)),
        rows: interleave(&programs, plan, |_, program| run(bench, program)),
    }
}

fn run(bench: &Bench, program: &Program) -> io::Result<f64> {
    let setting = Setting::LimitMs(LIMIT_MS);
    let mut running = bench.launcher.role(program, setting, Role::Stubborn)?;
    let workload = PidFd::open(running.workload_pid()?)?;
    // The supervisor must be ready and idle, too.
    std::thread::sleep(Duration::from_millis(3));
    let deadline_ns = now_ns() + u64::from(LIMIT_MS) * 1_000_000;
    running.signal(Signal::SIGTERM)?;
    workload.wait_for_end(5_000)?;
    let dead_ns = now_ns();
    running.wait()?;
    // timeout kills itself, too, and leaves the rest of the workload to us.
    reap_orphans();
    match dead_ns.checked_sub(deadline_ns) {
        Some(late_ns) => Ok(micros(late_ns)),
        None => Err(io::Error::other("killed before the deadline")),
    }
}
