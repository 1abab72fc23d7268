//! The machine as a whole.

use std::fs;
use std::num::NonZero;
use std::thread;

/// How many CPUs this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// The release of the kernel, such as `6.1.0-18-amd64`, where /proc can be read.
pub(crate) fn kernel() -> Option<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(release.trim().to_owned())
}
