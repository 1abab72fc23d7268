//! The descendants of a process: from the kernel's lists of children if it has them, else from the parent of
//! every process.

use std::collections::{HashMap, HashSet, VecDeque};

use super::foreign::Foreign;
use super::procfs::{self, Stat};
use super::{pid_scan, reap};

/// At most this many times a walk checks for processes that lost their parents during it.
const ROUNDS_MAX: usize = 4;
/// With more threads than this, finding a process's children takes long: they are listed by thread.
const THREADS_FEW: u32 = 64;

/// Processes below us before the workload starts. As PID 1 every process counts as the workload's.
pub(crate) fn already_below() -> Foreign {
    let own_pid = std::process::id().cast_signed();
    if own_pid == 1 || !reap::reap_earlier_children() {
        return Foreign::default();
    }
    if !procfs::is_ours() {
        return Foreign::of(pid_scan::all().into_iter().map(|pid| (pid, None)));
    }
    let mut found = Vec::new();
    walk(own_pid, &Foreign::default(), &|| true, |stat| found.push((stat.pid, Some(stat.start_ticks))));
    Foreign::of(found)
}

/// Visits every process below `ancestor`, parents first, except the `foreign` ones and their descendants,
/// while there is time. Each is visited as soon as it is found, so that a process that the visit kills stops
/// forking. A list of children can miss a process while others exit: callers that must not miss any walk
/// again. Our own zombies that ended by themselves are left out: a fork storm leaves more of them than there
/// is time for.
pub(in crate::os) fn walk(
    ancestor: i32,
    foreign: &Foreign,
    has_time: &dyn Fn() -> bool,
    mut visit: impl FnMut(&Stat),
) {
    let own = procfs::stat(ancestor);
    let own_children = || own.as_ref().and_then(|own| procfs::children(own, has_time));
    let Some(children) = own_children() else { return scan(ancestor, foreign, has_time, visit) };
    let below = |parent: i32, pids: Vec<i32>| pids.into_iter().map(move |pid| (parent, pid));
    let mut seen = HashSet::new();
    let mut next: Vec<(i32, i32)> = below(ancestor, children).collect();
    for _ in 0..ROUNDS_MAX {
        while let Some((parent, pid)) = next.pop().filter(|_| has_time()) {
            if parent == ancestor && reap::ended_by_itself(pid) {
                continue;
            }
            // Between the list and this read an id can be reused by a stranger; a child's parent is known.
            let stat = procfs::stat(pid).filter(|stat| [parent, ancestor].contains(&stat.parent));
            let stat = stat.filter(|_| seen.insert(pid)).filter(|stat| !foreign.contains(stat));
            let Some(stat) = stat else { continue };
            let is_wide = stat.threads > THREADS_FEW;
            if is_wide {
                visit(&stat);
            }
            next.extend(below(pid, procfs::children(&stat, has_time).unwrap_or_default()));
            if !is_wide {
                visit(&stat);
            }
        }
        // A process that lost its parent meanwhile has become the ancestor's child.
        next.extend(below(ancestor, own_children().unwrap_or_default()));
        next.retain(|(_, pid)| !seen.contains(pid) && !reap::ended_by_itself(*pid));
        if next.is_empty() {
            break;
        }
    }
}

/// Visits this child of `ancestor` first and then the nearest descendants, while there is time, until the
/// visitor returns false. Returns how many were found and not visited. For a quick look at some of them.
pub(in crate::os) fn nearest(
    ancestor: i32,
    first: i32,
    foreign: &Foreign,
    has_time: &dyn Fn() -> bool,
    mut visit: impl FnMut(&Stat) -> bool,
) -> usize {
    let mut next = VecDeque::from([(ancestor, first)]);
    let mut known = HashSet::from([first]);
    let mut add = |next: &mut VecDeque<(i32, i32)>, parent: i32, pids: Option<Vec<i32>>| {
        let pids = pids.unwrap_or_default().into_iter();
        next.extend(pids.filter(|pid| !foreign.has_id(*pid) && known.insert(*pid)).map(|pid| (parent, pid)));
    };
    if let Some(own) = procfs::stat(ancestor) {
        add(&mut next, ancestor, procfs::children(&own, has_time));
    }
    while has_time()
        && let Some((parent, pid)) = next.pop_front()
    {
        let Some(stat) = procfs::stat(pid).filter(|stat| [parent, ancestor].contains(&stat.parent)) else {
            continue;
        };
        // Most children belong to the first thread: they are counted even if the visit takes all the time.
        add(&mut next, pid, procfs::children_of_first_thread(pid, has_time));
        let goes_on = visit(&stat);
        if stat.threads > 1 {
            add(&mut next, pid, procfs::children(&stat, has_time));
        }
        if !goes_on {
            break;
        }
    }
    next.len()
}

/// Like [`walk`], from the parents of all processes, for kernels without lists of children.
fn scan(ancestor: i32, foreign: &Foreign, has_time: &dyn Fn() -> bool, mut visit: impl FnMut(&Stat)) {
    let mut by_parent: HashMap<i32, Vec<Stat>> = HashMap::new();
    let all = procfs::all_pids().unwrap_or_default().into_iter().take_while(|_| has_time());
    for stat in all.filter_map(procfs::stat) {
        by_parent.entry(stat.parent).or_default().push(stat);
    }
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        let children = by_parent.remove(&parent).unwrap_or_default();
        for stat in children.iter().filter(|stat| !foreign.contains(stat)) {
            parents.push(stat.pid);
            visit(stat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn both_ways_find_the_same_descendants() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & first=$!; sleep 60 & echo; read line; kill $first $!"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut ready = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().expect("piped"), &mut ready).expect("a line");
        let pid = shell.id().cast_signed();
        let (mut walked, mut scanned) = (HashSet::new(), HashSet::new());
        let (none, has_time) = (Foreign::default(), &|| true);
        walk(pid, &none, has_time, |stat| {
            walked.insert(stat.pid);
        });
        scan(pid, &none, has_time, |stat| {
            scanned.insert(stat.pid);
        });
        assert_eq!(walked.len(), 2);
        assert_eq!(walked, scanned);
        drop(shell.stdin.take());
        shell.wait().expect("its end");
    }
}
