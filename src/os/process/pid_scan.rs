//! Finds our children where /proc does not list them: for each id, `waitid` says whether it is a child's.
//!
//! An id takes a third of a microsecond. The kernel hands out ids in order and starts again after the last,
//! so the ids after the main process's are tried first.

use std::cell::Cell;

use super::reap;

/// This many ids after the main process's, and from the start, are tried each time: all of them if `pid_max`
/// has its usual value.
const NEAR: i32 = 1 << 15;
/// This many of the other ids are tried in one pass; twenty passes try them all.
const SLICE: i32 = 1 << 18;
/// The kernel's own limit (`PID_MAX_LIMIT` on 64 bit).
const LAST: i32 = 1 << 22;

/// Which ids to try.
#[derive(Debug)]
pub(crate) struct Search {
    main: i32,
    next: Cell<i32>,
}

impl Search {
    /// A search for children created after this one.
    pub(crate) const fn new(main: i32) -> Self {
        Self { main, next: Cell::new(NEAR) }
    }

    /// Likely ids of living children, one at a time. Signal each as soon as it is found: it may be reaped and
    /// gone by the time the search ends.
    pub(crate) fn near(&self) -> impl Iterator<Item = i32> + use<> {
        living((self.main..self.main.saturating_add(NEAR)).chain(2..NEAR.min(self.main)))
    }

    /// Living children in a slice of the other ids, another slice each time.
    pub(crate) fn far(&self) -> impl Iterator<Item = i32> + use<> {
        let from = self.next.get();
        let to = from + SLICE;
        self.next.set(if to < LAST { to } else { NEAR });
        living(from..to)
    }
}

/// All living children.
pub(crate) fn all() -> Vec<i32> {
    living(2..LAST).collect()
}

fn living(ids: impl Iterator<Item = i32>) -> impl Iterator<Item = i32> {
    ids.filter(|pid| reap::is_living_child(*pid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_is_found_as_long_as_it_lives() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("a child");
        let pid = child.id().cast_signed();
        for main in [pid, pid - 5, 2] {
            let search = Search::new(main);
            let found = search.near().chain((0..LAST / SLICE).flat_map(|_| search.far()));
            assert!(found.into_iter().any(|found| found == pid));
        }
        child.kill().expect("our own child");
        child.wait().expect("its end");
        assert!(Search::new(pid).near().all(|found| found != pid));
    }
}
