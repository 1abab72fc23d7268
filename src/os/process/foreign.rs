//! Processes below us that are not the workload's: those from before it, and our own helpers. They are never
//! asked, killed or waited for.

use std::collections::HashMap;

use super::procfs::{self, Stat};

/// The set of these processes, by id. The start time distinguishes a process from a later one with its id; a
/// child of ours needs none, since its id can't be reused before we reap it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Foreign(HashMap<i32, Option<u64>>);

impl Foreign {
    /// From ids, with start times if known.
    pub(in crate::os) fn of(ids: impl IntoIterator<Item = (i32, Option<u64>)>) -> Self {
        Self(ids.into_iter().collect())
    }

    pub(crate) fn add_child(&mut self, pid: i32) {
        self.0.insert(pid, None);
    }

    /// Notes that a child of ours has been reaped; true if it was in the set.
    pub(crate) fn note_reaped(&mut self, pid: i32) -> bool {
        self.0.remove(&pid).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, stat: &Stat) -> bool {
        self.0.get(&stat.pid).is_some_and(|start| start.is_none_or(|start| start == stat.start_ticks))
    }

    /// Whether the process that now has this id is in the set.
    pub(crate) fn has_id(&self, pid: i32) -> bool {
        match self.0.get(&pid) {
            Some(Some(start)) => procfs::stat(pid).is_none_or(|stat| stat.start_ticks == *start),
            Some(None) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_process_of_the_same_id_is_none_of_them() {
        let own = procfs::stat(std::process::id().cast_signed()).expect("our own");
        let mut foreign = Foreign(HashMap::from([(own.pid, Some(own.start_ticks))]));
        assert!(foreign.contains(&own) && foreign.has_id(own.pid));
        foreign.0.insert(own.pid, Some(own.start_ticks - 1));
        assert!(!foreign.contains(&own) && !foreign.has_id(own.pid));
        foreign.add_child(own.pid);
        assert!(foreign.contains(&own) && foreign.has_id(own.pid));
        assert!(foreign.note_reaped(own.pid) && foreign.is_empty());
    }
}
