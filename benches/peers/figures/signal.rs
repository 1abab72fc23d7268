//! Signal latency: from the `kill` of the supervisor until the workload has the signal.
//!
//! All supervisors wait side by side, and get one signal each in turn.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Bench;
use crate::figure::{Figure, Goal, Limit, Row, ratios};
use crate::launch::Running;
use crate::os::{Watch, micros, now_ns};
use crate::procfs;
use crate::programs::{Kind, Program, Setting};
use crate::rounds::{Plan, explain, interleave};
use crate::workload::Role;

/// Far more rounds than elsewhere: one takes only some microseconds.
const ROUNDS_FACTOR: usize = 5;

/// Without `timeout`: it forwards only signals that stop it.
const KINDS: [Kind; 6] =
    [Kind::Bare, Kind::Tini, Kind::DumbInit, Kind::Catatonit, Kind::Alone, Kind::Guarded];

struct Pair {
    running: Running,
    /// CPU time of the supervisor and its helpers.
    pids: Vec<i32>,
    switches_before: u32,
}

impl Pair {
    fn start(bench: &Bench, program: &Program) -> io::Result<Self> {
        let running = bench.launcher.role(program, Setting::Plain, Role::Echo)?;
        let workload = running.workload_pid()?;
        std::thread::sleep(Duration::from_millis(50));
        let pids = match program.kind {
            Kind::Bare => Vec::new(),
            _ => procfs::supervisor_processes(running.pid, workload),
        };
        let mut pair = Self { running, pids, switches_before: 0 };
        pair.switches_before = pair.switches()?;
        Ok(pair)
    }

    fn switches(&self) -> io::Result<u32> {
        self.pids.iter().map(|&pid| procfs::wake_ups(pid)).sum()
    }

    fn round_trip(&self) -> io::Result<f64> {
        let sent_ns = now_ns();
        self.running.signal(Signal::SIGUSR1)?;
        Ok(micros(self.running.message()?.saturating_sub(sent_ns)))
    }
}

pub(super) fn measure(bench: &Bench) -> Vec<Figure> {
    let programs = bench.pick(&KINDS);
    let watch = Watch::seconds(20);
    let pairs: Vec<_> = programs.iter().map(|program| Pair::start(bench, program)).collect();
    drop(watch);
    let plan = Plan {
        rounds: bench.options.scaled(bench.options.rounds * ROUNDS_FACTOR),
        warm_up: 20,
        budget: Duration::from_secs(20),
    };
    let mut sent = vec![0_u32; pairs.len()];
    let rows = interleave(&programs, plan, |at, _| match &pairs[at] {
        Ok(pair) => {
            sent[at] += 1;
            pair.round_trip()
        }
        Err(error) => Err(io::Error::other(explain(error))),
    });
    let wake_ups = programs.iter().enumerate().skip(1);
    let wake_ups = wake_ups.map(|(at, program)| wake_up_row(program, &pairs[at], sent[at]));
    vec![
        Figure {
            id: "signal",
            title: "signal in, signal out".into(),
            unit: "us",
            baseline: Some(Kind::Tini),
            // With the guard the goal is one more wake-up, see below.
            goals: ratios(1.0, 1.0).into_iter().filter(|goal| goal.kind == Kind::Alone).collect(),
            rows,
        },
        Figure {
            id: "signal-wake-ups",
            title: "wake-ups of one signal".into(),
            unit: "",
            baseline: None,
            // A tenth more for preemption of the supervisor on a busy machine.
            goals: vec![
                Goal { kind: Kind::Alone, limit: Limit::Value(1.1) },
                Goal { kind: Kind::Guarded, limit: Limit::Value(2.1) },
            ],
            rows: wake_ups.collect(),
        },
    ]
}

fn wake_up_row(program: &Program, pair: &io::Result<Pair>, sent: u32) -> Row {
    let mut row = Row::new(program);
    if let Ok(pair) = pair
        && let Ok(after) = pair.switches()
        && sent > 0
    {
        let each = f64::from(after - pair.switches_before) / f64::from(sent);
        row.samples.push((each * 100.0).round() / 100.0);
        row.note = Some(format!("mean of {sent} signals"));
    }
    row
}
