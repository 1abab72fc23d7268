//! `winddown check`: starts a server under the main job, stops it, and judges how it stopped.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::cli::UsageError;
use crate::lifecycle::exit::WINDDOWN_FAILED;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::clock::Clock;
use crate::os::{inbox, reason};
use catalogue::Scenario;
use job::Jobs;
use observed::Seen;
use options::{Options, Request};

mod allow;
pub mod catalogue;
mod files;
mod hold;
mod job;
mod judge;
mod load;
mod namespace;
mod observed;
pub mod options;
mod output;
mod page;
mod probe;
mod ready;
mod record;
mod run;
mod strip;
mod verdict;

/// After an interrupt everything is cleaned up by then.
const CLEAN_UP_MOST: Duration = Duration::from_secs(5);

/// Moments of a start at which it is asked to stop.
const STARTUP_DELAYS_MS: [u64; 6] = [0, 5, 20, 50, 100, 250];

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
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let result = runtime.block_on(whole(&options, clock));
    // Does not wait for threads of helpers that hang.
    runtime.shutdown_background();
    result
}

fn failed(error: &io::Error) -> Refusal {
    Refusal { why: format!("check: cannot start: {}", reason(error)), status: WINDDOWN_FAILED }
}

/// The whole test, or its end by a signal.
async fn whole(options: &Options, clock: Clock) -> Result<(String, u8), Refusal> {
    let jobs = Jobs::default();
    let mut interrupts = interrupts();
    let signal = tokio::select! {
        seen = play(options, &jobs, clock) => return told(options, &seen.map_err(|error| failed(&error))?),
        signal = interrupts.recv() => signal.unwrap_or(Signal::TERM),
    };
    let _ = tokio::time::timeout(CLEAN_UP_MOST, jobs.end_all()).await;
    Ok((format!("interrupted by {signal}: everything was ended, nothing was judged\n"), signal.exit_status()))
}

/// Every scenario that a check needs, the plain one first.
async fn play(options: &Options, jobs: &Jobs, clock: Clock) -> io::Result<Seen> {
    let plain = run::run(options, Scenario::Plain, jobs, clock).await?;
    let is_worth_more = plain.is_ready();
    let mut seen = Seen { plain, others: Vec::new() };
    let mut scenarios: Vec<Scenario> = options.checks.iter().map(|check| check.scenario).collect();
    scenarios.dedup();
    for scenario in scenarios.into_iter().filter(|scenario| is_worth_more && *scenario != Scenario::Plain) {
        if scenario == Scenario::Startup {
            for delay in STARTUP_DELAYS_MS.map(Duration::from_millis) {
                seen.others.push((scenario, run::early(options, delay, jobs, clock).await?));
            }
        } else {
            seen.others.push((scenario, run::run(options, scenario, jobs, clock).await?));
        }
    }
    Ok(seen)
}

fn told(options: &Options, seen: &Seen) -> Result<(String, u8), Refusal> {
    if let Some((status, why)) = judge::not_run(&seen.plain) {
        return Err(Refusal { why: why.to_owned(), status });
    }
    let verdicts = judge::judge(options, seen);
    let page = page::page(options, seen, &verdicts, io::stdout().is_terminal());
    Ok((page, verdict::status(&verdicts)))
}

/// The signals that end a test, taken by a thread of their own.
fn interrupts() -> mpsc::UnboundedReceiver<Signal> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let wanted: SignalSet = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT].into_iter().collect();
    tokio::task::spawn_blocking(move || {
        while !sender.is_closed() {
            let taken = inbox::take(wanted, None);
            if let Some(delivery) = taken {
                let _ = sender.send(delivery.signal);
            }
        }
    });
    receiver
}
