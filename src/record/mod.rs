//! The record of a run: its fields, how it is collected, and where it goes.

pub mod collect;
pub(crate) mod schema;
pub mod write;
