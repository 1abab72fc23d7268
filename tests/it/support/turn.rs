//! How many tests run at once. Most tests wait most of the time, so as many run as the machine has room for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::lateness::{pressure, processors};

/// The most tests that ever run at once.
const THREADS_PER_PROCESSOR: usize = 4;
/// More tests than processors run only while processes wait for a processor for less than this share of the time.
const ROOM: f64 = 0.4;
/// More than one test runs only below this share.
const LITTLE_ROOM: f64 = 0.9;
/// How long a test takes to show its cost.
const SETTLE: Duration = Duration::from_millis(100);

struct Turns {
    running: usize,
    /// How many tests that must run alone are waiting or running.
    alone: usize,
    last: Option<Instant>,
}

static TURNS: Mutex<Turns> = Mutex::new(Turns { running: 0, alone: 0, last: None });
static CHANGED: Condvar = Condvar::new();

fn turns() -> MutexGuard<'static, Turns> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of threads: as many as tests may run at once.
pub(crate) fn most() -> usize {
    THREADS_PER_PROCESSOR * processors()
}

/// Held by a test while it runs.
pub(crate) struct Turn {
    alone: bool,
}

/// Waits for the turn of a test.
pub(crate) fn take(alone: bool) -> Turn {
    let mut turns = turns();
    turns.alone += usize::from(alone);
    loop {
        if if alone { turns.running == 0 } else { turns.alone == 0 && turns.has_room() } {
            turns.running += 1;
            turns.last = Some(Instant::now());
            return Turn { alone };
        }
        turns = CHANGED.wait_timeout(turns, SETTLE).unwrap_or_else(PoisonError::into_inner).0;
    }
}

impl Turns {
    fn has_room(&self) -> bool {
        if self.running == 0 {
            return true;
        }
        if self.running < processors() {
            return pressure() < LITTLE_ROOM;
        }
        self.last.is_none_or(|last| last.elapsed() >= SETTLE) && pressure() < ROOM
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = turns();
        turns.running -= 1;
        turns.alone -= usize::from(self.alone);
        drop(turns);
        CHANGED.notify_all();
    }
}
