//! Takes snapshots of the tree during a stop. Reads only files that can't block (stat, status, syscall,
//! wchan, links of descriptors), never a command line, a memory map or an environment, which need a lock that
//! a hanging process may hold. The time is limited, too.

use std::io;

use super::process::procfs::Stat;
use super::process::tree::Tree;
use super::reason;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::postmortem::look::{Hex, Look, Moment};

mod calls;
mod files;
pub(in crate::os) mod lines;
mod locks;
mod process;
pub(in crate::os) mod sockets;
mod threads;

pub(in crate::os) use files::socket_inode;

/// At most this many processes are read; the others are counted.
const PROCESSES_MAX: usize = 32;

/// More than a snapshot, or what is made from it, can take.
const BYTES_MAX: usize = 4 << 20;

/// Whether there is memory for a snapshot: without it the allocator would abort this process.
pub(crate) fn has_room() -> bool {
    Vec::<u8>::new().try_reserve_exact(BYTES_MAX).is_ok()
}

/// How many connections these processes have with others; nothing if time runs out before all are counted, or
/// we may not know.
pub(crate) fn connections(pids: &[i32], has_time: &dyn Fn() -> bool) -> Option<usize> {
    files::connections(pids, has_time)
}

/// Takes a snapshot of the workload while there is time, the main process first. Sockets that there is no
/// time to look up are taken from an earlier snapshot.
pub(crate) fn look(
    tree: &Tree,
    moment: Moment,
    at_ms: f64,
    earlier: Option<&Look>,
    is_near_kill: bool,
    has_time: &dyn Fn() -> bool,
) -> Look {
    let mut look = Look { at_ms, moment, processes: Vec::new(), left_out: 0 };
    look.left_out = tree.visit_nearest(has_time, |stat: &Stat| {
        let asked_with = tree.asked_with(stat).map(Signal::name);
        look.processes.extend(process::see(stat, asked_with, has_time));
        look.processes.len() < PROCESSES_MAX && has_time()
    });
    if moment == Moment::Before && !has_time() {
        // A process that was not read may have existed: it must not be mistaken for one that began later.
        look.left_out = look.left_out.max(1);
    }
    if is_near_kill || moment == Moment::Before {
        locks::take_from(earlier, &mut look);
    } else {
        locks::complete(&mut look, has_time);
    }
    files::complete(&mut look, earlier, has_time);
    look
}

fn hex(signals: Option<SignalSet>) -> Hex {
    Hex(signals.unwrap_or_default().bits())
}

/// Once per file, not per thread.
fn note(unreadable: &mut Vec<String>, name: &str, error: &io::Error) {
    let text = format!("{name}: {}", reason(error));
    if error.raw_os_error() != Some(libc::ESRCH) && !unreadable.contains(&text) {
        unreadable.push(text);
    }
}

/// Runs every parser of snapshots.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse_any(text: &str) {
    calls::call(text);
    files::socket_inode(text);
    locks::find(&std::collections::HashSet::from([1]), |visit| _ = text.lines().all(visit));
    sockets::parse_any(text);
}
