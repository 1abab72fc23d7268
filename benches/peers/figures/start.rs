//! From start to exit of `/bin/true`: from the supervisor's `execve` until it is reaped.

use std::io;
use std::time::Duration;

use super::Bench;
use crate::figure::{Figure, Limit, both, ratios};
use crate::os::{micros, now_ns};
use crate::programs::{Kind, Program, Setting};
use crate::rounds::{Plan, interleave};

pub(super) fn measure(bench: &Bench) -> Figure {
    let programs: Vec<_> = bench.programs.iter().collect();
    Figure {
        id: "start",
        title: "start to exit of /bin/true".into(),
        unit: "us",
        baseline: Some(Kind::Tini),
        goals: ratios(0.95, 1.3),
        rows: interleave(&programs, plan(bench), |_, program| run(bench, program, Setting::Plain)),
    }
}

/// As PID 1 there is no guard: the end of PID 1 is the end of every process.
pub(super) fn measure_as_pid1(bench: &Bench) -> Figure {
    let kinds = [Kind::Bare, Kind::Tini, Kind::DumbInit, Kind::Catatonit, Kind::Alone, Kind::Guarded];
    let programs = bench.pick(&kinds);
    let mut rows = Vec::new();
    let mut title = "start to exit of /bin/true, as PID 1".to_owned();
    if nix::unistd::geteuid().is_root() {
        rows = interleave(&programs, plan(bench), |_, program| run(bench, program, Setting::Pid1));
    } else {
        title.push_str(" (SKIPPED: needs root)");
    }
    Figure {
        id: "pid1",
        title,
        unit: "us",
        baseline: Some(Kind::Tini),
        goals: both(Limit::Ratio(0.95)),
        rows,
    }
}

fn plan(bench: &Bench) -> Plan {
    Plan { rounds: bench.options.scaled(bench.options.rounds), warm_up: 5, budget: Duration::from_secs(35) }
}

fn run(bench: &Bench, program: &Program, setting: Setting) -> io::Result<f64> {
    let mut running = bench.launcher.bin_true(program, setting)?;
    running.wait()?;
    Ok(micros(now_ns().saturating_sub(bench.launcher.stamp.get_ns())))
}
