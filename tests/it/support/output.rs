//! The output of a process, collected as it arrives.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// All output so far.
#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

struct Shared {
    source: OwnedFd,
    collected: Mutex<Collected>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The collected output of a pipe or a terminal, with the thread that reads it.
pub(crate) struct Output {
    shared: Arc<Shared>,
    /// Closing this ends the thread.
    stop: Option<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    pub(crate) fn collect(source: OwnedFd) -> Self {
        let (stopped, stop) = std::io::pipe().expect("a pipe");
        let shared = Arc::new(Shared { source, collected: Mutex::default(), changed: Condvar::new() });
        let reading = Arc::clone(&shared);
        let stopped: OwnedFd = stopped.into();
        let reader = std::thread::spawn(move || read_all(&reading, &stopped));
        Self { shared, stop: Some(stop.into()), reader: Some(reader) }
    }

    /// All bytes so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// All text so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().bytes).into_owned()
    }

    /// All complete lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        complete_lines(&self.text())
    }

    /// Waits until `find` finds something in the text; `None` when the time is up or the output ends first.
    pub(crate) fn wait<T>(&self, patience: Duration, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + patience;
        let mut collected = self.shared.lock();
        loop {
            if let Some(found) = find(&String::from_utf8_lossy(&collected.bytes)) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if collected.ended || left.is_zero() {
                return None;
            }
            let woken = self.shared.changed.wait_timeout(collected, left);
            collected = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until everything written before this call is collected. Doesn't wait for the end of the
    /// output: a straggler may hold the pipe open.
    pub(crate) fn catch_up(&self) {
        super::eventually("the output is read", || {
            let collected = self.shared.lock();
            // The thread reads under the lock: when poll finds nothing, everything is collected.
            collected.ended || !can_read(&self.shared)
        });
    }

    /// The descriptor, for system calls on a terminal.
    pub(crate) fn source(&self) -> &OwnedFd {
        &self.shared.source
    }

    /// Ends the reader and closes the descriptor; returns the text.
    pub(crate) fn close(mut self) -> String {
        self.end_reader();
        self.text()
    }

    fn end_reader(&mut self) {
        self.stop = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.end_reader();
    }
}

/// Complete lines, without the carriage returns of a terminal.
pub(crate) fn complete_lines(text: &str) -> Vec<String> {
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = complete.split('\n').filter(|_| text.contains('\n'));
    lines.map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

/// What follows `NAME ` in the first line that begins with it.
pub(crate) fn fact(text: &str, name: &str) -> Option<String> {
    complete_lines(text).into_iter().find_map(|line| {
        let value = line.strip_prefix(name)?;
        if value.is_empty() { Some(String::new()) } else { value.strip_prefix(' ').map(Into::into) }
    })
}

fn can_read(shared: &Shared) -> bool {
    let mut source = [PollFd::new(shared.source.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut source, PollTimeout::ZERO), Ok(1..))
}

fn read_all(shared: &Shared, stopped: &OwnedFd) {
    let mut buffer = vec![0; 65536];
    loop {
        let mut both = [
            PollFd::new(shared.source.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut both, PollTimeout::NONE).is_err() {
            continue;
        }
        if both[1].any().unwrap_or(true) {
            return;
        }
        let mut collected = shared.lock();
        match nix::unistd::read(&shared.source, &mut buffer) {
            Ok(count) if count > 0 => collected.bytes.extend_from_slice(&buffer[..count]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // EIO: no process has the terminal open any more.
            _ => collected.ended = true,
        }
        let ended = collected.ended;
        drop(collected);
        shared.changed.notify_all();
        if ended {
            return;
        }
    }
}
