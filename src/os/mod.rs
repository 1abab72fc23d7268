//! The kernel's side: the only home of process ids, descriptors and `unsafe`.

use std::io;

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

/// The kernel's reason in its words, without the number that Rust adds to them.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}
