//! Reaping 20,000 orphans as a child subreaper: the supervisor's own CPU time, and whether a zombie is left.
//!
//! dumb-init and timeout take no part: they are not subreapers.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Bench;
use crate::figure::{Figure, Limit, both};
use crate::launch::sweep;
use crate::os::{self, millis, now_ns};
use crate::procfs;
use crate::programs::{Kind, Program, Setting};
use crate::rounds::{Plan, interleave};
use crate::workload::Role;

const ORPHANS: u32 = 20_000;
/// More than enough to reap the last ones.
const PATIENCE_NS: u64 = 2_000_000_000;

pub(super) fn measure(bench: &Bench) -> Figure {
    let programs = bench.pick(&[Kind::Tini, Kind::Catatonit, Kind::Alone, Kind::Guarded]);
    let orphans = if bench.options.quick { ORPHANS / 10 } else { ORPHANS };
    let plan = Plan { rounds: bench.options.scaled(7), warm_up: 0, budget: Duration::from_secs(45) };
    let zombies = RefCell::new(vec![0; programs.len()]);
    let mut rows = interleave(&programs, plan, |at, program| {
        let (cpu_ms, left) = run(bench, program, orphans)?;
        zombies.borrow_mut()[at] += left;
        Ok(cpu_ms)
    });
    for (row, left) in rows.iter_mut().zip(zombies.take()) {
        if left > 0 {
            row.fail(format!("{left} zombies left"));
        }
    }
    Figure {
        id: "orphans",
        title: format!("reaping {orphans} orphans, CPU time"),
        unit: "ms",
        baseline: Some(Kind::Tini),
        goals: both(Limit::Ratio(1.0)),
        rows,
    }
}

fn run(bench: &Bench, program: &Program, orphans: u32) -> io::Result<(f64, usize)> {
    let mut running = bench.launcher.role(program, Setting::Plain, Role::Orphans(orphans))?;
    let workload = running.workload_pid()?;
    running.message()?;
    let end_ns = now_ns() + PATIENCE_NS;
    let zombies = || procfs::descendants().iter().filter(|process| process.is_zombie()).count();
    while zombies() > 0 && now_ns() < end_ns {
        std::thread::sleep(Duration::from_millis(2));
    }
    let left = zombies();
    // Only now: earlier, the orphans would be counted, too.
    let pids = procfs::supervisor_processes(running.pid, workload);
    let cpu_ns = pids.iter().map(|&pid| os::cpu_ns(pid)).sum::<io::Result<u64>>()?;
    running.signal(Signal::SIGTERM)?;
    running.wait()?;
    drop(running);
    sweep();
    Ok((millis(cpu_ns), left))
}
