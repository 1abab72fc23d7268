//! Looks at the tree while it is to stop: only files that can't block (stat, status, syscall, wchan, links
//! of descriptors), never a command line, a memory map or an environment, which wait for a lock that a
//! hanging process may hold. The time is limited, too.

use super::procfs::Stat;
use super::tree::Tree;
use crate::lifecycle::signal::Signal;
use crate::postmortem::look::{Look, Moment};

mod calls;
mod files;
mod locks;
mod process;
pub(super) mod sockets;

#[cfg(feature = "check")]
pub(super) use files::socket_inode;

/// So many processes are looked at; the others are counted.
const PROCESSES_MAX: usize = 32;

/// More than a look, or what is made of it, can take.
const BYTES_MAX: usize = 4 << 20;

/// Whether there is memory for a look: without it the allocator would end this process.
#[must_use]
pub fn has_room() -> bool {
    Vec::<u8>::new().try_reserve_exact(BYTES_MAX).is_ok()
}

/// How many connections these processes have with others; nothing if there is no time to count all of them,
/// or we may not know.
#[must_use]
pub fn connections(pids: &[i32], has_time: &dyn Fn() -> bool) -> Option<usize> {
    files::connections(pids, has_time)
}

/// Looks at the workload while there is time for it, at the main process alone before anybody is asked. A
/// socket that there is no time to look up is taken from an earlier look.
#[must_use]
pub fn look(
    tree: &Tree,
    moment: Moment,
    at_ms: f64,
    earlier: Option<&Look>,
    has_time: &dyn Fn() -> bool,
) -> Look {
    let mut look = Look { at_ms, moment, processes: Vec::new(), left_out: 0 };
    let main = tree.main_stat();
    let mut see = |stat: &Stat| {
        let asked_with = tree.asked_with(stat).map(Signal::name);
        look.processes.extend(process::see(stat, asked_with, has_time));
        look.processes.len() < PROCESSES_MAX && has_time()
    };
    let mut goes_on = main.as_ref().is_none_or(&mut see);
    let is_main = |stat: &Stat| main.as_ref().is_some_and(|main| main.pid == stat.pid);
    if moment != Moment::Before {
        look.left_out = tree.visit_nearest(|stat| {
            goes_on = goes_on && (is_main(stat) || see(stat));
            goes_on
        });
    }
    files::complete(&mut look, earlier, has_time);
    look
}
