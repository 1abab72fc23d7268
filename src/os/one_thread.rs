//! Proof that this process has a single thread, which owns everything of ours. Code that forks and continues,
//! closes every descriptor it does not know, or overwrites the arguments requires it.

use std::marker::PhantomData;

/// Made once, before anything else, and can't be sent to another thread. `check`, which has several threads,
/// never gets it.
#[derive(Clone, Copy, Debug)]
pub struct OneThread(PhantomData<*const ()>);

impl OneThread {
    /// For `main` only, which passes it to the main job.
    ///
    /// # Panics
    /// In a debug build, if there is a second thread.
    #[must_use]
    pub fn at_start() -> Self {
        let count = || std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        debug_assert_eq!(count(), 1, "there is a second thread");
        Self(PhantomData)
    }
}
