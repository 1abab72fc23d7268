//! Signals: those that come to this process, and those that it sends.

pub(crate) mod queue;
pub mod receive;
pub(crate) mod send;
pub(crate) mod wake;
