//! The connection between the two processes of a guarded run.

pub(crate) mod channel;
pub(crate) mod page;
