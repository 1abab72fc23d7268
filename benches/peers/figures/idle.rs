//! What a supervisor costs while nothing happens.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Bench;
use crate::figure::{Figure, Goal, Limit, Row, both, ratios};
use crate::launch::sweep;
use crate::os::{self, Watch};
use crate::procfs;
use crate::programs::{Kind, Program, Setting};
use crate::rounds::explain;
use crate::workload::Role;

const KINDS: [Kind; 6] =
    [Kind::Tini, Kind::DumbInit, Kind::Catatonit, Kind::Timeout, Kind::Alone, Kind::Guarded];

/// Figures of the supervisor and its helpers.
struct Idle {
    switches: u32,
    /// The largest number in any process.
    threads: usize,
    timers: Option<usize>,
    private_dirty_kib: u32,
    processes: usize,
}

pub(super) fn measure(bench: &Bench) -> Vec<Figure> {
    let seconds = if bench.options.quick { 2 } else { 5 };
    let programs = bench.pick(&KINDS);
    let results: Vec<_> = programs
        .iter()
        .map(|program| (*program, look(bench, program, Duration::from_secs(seconds))))
        .collect();
    let figure = |id, title: &str, unit, baseline, goals, value: fn(&Idle) -> Option<f64>| {
        let rows = results.iter().map(|(program, idle)| row(program, idle.as_ref(), value));
        Figure { id, title: title.into(), unit, baseline, goals, rows: rows.collect() }
    };
    let at_most = |count: f64| -> Vec<Goal> { both(Limit::Value(count)) };
    let switches = format!("idle: wake-ups in {seconds} s");
    vec![
        figure("idle-switches", &switches, "", None, at_most(0.0), |idle| Some(f64::from(idle.switches))),
        figure("idle-threads", "idle: threads of each process", "", None, at_most(1.0), |idle| {
            count(idle.threads)
        }),
        figure("idle-timers", "idle: POSIX timers", "", None, at_most(0.0), |idle| {
            idle.timers.and_then(count)
        }),
        figure(
            "idle-memory",
            "idle: private dirty memory, all processes",
            "KiB",
            Some(Kind::Tini),
            ratios(1.5, 2.5),
            |idle| Some(f64::from(idle.private_dirty_kib)),
        ),
    ]
}

fn count(number: usize) -> Option<f64> {
    u32::try_from(number).ok().map(f64::from)
}

fn row(program: &Program, idle: Option<&io::Result<Idle>>, value: fn(&Idle) -> Option<f64>) -> Row {
    let mut row = Row::new(program);
    match idle {
        None => {}
        Some(Err(error)) => row.fail(explain(error)),
        Some(Ok(idle)) => {
            row.samples.extend(value(idle));
            let processes = idle.processes;
            row.note = Some(format!("{processes} process{}", if processes == 1 { "" } else { "es" }));
        }
    }
    row
}

/// `None` if the program is missing.
fn look(bench: &Bench, program: &Program, time: Duration) -> Option<io::Result<Idle>> {
    if program.path.is_err() || os::interrupted() {
        return None;
    }
    let _watch = Watch::seconds(20);
    let idle = look_at(bench, program, time);
    sweep();
    Some(idle)
}

fn look_at(bench: &Bench, program: &Program, time: Duration) -> io::Result<Idle> {
    let mut running = bench.launcher.role(program, Setting::Plain, Role::Sleep)?;
    let workload = running.workload_pid()?;
    std::thread::sleep(Duration::from_millis(300));
    // Nothing else runs: a helper that has left the supervisor's tree is our child, and counts.
    let mut pids: Vec<i32> = procfs::descendants().iter().map(|process| process.pid).collect();
    pids.retain(|&pid| pid != workload);
    let switches = || pids.iter().map(|&pid| procfs::wake_ups(pid)).sum::<io::Result<u32>>();
    let before = switches()?;
    std::thread::sleep(time);
    let idle = Idle {
        switches: switches()? - before,
        threads: pids.iter().filter_map(|&pid| procfs::threads(pid).ok()).max().unwrap_or(0),
        timers: pids.iter().map(|&pid| procfs::timers(pid)).sum(),
        private_dirty_kib: pids.iter().map(|&pid| procfs::private_dirty_kib(pid)).sum::<io::Result<u32>>()?,
        processes: pids.len(),
    };
    running.signal(Signal::SIGTERM)?;
    running.wait()?;
    Ok(idle)
}
