//! The threads of a process: its first thread, and the youngest of the others. These do the work that is new
//! in a stop.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::IntoRawFd;

use super::calls;
use super::{hex, note};
use crate::os::process::procfs::{Directory, Status};
use crate::postmortem::look::{SeenProcess, Thread};

/// At most this many threads of a process are read; the others are counted.
const THREADS_MAX: usize = 64;

/// Reads the threads while there is time, the youngest first; lists them in the order in which they began.
pub(super) fn see(seen: &mut SeenProcess, has_time: &dyn Fn() -> bool) {
    let mut tids = youngest(seen.pid, seen.thread_count, THREADS_MAX - 1);
    tids.retain(|tid| *tid != seen.pid);
    for tid in [seen.pid].into_iter().chain(tids.into_iter().rev()) {
        if !has_time() {
            break;
        }
        let Some(directory) = Directory::open_thread(seen.pid, tid) else { continue };
        seen.threads.extend(see_one(&directory, tid, &mut seen.unreadable));
    }
    if let [_, younger @ ..] = &mut seen.threads[..] {
        younger.reverse();
    }
    let waited = seen.threads.iter().filter_map(|thread| thread.starved_ms);
    seen.starved_ms = waited.reduce(u64::saturating_add);
}

fn see_one(directory: &Directory, tid: i32, unreadable: &mut Vec<String>) -> Option<Thread> {
    let stat = directory.stat()?;
    let status = directory.read("status").unwrap_or_default();
    let status = Status::parse(&status);
    let count = |field| status.field(field)?.parse::<u64>().ok();
    let mut read = |name: &str| directory.read(name).map_err(|error| note(unreadable, name, &error)).ok();
    // The second number is the time on a CPU's queue, in nanoseconds.
    let waited_ns = directory.read("schedstat").ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
    Some(Thread {
        tid,
        name: stat.name,
        state: stat.state,
        blocked: hex(status.signals("SigBlk")),
        pending: hex(status.signals("SigPnd")),
        call: read("syscall").and_then(|line| calls::call(&line)),
        channel: read("wchan").filter(|name| name != "0" && !name.is_empty()),
        lock_holder: None,
        switches: count("voluntary_ctxt_switches")
            .zip(count("nonvoluntary_ctxt_switches"))
            .map(|(voluntary, forced)| voluntary.saturating_add(forced)),
        starved_ms: waited_ns.map(|ns: u64| ns / 1_000_000),
    })
}

/// The last `most` of `count` threads. The kernel lists threads in the order in which they began, and can
/// seek in that list: with ten thousand threads, the others cost nothing.
fn youngest(pid: i32, count: usize, most: usize) -> Vec<i32> {
    /// `.` and `..` come first.
    const DOTS: usize = 2;
    let Ok(mut file) = File::open(format!("/proc/{pid}/task")) else { return Vec::new() };
    let skipped = count.saturating_sub(most);
    if skipped > 0 && file.seek(SeekFrom::Start((skipped + DOTS) as u64)).is_err() {
        return Vec::new();
    }
    let descriptor = file.into_raw_fd();
    // SAFETY: the descriptor is open and nobody else's; the stream owns it from here on.
    let stream = unsafe { libc::fdopendir(descriptor) };
    if stream.is_null() {
        // SAFETY: it is still ours.
        unsafe { libc::close(descriptor) };
        return Vec::new();
    }
    let mut tids = Vec::new();
    // A thread that has just begun adds at most one.
    while tids.len() <= most {
        // SAFETY: the stream is open.
        let entry = unsafe { libc::readdir(stream) };
        if entry.is_null() {
            break;
        }
        // SAFETY: the entry is valid until the next call, and its name ends with a zero.
        let name = unsafe { std::ffi::CStr::from_ptr((&raw const (*entry).d_name).cast()) };
        tids.extend(name.to_str().ok().and_then(|name| name.parse::<i32>().ok()));
    }
    // SAFETY: the stream is open, and not used after this.
    unsafe { libc::closedir(stream) };
    tids
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_main_thread_and_the_youngest_are_seen_in_order() {
        let (done, wait) = mpsc::channel::<()>();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..200 {
            let (wait, sender) = (wait.clone(), sender.clone());
            std::thread::spawn(move || {
                sender.send(nix::unistd::gettid().as_raw()).unwrap();
                let _ = wait.lock().map(|wait| wait.recv());
            });
            // The next thread begins after this one.
            assert!(receiver.recv().is_ok());
        }
        let pid = std::process::id().cast_signed();
        let stat = crate::os::process::procfs::stat(pid).unwrap();
        let count = usize::try_from(stat.threads).unwrap();
        let mut seen = SeenProcess { pid, thread_count: count, ..SeenProcess::default() };
        see(&mut seen, &|| true);
        assert!((THREADS_MAX - 1..=THREADS_MAX + 1).contains(&seen.threads.len()), "{}", seen.threads.len());
        assert_eq!(seen.threads[0].tid, pid);
        assert!(seen.threads[1..].is_sorted_by_key(|thread| thread.tid), "as long as ids are not used again");
        assert!(seen.threads[1].switches.is_some());
        drop(done);
    }
}
