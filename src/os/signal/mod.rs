//! Signals: those that come to this process, and those that it sends.

pub mod receive;
pub(crate) mod send;
pub(crate) mod wake;
