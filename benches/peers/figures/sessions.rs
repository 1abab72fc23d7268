//! Killing 2,000 processes in 2,000 sessions: from the deadline until nothing is left.
//!
//! All of them ignore SIGTERM. Only winddown is measured: no peer follows a process into another session.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Bench;
use crate::figure::{Figure, Limit, both};
use crate::launch::{sweep, wait_for_nothing_left};
use crate::os::{millis, now_ns};
use crate::procfs;
use crate::programs::{Kind, Program, Setting};
use crate::rounds::{Plan, interleave};
use crate::workload::Role;

const QUIET: u32 = 2_000;
const LIMIT_MS: u32 = 300;

pub(super) fn measure(bench: &Bench, forking: u32) -> Figure {
    let programs = bench.pick(&[Kind::Alone, Kind::Guarded]);
    let quiet = if bench.options.quick { QUIET / 10 } else { QUIET };
    let role = Role::Sessions { quiet, forking };
    let plan = Plan { rounds: bench.options.scaled(10), warm_up: 0, budget: Duration::from_secs(15) };
    let rows = interleave(&programs, plan, |_, program| {
        let result = run(bench, program, role);
        // Clean up before the next run, whatever went wrong.
        sweep();
        result
    });
    let title = match forking {
        0 => format!("killing {quiet} processes in {quiet} sessions"),
        _ => format!("the same while {forking} processes go on forking"),
    };
    Figure {
        id: if forking == 0 { "sessions" } else { "sessions-forking" },
        title,
        unit: "ms",
        baseline: None,
        goals: both(Limit::Value(150.0)),
        rows,
    }
}

fn run(bench: &Bench, program: &Program, role: Role) -> io::Result<f64> {
    let mut running = bench.launcher.role(program, Setting::LimitMs(LIMIT_MS), role)?;
    running.workload_pid()?;
    let deadline_ns = now_ns() + u64::from(LIMIT_MS) * 1_000_000;
    running.signal(Signal::SIGTERM)?;
    running.wait()?;
    let mut end_ns = now_ns();
    let left = procfs::descendants().iter().filter(|process| !process.is_zombie()).count();
    if left > 0 {
        // The guard may need a moment longer; a process of the workload would not end during this wait.
        std::thread::sleep(Duration::from_millis(500));
        let left = procfs::descendants().len();
        if left > 0 {
            return Err(io::Error::other(format!("{left} processes left")));
        }
        end_ns = now_ns();
    }
    wait_for_nothing_left()?;
    Ok(millis(end_ns.saturating_sub(deadline_ns)))
}
