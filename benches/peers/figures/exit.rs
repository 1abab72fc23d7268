//! From the exit of the workload to the exit of the supervisor.

use std::io;
use std::time::Duration;

use super::Bench;
use crate::figure::{Figure, ratios};
use crate::os::{micros, now_ns};
use crate::programs::{Kind, Program, Setting};
use crate::rounds::{Plan, interleave};
use crate::workload::Role;

pub(super) fn measure(bench: &Bench) -> Figure {
    let programs: Vec<_> = bench.programs.iter().collect();
    let plan = Plan {
        rounds: bench.options.scaled(bench.options.rounds * 3 / 4),
        warm_up: 3,
        budget: Duration::from_secs(30),
    };
    Figure {
        id: "exit",
        title: "exit of the workload to exit of the supervisor".into(),
        unit: "us",
        baseline: Some(Kind::Tini),
        goals: ratios(1.0, 1.5),
        rows: interleave(&programs, plan, |_, program| run(bench, program)),
    }
}

fn run(bench: &Bench, program: &Program) -> io::Result<f64> {
    let mut running = bench.launcher.role(program, Setting::Plain, Role::Exit)?;
    running.wait()?;
    let end_ns = now_ns();
    // Read only now, so that the message wakes no process while the time counts.
    running.workload_pid()?;
    Ok(micros(end_ns.saturating_sub(running.message()?)))
}
