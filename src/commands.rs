//! Executes a command, and turns its result into a text, a message or an exit status.

use std::ffi::OsString;
use std::io::{self, Write};

#[cfg(feature = "check")]
use crate::check;
use crate::cli::{self, Request};
#[cfg(feature = "completions")]
use crate::completions;
use crate::fact::Fact;
use crate::fact::level::Level;
use crate::lifecycle::exit::{Ending, WINDDOWN_FAILED};
use crate::lifecycle::signal::SignalSet;
use crate::observe::log::{Format, Log};
use crate::os::clock::Clock;
use crate::os::one_thread::OneThread;
use crate::os::reason;
use crate::os::signal::receive;
#[cfg(feature = "report")]
use crate::report;
use crate::{run, token};

/// Runs winddown with the signal mask that it was started with, and returns its exit status. Does
/// not return if winddown has to die of the same signal as the main process.
#[must_use]
pub fn main(mask: SignalSet, one_thread: OneThread) -> u8 {
    let clock = Clock::start();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    match cli::parse(&arguments, &variables, run::is_pid_1()) {
        Ok(Request::Run(settings)) => match run::run(&settings, mask, clock, one_thread) {
            Ok(ending) => finish(ending),
            Err(why) => refuse(clock, why),
        },
        Ok(Request::Print(text)) => {
            receive::set_mask(mask);
            print(&text, 0, clock)
        }
        Ok(Request::Token(words)) => {
            receive::set_mask(mask);
            match token::run(&words) {
                Ok((text, status)) => print(&text, status, clock),
                Err(error) => refuse(clock, error.to_string()),
            }
        }
        #[cfg(feature = "report")]
        Ok(Request::Report(words)) => {
            receive::set_mask(mask);
            match report::run(&words) {
                Ok(text) => print(&text, 0, clock),
                Err(error) => refuse(clock, error.to_string()),
            }
        }
        #[cfg(feature = "completions")]
        Ok(Request::Completions(words)) => {
            receive::set_mask(mask);
            match completions::run(&words) {
                Ok(text) => print(&text, 0, clock),
                Err(error) => refuse(clock, error.to_string()),
            }
        }
        #[cfg(feature = "check")]
        Ok(Request::Check(words)) => match check::run(&words, clock) {
            Ok(check::Tested { text, status, problems }) => {
                let printed = print(&text, status, clock);
                problems
                    .into_iter()
                    .fold(printed, |_, problem| refuse(clock, format!("check: cannot write {problem}")))
            }
            Err(refusal) => {
                refuse(clock, refusal.why);
                refusal.status
            }
        },
        Err(error) => refuse(clock, error.to_string()),
    }
}

fn print(text: &str, status: u8, clock: Clock) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => status,
        Err(error) => refuse(clock, format!("cannot write to stdout: {}", reason(&error))),
    }
}

/// Logs why nothing was started.
fn refuse(clock: Clock, why: String) -> u8 {
    let mut log = Log::new(Format::Text, Level::Error, String::new(), clock);
    log.log(clock.now(), &Fact::NotStarted { why });
    WINDDOWN_FAILED
}

fn finish(ending: Ending) -> u8 {
    if let Ending::Die(signal) = ending {
        receive::die_of(signal);
    }
    ending.status()
}
