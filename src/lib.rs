//! winddown runs one workload and enforces a time limit on its shutdown.
//!
//! - [`cli`] turns the command line and the environment into plain values.
//! - [`lifecycle`] decides: a pure state machine, events in, effects out.
//! - [`os`] does: processes, signals, descriptors, the terminal.
//! - [`guard`] watches over it from a second process.
//! - `statistics` says what a number of runs can show.
//! - [`supervise`] is the loop between the two.
//! - [`observe`] tells: the log and the record.
//! - [`notify`] reads what the workload says by `sd_notify`.
//! - [`offer`] is what the workload is given to take part in its stop.
//! - [`postmortem`] says why a workload did not stop.
//! - `report` tells the story of recorded runs.
//! - [`start`] puts a run together.
//! - `check` tests how a server shuts down.
//! - [`token`] is the workload's view of a stop.
//!
//! `docs/architecture.md` has the bird's-eye view and the invariants.

#[cfg(feature = "check")]
pub mod check;
pub mod cli;
pub mod guard;
pub mod lifecycle;
pub mod notify;
pub mod observe;
pub mod offer;
pub mod os;
pub mod postmortem;
#[cfg(feature = "report")]
pub mod report;
pub mod start;
#[cfg(any(feature = "check", feature = "report"))]
pub mod statistics;
pub mod supervise;
pub mod token;
