//! Work on a thread of its own, while the main thread takes signals.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::inbox;
use crate::lifecycle::signal::{Signal, SignalSet};

/// By it the work tells that it is done. The end of any child sends it, too, and then nothing is done yet.
const DONE: Signal = Signal::CHLD;

/// Does the work on a thread of that name, and tells of each signal that comes meanwhile.
///
/// # Errors
/// When there can be no other thread, or the work has panicked.
pub fn beside<T: Send>(
    name: &str,
    wanted: SignalSet,
    work: impl FnOnce() -> T + Send,
    on_signal: impl Fn(Signal),
) -> io::Result<T> {
    // SAFETY: no preconditions.
    let main = Thread(unsafe { libc::pthread_self() });
    let is_done = &AtomicBool::new(false);
    thread::scope(|scope| {
        let at_work = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, move || {
            let _done = Done { main, is_done };
            work()
        })?;
        let waited_for = wanted.with(DONE);
        while !is_done.load(Ordering::Acquire) {
            if let Some(delivery) = inbox::take(waited_for, None).filter(|delivery| delivery.signal != DONE) {
                on_signal(delivery.signal);
            }
        }
        at_work.join().map_err(|_| io::Error::other("its own thread has failed"))
    })
}

/// A thread that lives as long as the one that holds this.
struct Thread(libc::pthread_t);

// SAFETY: an id is only a number; which thread it names does not depend on who holds it.
unsafe impl Send for Thread {}

/// Also when the work panics, the main thread must not wait for ever.
struct Done<'a> {
    main: Thread,
    is_done: &'a AtomicBool,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Release);
        // SAFETY: the main thread waits for this one, so it is there.
        unsafe { libc::pthread_kill(self.main.0, DONE.number()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_ends_the_wait_even_if_it_panics() {
        let in_time = |work: fn() -> u8| {
            let waiting = thread::spawn(move || {
                let _ = inbox::block_all();
                beside("work", SignalSet::default(), work, |_| {})
            });
            waiting.join().expect("the waiting thread")
        };
        assert_eq!(in_time(|| 7).expect("the work"), 7);
        assert!(in_time(|| panic!("on purpose")).is_err());
    }
}
