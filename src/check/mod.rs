//! `winddown check`: starts a server under the main job, stops it, and judges how it stopped.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::cli::UsageError;
use crate::lifecycle::exit::WINDDOWN_FAILED;
use crate::lifecycle::signal::Signal;
use crate::os::clock::Clock;
use crate::os::io::terminal::may_colour;
use crate::os::reason;
use crate::os::signal::receive;
use checks::selection::Selection;
use checks::several::Times;
use checks::verdict;
use interrupts::Interrupts;
use observed::AllRuns;
use options::Options;
use options::baseline::Baseline;
use options::parse::{CheckRequest, parse};
use reports::{Results, page};
use runs::archive::Archive;
use runs::job::Jobs;
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

const STDOUT: i32 = 1;

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
    let (options, selection) = match parse(words)? {
        CheckRequest::Check(options, selection) => (options, selection),
        CheckRequest::Print(text) => return Ok(Tested { text, status: 0, problems: Vec::new() }),
    };
    if let Some(format) = options.trace {
        trace::begin(format, clock);
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let result = runtime.block_on(whole(&options, &selection, clock));
    // Does not wait for helper threads that hang.
    runtime.shutdown_background();
    result
}

fn failed(error: &io::Error) -> Refusal {
    Refusal { why: format!("check: cannot start: {}", reason(error)), status: WINDDOWN_FAILED }
}

/// The whole test, or its end by a signal.
async fn whole(options: &Options, selection: &Selection, clock: Clock) -> Result<Tested, Refusal> {
    let mut interrupts = Interrupts::take().map_err(|error| failed(&error))?;
    let jobs = Jobs::new(Archive::open(options)?);
    let signal = tokio::select! {
        seen = schedule::play(options, selection, &jobs, clock) => {
            let seen = seen.map_err(|error| failed(&error))?;
            return judge_and_report(options, selection, &seen, jobs.archive.problems());
        }
        signal = interrupts.next() => signal,
    };
    let _ = tokio::time::timeout(CLEAN_UP_MOST, jobs.end_all()).await;
    let why = format!("check: interrupted by {signal}: every process was ended, nothing was judged");
    Err(Refusal { why, status: signal.exit_status() })
}

fn judge_and_report(
    options: &Options,
    selection: &Selection,
    seen: &AllRuns,
    kept: Vec<String>,
) -> Result<Tested, Refusal> {
    if let Some((status, why)) = checks::not_run(&seen.plain) {
        return Err(Refusal { why: why.to_owned(), status });
    }
    let verdicts = checks::judge(options, selection, seen);
    let status = verdict::status(&verdicts);
    let failed_runs = checks::failed_runs(options, selection, seen);
    let plain = page::page(options, seen, &verdicts, failed_runs, false);
    let coloured = page::page(options, seen, &verdicts, failed_runs, may_colour(STDOUT));
    let results =
        Results { options, selection, seen, verdicts: &verdicts, page: &plain, status, failed_runs };
    let (text, mut problems) = reports::write(&options.reports, &results, &coloured);
    problems.extend(kept);
    if let Some(path) = &options.save_baseline
        && let Err(error) = Baseline::of(&Times::of(seen)).write(path)
    {
        problems.push(format!("--save-baseline {}: {}", path.display(), reason(&error)));
    }
    Ok(Tested { text, status, problems })
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
