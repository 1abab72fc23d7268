//! winddown runs one workload and enforces a time limit on its shutdown.
//!
//! - [`cli`] turns the command line and the environment into plain values.
//! - [`lifecycle`] decides: a pure state machine, events in, effects out.
//! - [`os`] acts: processes, signals, descriptors, the terminal.
//! - `guard` watches over a run from a second process.
//! - `statistics` computes what a number of runs can show.
//! - `supervise` is the loop between `lifecycle` and `os`.
//! - [`observe`] reports: the log and the live line.
//! - [`notify`] parses the workload's `sd_notify` messages.
//! - `workload_env` is what the workload gets to take part in its stop.
//! - [`postmortem`] explains why a workload did not stop.
//! - `report` shows recorded runs.
//! - `fuzzing` has the fuzz targets.
//! - `completions` makes scripts for shells.
//! - [`commands`] chooses the command; `run` puts a run together.
//! - `platform` knows who signals every process.
//! - `check` tests how a server shuts down.
//! - [`text`] has parts of what people read: durations, counts, colours.
//! - [`token`] is the workload's view of a stop.
//!
//! `docs/architecture.md` has the bird's-eye view and the invariants.

#[cfg(feature = "check")]
pub mod check;
pub mod cli;
pub mod commands;
#[cfg(feature = "completions")]
pub mod completions;
pub mod fact;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub(crate) mod guard;
pub mod lifecycle;
pub mod notify;
pub mod observe;
pub mod os;
pub(crate) mod platform;
pub mod postmortem;
pub(crate) mod ready;
pub mod record;
#[cfg(feature = "report")]
pub mod report;
pub(crate) mod run;
#[cfg(any(feature = "check", feature = "report"))]
pub mod statistics;
pub(crate) mod supervise;
pub mod text;
pub mod token;
pub(crate) mod workload_env;
