//! `winddown check`: starts a server under the main job, stops it, and judges how it stopped.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::check::options::parse::{CheckRequest, parse};
use crate::cli::UsageError;
use crate::lifecycle::exit::WINDDOWN_FAILED;
use crate::lifecycle::signal::Signal;
use crate::os::clock::Clock;
use crate::os::network;
use crate::os::reason;
use crate::os::signal::receive;
use checks::several::Times;
use checks::verdict;
use interrupts::Interrupts;
use observed::AllRuns;
use options::Options;
use options::baseline::Baseline;
use options::port::Port;
use options::server_test::ServerTest;
use reports::Results;
use runs::archive::Archive;
use runs::job::Jobs;
use runs::lanes::Lanes;
use runs::schedule;

pub mod checks;
mod clients;
mod interrupts;
mod observed;
pub mod options;
mod reports;
mod runs;
mod time;
mod trace;

/// How long the clean-up after an interrupt may take.
const CLEAN_UP_MOST: Duration = Duration::from_secs(5);

/// Why nothing was tested.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// In one line.
    pub(crate) why: String,
    /// The exit status for it.
    pub(crate) status: u8,
}

impl From<UsageError> for Refusal {
    fn from(error: UsageError) -> Self {
        Self { why: error.to_string(), status: WINDDOWN_FAILED }
    }
}

/// What a test, or a question about the tests, comes to.
#[derive(Debug)]
pub(crate) struct Tested {
    /// For stdout.
    pub(crate) text: String,
    pub(crate) status: u8,
    /// What could not be written, a line each, for stderr.
    pub(crate) problems: Vec<String>,
}

/// Runs `winddown check`.
///
/// # Errors
/// When the words are not understood, or nothing could be started.
pub(crate) fn run(words: &[OsString], clock: Clock) -> Result<Tested, Refusal> {
    receive::set_ignored(Signal::CHLD, false);
    let tests = match parse(words)? {
        CheckRequest::Check(tests) => tests,
        CheckRequest::Print(text) => return Ok(Tested { text, status: 0, problems: Vec::new() }),
    };
    // It is the same for all.
    if let Some(format) = tests.iter().find_map(|test| test.options.trace) {
        trace::begin(format, clock);
    }
    let lanes = lanes(words, &tests)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let result = runtime.block_on(whole(&tests, &lanes, clock));
    // Does not wait for helper threads that hang.
    runtime.shutdown_background();
    result
}

fn failed(error: &io::Error) -> Refusal {
    Refusal { why: format!("check: cannot start: {}", reason(error)), status: WINDDOWN_FAILED }
}

/// The lanes of each server.
fn lanes(words: &[OsString], tests: &[ServerTest]) -> Result<Vec<Lanes>, Refusal> {
    tests.iter().enumerate().map(|(at, test)| lanes_of(words, at, &test.options)).collect()
}

/// What keeps runs side by side apart: a port for each where ports are given, else a network namespace.
fn lanes_of(words: &[OsString], server: usize, options: &Options) -> Result<Lanes, Refusal> {
    if options.jobs < 2 {
        return Ok(Lanes::default());
    }
    if options.port.as_ref().is_some_and(Port::is_reserved) {
        let another = |_| match parse(words)? {
            CheckRequest::Check(mut tests) => Ok(tests.swap_remove(server).options),
            CheckRequest::Print(why) => Err(Refusal { why, status: WINDDOWN_FAILED }),
        };
        let options = (0..options.jobs).map(another).collect::<Result<_, Refusal>>()?;
        return Ok(Lanes { options, are_isolated: false });
    }
    network::prepare().map_err(|error| {
        let why = format!(
            "check: --jobs {}: no network namespace can be made here ({}); give --port auto, or leave it out",
            options.jobs,
            reason(&error)
        );
        Refusal { why, status: WINDDOWN_FAILED }
    })?;
    Ok(Lanes { options: vec![options.clone(); options.jobs], are_isolated: true })
}

/// The whole test, or its end by a signal.
async fn whole(tests: &[ServerTest], lanes: &[Lanes], clock: Clock) -> Result<Tested, Refusal> {
    let mut interrupts = Interrupts::take().map_err(|error| failed(&error))?;
    let jobs: Vec<Arc<Jobs>> = Archive::open_all(tests)?.into_iter().map(Jobs::new).map(Arc::new).collect();
    let signal = tokio::select! {
        seen = play(tests, lanes, &jobs, clock) => return Ok(judge_and_report(tests, &seen?, &jobs)),
        signal = interrupts.next() => signal,
    };
    let end = async {
        for jobs in &jobs {
            jobs.end_all().await;
        }
    };
    let _ = tokio::time::timeout(CLEAN_UP_MOST, end).await;
    let why = format!("check: interrupted by {signal}: every process was ended, nothing was judged");
    Err(Refusal { why, status: signal.exit_status() })
}

/// One server after another: what each has shown.
async fn play(
    tests: &[ServerTest],
    lanes: &[Lanes],
    jobs: &[Arc<Jobs>],
    clock: Clock,
) -> Result<Vec<AllRuns>, Refusal> {
    let mut all = Vec::new();
    for ((test, lanes), jobs) in tests.iter().zip(lanes).zip(jobs) {
        let seen = schedule::play(&test.options, lanes, &test.selection, jobs, clock).await;
        let seen = seen.map_err(|error| failed(&error))?;
        if let Some((status, why)) = checks::not_run(&seen.plain) {
            let server = test.options.name.as_ref().filter(|_| tests.len() > 1);
            let server = server.map(|name| format!("check: {name}: ")).unwrap_or_default();
            return Err(Refusal { why: format!("{server}{why}"), status });
        }
        all.push(seen);
    }
    Ok(all)
}

fn judge_and_report(tests: &[ServerTest], seen: &[AllRuns], jobs: &[Arc<Jobs>]) -> Tested {
    let results: Vec<Results<'_>> =
        tests.iter().zip(seen).map(|(test, seen)| Results::of(test, seen)).collect();
    let (text, mut problems) = reports::write(&results);
    problems.extend(jobs.iter().flat_map(|jobs| jobs.archive.problems()));
    // Servers may share a log.
    problems.dedup();
    for (test, seen) in tests.iter().zip(seen) {
        if let Some(path) = &test.options.save_baseline
            && let Err(error) = Baseline::of(&Times::of(seen)).write(path)
        {
            problems.push(format!("--save-baseline {}: {}", path.display(), reason(&error)));
        }
    }
    let status = verdict::worst_status(results.iter().map(|results| results.status));
    Tested { text, status, problems }
}

/// Only parses the words.
#[cfg(any(test, fuzzing))]
pub(crate) fn understand_any(words: &[OsString]) -> bool {
    parse(words).is_ok()
}

/// Takes these bytes as the answer and as the output of a server.
#[cfg(any(test, fuzzing))]
pub(crate) fn answered(bytes: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        clients::probe::answered(bytes).await;
        runs::output::printed(bytes).await;
    });
}
