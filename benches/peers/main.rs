//! Compares winddown with `tini`, `dumb-init`, `catatonit` and `timeout`, in one interleaved run.
//!
//! `benches/run` builds the static binaries and starts this; `cargo bench` measures the usual
//! build. Absolute figures don't hold on shared machines: judge by the ratios.

mod figure;
mod figures;
mod launch;
mod options;
mod os;
mod procfs;
mod programs;
mod report;
mod rounds;
mod stats;
mod workload;

use std::io;
use std::process::ExitCode;

use figures::Bench;
use launch::Launcher;
use options::{NAMES, Options, Request, USAGE};
use programs::{Builds, find_all};

fn main() -> ExitCode {
    workload::play();
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) if os::interrupted() => ExitCode::from(130),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> io::Result<()> {
    os::install_handlers()?;
    os::become_subreaper()?;
    let builds = Builds::find();
    let programs = find_all(&builds);
    println!("measured: {}", builds.measured.display());
    println!("load of the machine before: {}", procfs::load());
    let bench = Bench { options, builds, programs, launcher: Launcher::new()? };
    let mut figures = Vec::new();
    for name in NAMES.into_iter().filter(|name| bench.options.wants(name)) {
        let measured = figures::measure(name, &bench);
        launch::sweep();
        for figure in measured? {
            report::print_figure(&figure);
            figures.push(figure);
        }
        if os::interrupted() {
            println!("\ninterrupted: the results are incomplete");
            break;
        }
    }
    report::print_summary(&figures);
    bench.options.json.as_ref().map_or(Ok(()), |path| report::write_json(path, &figures))
}
