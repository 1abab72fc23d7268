//! Whose files are in /dev/shm. Programs close them once they are mapped, and may make them at any time: only while
//! the server is seen to hold one is it certain that the file is the server's.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::os::inspect;

pub(super) const DIRECTORY: &str = "/dev/shm/";
/// The time between two searches for new files.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a new file is searched for among the server's: it may be another program's, and a search is expensive.
const LOOKS: u32 = 20;

/// Watches which of these files the processes below another one hold, from the start to the end.
#[derive(Default)]
pub(super) struct Watch {
    seen: Arc<Mutex<HashSet<PathBuf>>>,
    is_over: Arc<AtomicBool>,
}

impl Watch {
    /// Watches all files that were not there before. It has a thread of its own: reading the memory maps of a process
    /// may take for ever.
    pub(super) fn start(above: i32, before: HashSet<PathBuf>, list: fn() -> Vec<PathBuf>) -> Self {
        let watch = Self::default();
        let (seen, is_over) = (watch.seen.clone(), watch.is_over.clone());
        spawn_blocking(move || {
            let mut looks: HashMap<PathBuf, u32> = before.into_iter().map(|path| (path, LOOKS)).collect();
            while !is_over.load(Ordering::Relaxed) {
                if is_any_new(list(), &mut looks) {
                    let pids: Vec<i32> = inspect::tree(above).iter().map(|stat| stat.pid).collect();
                    let found = held(&pids);
                    seen.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
                }
                std::thread::sleep(PAUSE);
            }
        });
        watch
    }

    /// The files that they were seen to hold.
    pub(super) fn seen(&self) -> HashSet<PathBuf> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Whether there is a file that was not searched for often enough.
fn is_any_new(there: Vec<PathBuf>, looks: &mut HashMap<PathBuf, u32>) -> bool {
    let mut is_any = false;
    for path in there {
        let looks = looks.entry(path).or_default();
        is_any |= *looks < LOOKS;
        *looks = looks.saturating_add(1);
    }
    is_any
}

/// The shared memory that these processes have open or mapped. In this order: it is opened first, then mapped.
fn held(pids: &[i32]) -> HashSet<PathBuf> {
    let mut held = inspect::open_files(pids);
    held.retain(|path| path.starts_with(DIRECTORY));
    held.extend(inspect::mapped_files(pids, DIRECTORY));
    held
}

/// The same; none if it can't be seen in time.
pub(super) async fn held_within(pids: Vec<i32>, patience: Duration) -> Option<HashSet<PathBuf>> {
    let look = spawn_blocking(move || held(&pids));
    tokio::time::timeout(patience, look).await.ok()?.ok()
}
