//! The pure middle of winddown: what is to be done, decided from events and the time alone.
//!
//! Nothing in here reads a clock, signals a process or opens a file. That is what lets a test walk
//! every event in every state at every moment.

pub mod event;
pub mod exit;
pub mod machine;
pub mod outcome;
pub mod phase;
pub mod plan;
pub mod signal;
