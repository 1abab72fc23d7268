//! Our children where /proc does not tell of them: `waitid` knows of each id whether it is a child's.
//!
//! An id takes a third of a microsecond. The kernel hands ids out in order and begins again after the
//! last, so those after the main process's are tried first.

use std::cell::Cell;

use super::reap;

/// So many ids after the main process's, and so many from the start, are tried each time: all there
/// are where `pid_max` has its usual value.
const NEAR: i32 = 1 << 15;
/// So many of all others are tried in one pass; twenty passes try them all.
const SLICE: i32 = 1 << 18;
/// The kernel's own limit (`PID_MAX_LIMIT` on 64 bit).
const LAST: i32 = 1 << 22;

/// Where to look for children.
#[derive(Debug)]
pub struct Search {
    main: i32,
    next: Cell<i32>,
}

impl Search {
    /// A search for children that were born after this one.
    #[must_use]
    pub const fn new(main: i32) -> Self {
        Self { main, next: Cell::new(NEAR) }
    }

    /// Living children as they are found, where they are likely to be. Whoever wants to signal one
    /// does it at once: an id may be reaped and gone when all have been found.
    pub fn near(&self) -> impl Iterator<Item = i32> + use<> {
        living((self.main..self.main.saturating_add(NEAR)).chain(2..NEAR.min(self.main)))
    }

    /// The same for a slice of the others, another one each time.
    pub fn far(&self) -> impl Iterator<Item = i32> + use<> {
        let from = self.next.get();
        let to = from + SLICE;
        self.next.set(if to < LAST { to } else { NEAR });
        living(from..to)
    }
}

/// Every child there is.
#[must_use]
pub fn all() -> Vec<i32> {
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
