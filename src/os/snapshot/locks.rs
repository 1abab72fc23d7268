//! The holders of file locks that processes wait for, from /proc/locks.

use std::collections::{HashMap, HashSet};

use super::lines;
use crate::postmortem::look::{Holder, Look, SeenProcess, Thread};

/// Names the holders from an earlier snapshot. The kernel makes a reader of the locks wait until no CPU is
/// changing any: close to SIGKILL there is no time for that.
pub(super) fn take_from(earlier: Option<&Look>, look: &mut Look) {
    let threads = || earlier.into_iter().flat_map(|look| &look.processes).flat_map(|seen| &seen.threads);
    for thread in
        look.processes.iter_mut().flat_map(|seen| &mut seen.threads).filter(|thread| may_wait(thread))
    {
        let before = threads().find(|before| before.tid == thread.tid && before.call == thread.call);
        thread.lock_holder = before.and_then(|before| before.lock_holder.clone());
    }
}

/// Names the holders of the locks that a snapshot's threads wait for: in one pass, since the file lists all
/// locks of the machine.
pub(super) fn complete(look: &mut Look, has_time: &dyn Fn() -> bool) {
    let is_waiting = |seen: &&SeenProcess| seen.threads.iter().any(may_wait);
    let waiting = look.processes.iter().filter(is_waiting).map(|seen| seen.pid).collect();
    let holders = find(&waiting, |visit| _ = lines::visit("/proc/locks", has_time, visit));
    for seen in &mut look.processes {
        let Some(pid) = holders.get(&seen.pid).copied() else { continue };
        let holder = Holder { pid, name: crate::os::process::procfs::name(pid) };
        for thread in seen.threads.iter_mut().filter(|thread| may_wait(thread)) {
            thread.lock_holder = Some(holder.clone());
        }
    }
}

fn may_wait(thread: &Thread) -> bool {
    thread.call.as_ref().is_some_and(|call| ["flock", "fcntl"].contains(&call.name.as_str()))
}

/// The holder for each of these processes. Waiters follow the lock that they wait for, marked with an arrow:
///
/// ```text
/// 3: FLOCK  ADVISORY  WRITE 4711 fe:00:753923 0 EOF
/// 3: -> FLOCK  ADVISORY  WRITE 4720 fe:00:753923 0 EOF
/// ```
pub(super) fn find(
    waiting: &HashSet<i32>,
    visit_lines: impl FnOnce(&mut dyn FnMut(&str) -> bool),
) -> HashMap<i32, i32> {
    let (mut holder, mut left, mut found) = (None, waiting.clone(), HashMap::new());
    if left.is_empty() {
        return found;
    }
    visit_lines(&mut |line| {
        let mut words = line.split_ascii_whitespace().skip(1).peekable();
        let waits = words.next_if_eq(&"->").is_some();
        let owner = words.nth(3).and_then(|word| word.parse::<i32>().ok());
        if !waits {
            holder = owner;
        } else if let Some(waiter) = owner.filter(|owner| left.remove(owner)) {
            // A lock of an open file, or one held from another PID namespace, has no process to name.
            found.extend(holder.filter(|pid| *pid > 0).map(|holder| (waiter, holder)));
        }
        !left.is_empty()
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_the_one_above() {
        let text = "1: POSIX  ADVISORY  WRITE 1425 fe:00:753923 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 4711 fe:00:753938 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 4720 fe:00:753938 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 4721 fe:00:753938 0 EOF\n\
                    3: OFDLCK ADVISORY  WRITE -1 fe:00:753939 0 EOF\n\
                    3: -> POSIX  ADVISORY  WRITE 4722 fe:00:753939 0 EOF\n";
        let visit_lines = |visit: &mut dyn FnMut(&str) -> bool| _ = text.lines().all(visit);
        let found = find(&HashSet::from([4720, 4721, 4722, 1425]), visit_lines);
        assert_eq!(found, HashMap::from([(4720, 4711), (4721, 4711)]));
    }

    #[test]
    fn who_waits_for_nothing_has_nothing_read() {
        assert!(find(&HashSet::new(), |_| panic!("read")).is_empty());
    }
}
