//! Who is below a process: by the lists of children where the kernel has them, else by everybody's parent.

use std::collections::{HashMap, HashSet, VecDeque};

use super::procfs::{self, Stat};

/// So often one walk looks for those who lost their parents during it.
const ROUNDS_MAX: usize = 4;

/// Visits everybody below `ancestor`, parents first, but for the processes in `except` and what is
/// below them: each as soon as it is found, so that who is killed by the visit forks no longer. A list
/// of children can miss one while others exit: whoever must not be missed looks again.
pub(super) fn walk(ancestor: i32, except: &HashSet<i32>, mut visit: impl FnMut(&Stat)) {
    let own = procfs::stat(ancestor);
    let own_children = || own.as_ref().and_then(procfs::children);
    let Some(children) = own_children() else { return scan(ancestor, except, visit) };
    let below = |parent: i32, pids: Vec<i32>| pids.into_iter().map(move |pid| (parent, pid));
    let mut seen = except.clone();
    let mut next: Vec<(i32, i32)> = below(ancestor, children).collect();
    for _ in 0..ROUNDS_MAX {
        while let Some((parent, pid)) = next.pop() {
            // Between list and look an id can have become a stranger's; a child's parent is known.
            let stat = procfs::stat(pid).filter(|stat| [parent, ancestor].contains(&stat.parent));
            if let Some(stat) = stat.filter(|_| seen.insert(pid)) {
                next.extend(below(pid, procfs::children(&stat).unwrap_or_default()));
                visit(&stat);
            }
        }
        // Whoever lost its parent meanwhile has become the ancestor's own child.
        next.extend(below(ancestor, own_children().unwrap_or_default()));
        next.retain(|(_, pid)| !seen.contains(pid));
        if next.is_empty() {
            break;
        }
    }
}

/// Visits those nearest below `ancestor` first, and stops when the visit says that it is enough. The answer is
/// how many were seen and not visited. For a look at some of them that must not take long.
pub(super) fn nearest(ancestor: i32, except: &HashSet<i32>, mut visit: impl FnMut(&Stat) -> bool) -> usize {
    let children = |stat: Stat| {
        let pids = procfs::children(&stat).unwrap_or_default();
        pids.into_iter().filter(|pid| !except.contains(pid)).map(move |pid| (stat.pid, pid))
    };
    let mut next: VecDeque<(i32, i32)> = procfs::stat(ancestor).into_iter().flat_map(children).collect();
    while let Some((parent, pid)) = next.pop_front() {
        let Some(stat) = procfs::stat(pid).filter(|stat| [parent, ancestor].contains(&stat.parent)) else {
            continue;
        };
        let goes_on = visit(&stat);
        next.extend(children(stat));
        if !goes_on {
            break;
        }
    }
    next.len()
}

/// The same as [`walk`] from the parents of all processes there are, for kernels without lists of children.
fn scan(ancestor: i32, except: &HashSet<i32>, mut visit: impl FnMut(&Stat)) {
    let mut by_parent: HashMap<i32, Vec<Stat>> = HashMap::new();
    for stat in procfs::all_pids().unwrap_or_default().into_iter().filter_map(procfs::stat) {
        by_parent.entry(stat.parent).or_default().push(stat);
    }
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        let children = by_parent.remove(&parent).unwrap_or_default();
        for stat in children.iter().filter(|stat| !except.contains(&stat.pid)) {
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
            .args(["-c", "sleep 60 & sleep 60 & echo; read line; kill %1 %2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut ready = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().expect("piped"), &mut ready).expect("a line");
        let pid = shell.id().cast_signed();
        let (mut walked, mut scanned) = (HashSet::new(), HashSet::new());
        walk(pid, &HashSet::new(), |stat| {
            walked.insert(stat.pid);
        });
        scan(pid, &HashSet::new(), |stat| {
            scanned.insert(stat.pid);
        });
        assert_eq!(walked.len(), 2);
        assert_eq!(walked, scanned);
        drop(shell.stdin.take());
        shell.wait().expect("its end");
    }
}
