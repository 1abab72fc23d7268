//! The runs of a test. In each, the server is started, becomes ready, is asked to stop, and ends; then what is left
//! is listed.

pub(super) mod archive;
mod chatter;
mod files;
pub(super) mod job;
pub(super) mod lanes;
mod load;
mod messages;
mod namespace;
pub(super) mod output;
mod progress;
mod ready;
mod run;
pub(super) mod scenario;
pub(super) mod schedule;
mod shared_memory;
mod started;
pub(super) mod stdin;
mod strangers;
