//! Who is below a process: by the lists of children where the kernel has them, else by everybody's parent.

use std::collections::{HashMap, HashSet};

use super::procfs::{self, Stat};

/// So often one walk looks for those who lost their parents during it.
const ROUNDS_MAX: usize = 4;

/// Everybody below `ancestor`, parents first, without the processes in `except` and what is below
/// them. A list of children can miss one while others exit: whoever must not be missed looks again.
#[must_use]
pub(super) fn descendants_of(ancestor: i32, except: &HashSet<i32>) -> Vec<Stat> {
    let own = procfs::stat(ancestor);
    let own_children = || own.as_ref().and_then(procfs::children);
    let Some(children) = own_children() else { return scan(ancestor, except) };
    let below = |parent: i32, pids: Vec<i32>| pids.into_iter().map(move |pid| (parent, pid));
    let mut found = Vec::new();
    let mut seen = except.clone();
    let mut next: Vec<(i32, i32)> = below(ancestor, children).collect();
    for _ in 0..ROUNDS_MAX {
        while let Some((parent, pid)) = next.pop() {
            // Between list and look an id can have become a stranger's; a child's parent is known.
            let stat = procfs::stat(pid).filter(|stat| [parent, ancestor].contains(&stat.parent));
            if let Some(stat) = stat.filter(|_| seen.insert(pid)) {
                next.extend(below(pid, procfs::children(&stat).unwrap_or_default()));
                found.push(stat);
            }
        }
        // Whoever lost its parent meanwhile has become the ancestor's own child.
        next.extend(below(ancestor, own_children().unwrap_or_default()));
        next.retain(|(_, pid)| !seen.contains(pid));
        if next.is_empty() {
            break;
        }
    }
    found
}

/// The same from the parents of all processes there are, for kernels without lists of children.
fn scan(ancestor: i32, except: &HashSet<i32>) -> Vec<Stat> {
    let mut by_parent: HashMap<i32, Vec<Stat>> = HashMap::new();
    for stat in procfs::all_pids().unwrap_or_default().into_iter().filter_map(procfs::stat) {
        by_parent.entry(stat.parent).or_default().push(stat);
    }
    let mut found = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        let children = by_parent.remove(&parent).unwrap_or_default();
        for stat in children.into_iter().filter(|stat| !except.contains(&stat.pid)) {
            parents.push(stat.pid);
            found.push(stat);
        }
    }
    found
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
        let pids = |list: Vec<Stat>| list.iter().map(|stat| stat.pid).collect::<HashSet<i32>>();
        let walked = pids(descendants_of(pid, &HashSet::new()));
        assert_eq!(walked.len(), 2);
        assert_eq!(walked, pids(scan(pid, &HashSet::new())));
        drop(shell.stdin.take());
        shell.wait().expect("its end");
    }
}
