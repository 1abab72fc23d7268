//! Looks at the tree while it is to stop: only files that can't block (stat, status, syscall, wchan, links
//! of descriptors), never a command line, a memory map or an environment, which wait for a lock that a
//! hanging process may hold. The time is limited, too.

use super::tree::Tree;
use crate::lifecycle::signal::Signal;
use crate::postmortem::look::{Look, Moment};

mod calls;
mod files;
mod locks;
mod process;
mod sockets;

/// So many processes are looked at; the others are counted.
const PROCESSES_MAX: usize = 32;

/// More than a look, or what is made of it, can take.
const BYTES_MAX: usize = 4 << 20;

/// Whether there is memory for a look: without it the allocator would end this process.
#[must_use]
pub fn has_room() -> bool {
    Vec::<u8>::new().try_reserve_exact(BYTES_MAX).is_ok()
}

/// Looks at the workload while there is time for it, at the main process alone before anybody is asked.
#[must_use]
pub fn look(tree: &Tree, moment: Moment, at_ms: f64, has_time: &dyn Fn() -> bool) -> Look {
    let there = if moment == Moment::Before { Vec::from_iter(tree.main_stat()) } else { tree.living() };
    let mut look = Look { at_ms, moment, processes: Vec::new(), left_out: 0 };
    for stat in there {
        if look.processes.len() < PROCESSES_MAX && has_time() {
            let asked_with = tree.asked_with(&stat).map(Signal::name);
            look.processes.extend(process::see(&stat, asked_with, has_time));
        } else {
            look.left_out += 1;
        }
    }
    files::complete(&mut look, has_time);
    look
}
