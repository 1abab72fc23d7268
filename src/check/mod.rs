//! `winddown check`: starts a server under the main job, stops it, and judges how it stopped.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::cli::UsageError;
use crate::lifecycle::exit::WINDDOWN_FAILED;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log;
use crate::os::beside::beside;
use crate::os::clock::Clock;
use crate::os::{inbox, reason};
use baseline::Baseline;
use job::Jobs;
use observed::Seen;
use options::{Options, Request};
use reports::Results;
use statistics::Times;

mod allow;
mod baseline;
pub mod catalogue;
mod files;
mod hold;
mod job;
mod judge;
mod load;
mod messages;
mod namespace;
mod observed;
pub mod options;
mod output;
mod page;
mod play;
mod port;
mod probe;
mod progress;
mod ready;
mod record;
mod reports;
mod run;
mod started;
mod statistics;
mod stdin;
mod strip;
mod time;
mod verdict;

const STDOUT: i32 = 1;

/// After an interrupt everything is cleaned up by then.
const CLEAN_UP_MOST: Duration = Duration::from_secs(5);

/// Why nothing was tested.
#[derive(Debug)]
pub struct Refusal {
    /// In one line.
    pub why: String,
    /// The exit status for it.
    pub status: u8,
}

impl From<UsageError> for Refusal {
    fn from(error: UsageError) -> Self {
        Self { why: error.to_string(), status: WINDDOWN_FAILED }
    }
}

/// What is to be printed, and the exit status.
///
/// # Errors
/// When the words can't be understood, or nothing could be started.
pub fn run(words: &[OsString], clock: Clock) -> Result<(String, u8), Refusal> {
    inbox::set_ignored(Signal::CHLD, false);
    let options = match options::parse(words)? {
        Request::Check(options) => options,
        Request::Print(text) => return Ok((text, 0)),
    };
    let (interrupt, mut interrupts) = mpsc::unbounded_channel();
    let test = || {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
        let result = runtime.block_on(whole(&options, &mut interrupts, clock));
        // Does not wait for threads of helpers that hang.
        runtime.shutdown_background();
        result
    };
    let interrupting: SignalSet =
        [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT].into_iter().collect();
    let on_signal = |signal| interrupt.send(signal).unwrap_or_default();
    beside("probes", interrupting, test, on_signal).map_err(|error| failed(&error))?
}

fn failed(error: &io::Error) -> Refusal {
    Refusal { why: format!("check: cannot start: {}", reason(error)), status: WINDDOWN_FAILED }
}

/// The whole test, or its end by a signal.
async fn whole(
    options: &Options,
    interrupts: &mut mpsc::UnboundedReceiver<Signal>,
    clock: Clock,
) -> Result<(String, u8), Refusal> {
    let jobs = Jobs::default();
    let signal = tokio::select! {
        seen = play::play(options, &jobs, clock) => return told(options, &seen.map_err(|error| failed(&error))?),
        signal = interrupts.recv() => signal.unwrap_or(Signal::TERM),
    };
    let _ = tokio::time::timeout(CLEAN_UP_MOST, jobs.end_all()).await;
    Ok((format!("interrupted by {signal}: everything was ended, nothing was judged\n"), signal.exit_status()))
}

fn told(options: &Options, seen: &Seen) -> Result<(String, u8), Refusal> {
    if let Some((status, why)) = judge::not_run(&seen.plain) {
        return Err(Refusal { why: why.to_owned(), status });
    }
    let verdicts = judge::judge(options, seen);
    let status = verdict::status(&verdicts);
    let plain = page::page(options, seen, &verdicts, false);
    let coloured = page::page(options, seen, &verdicts, log::may_colour(STDOUT));
    let results = Results { options, seen, verdicts: &verdicts, page: &plain, status };
    let (mut text, mut problems) = reports::write(&options.reports, &results, &coloured);
    if let Some(path) = &options.save_baseline
        && let Err(error) = Baseline::of(&Times::of(seen)).write(path)
    {
        problems.push(format!("--save-baseline {}: {}", path.display(), reason(&error)));
    }
    text.extend(problems.iter().map(|problem| format!("cannot write: {problem}\n")));
    Ok((text, if problems.is_empty() { status } else { WINDDOWN_FAILED }))
}
