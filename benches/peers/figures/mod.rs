//! The figures, one per file. Each takes the bench and returns its measurement.

mod deadline;
mod exit;
mod idle;
mod orphans;
mod sessions;
mod signal;
mod size;
mod start;

use std::io;

use crate::figure::Figure;
use crate::launch::Launcher;
use crate::options::Options;
use crate::programs::{Builds, Kind, Program};

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) builds: Builds,
    pub(crate) programs: Vec<Program>,
    pub(crate) launcher: Launcher,
}

impl Bench {
    pub(crate) fn pick(&self, kinds: &[Kind]) -> Vec<&Program> {
        self.programs.iter().filter(|program| kinds.contains(&program.kind)).collect()
    }
}

pub(crate) fn measure(name: &str, bench: &Bench) -> io::Result<Vec<Figure>> {
    Ok(match name {
        "size" => vec![size::measure(bench)],
        "start" => vec![start::measure(bench)],
        "pid1" => vec![start::measure_as_pid1(bench)],
        "signal" => signal::measure(bench),
        "exit" => vec![exit::measure(bench)],
        "deadline" => vec![deadline::measure(bench)],
        "idle" => idle::measure(bench),
        "orphans" => vec![orphans::measure(bench)],
        "sessions" => vec![sessions::measure(bench, 0), sessions::measure(bench, 4)],
        _ => return Err(io::Error::other("no such figure")),
    })
}
