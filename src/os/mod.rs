//! The kernel's side: the only home of process ids, descriptors and `unsafe`.

use std::io;

#[cfg(feature = "check")]
pub mod below;
#[cfg(feature = "check")]
pub mod beside;
pub mod by_id;
pub mod cgroup;
#[cfg(feature = "check")]
pub mod child;
pub mod clock;
pub mod datagram;
mod descent;
pub mod descriptor;
pub mod environment;
mod helper;
pub mod hook;
pub mod inbox;
pub mod link;
pub mod look;
pub mod notify;
pub mod parent;
pub mod procfs;
pub mod reap;
pub mod signalling;
pub mod spawn;
pub mod terminal;
pub mod token;
pub mod tree;
pub mod whole_file;

/// The reason in the C library's words, which users know, without the number that Rust adds to them.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}
