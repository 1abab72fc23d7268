//! The kernel's side: the only home of process ids, descriptors and `unsafe`.

pub mod by_id;
pub mod clock;
pub mod descriptor;
pub mod environment;
pub mod inbox;
pub mod link;
pub mod procfs;
pub mod reap;
pub mod signalling;
pub mod spawn;
pub mod terminal;
pub mod tree;
