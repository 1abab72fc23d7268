//! The pure core of winddown: decides what to do, from events and the time alone.
//!
//! Nothing here reads a clock, signals a process or opens a file. So a test can walk every event in every state at
//! every moment.

pub mod cause;
pub mod event;
pub mod exit;
pub mod machine;
pub mod outcome;
pub mod phase;
pub mod plan;
pub mod retry;
pub mod routing;
pub mod signal;
