//! Processes: created, waited for, found and described.

pub(crate) mod cgroup;
pub(crate) mod cpu_limit;
pub(crate) mod descendants;
pub(crate) mod foreign;
pub(in crate::os) mod fork;
pub(crate) mod hook;
pub(crate) mod parent;
pub(crate) mod pid_scan;
pub(crate) mod prober;
pub(crate) mod procfs;
pub(crate) mod reap;
pub(crate) mod shell;
pub(crate) mod spawn;
pub(crate) mod spawn_error;
#[cfg(feature = "check")]
pub(crate) mod subprocess;
pub mod title;
pub(crate) mod tree;
