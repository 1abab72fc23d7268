//! One process and its threads, read from files that wait for no lock of the process.

use std::io;

use super::{calls, files, locks};
use crate::lifecycle::signal::SignalSet;
use crate::os::clock;
use crate::os::procfs::{Directory, Stat, Status};
use crate::postmortem::look::{Hex, Seen, Signals, Thread};

/// So many threads of a process are looked at; the others are counted.
const THREADS_MAX: usize = 64;

/// What is there to be seen; nothing of a process that has gone.
pub(super) fn see(stat: &Stat, asked_with: Option<String>, has_time: &dyn Fn() -> bool) -> Option<Seen> {
    let directory = Directory::open(stat.pid)?;
    let stat = directory.stat().filter(|now| now.start_ticks == stat.start_ticks && !now.is_gone())?;
    let text = directory.read("status").ok()?;
    let status = Status::parse(&text);
    let number = |field| status.field(field)?.split_ascii_whitespace().last()?.parse().ok();
    let mut seen = Seen {
        pid: stat.pid,
        parent: stat.parent,
        state: stat.state,
        age_ms: clock::ticks_as_ms(clock::ticks_since_boot().saturating_sub(stat.start_ticks)),
        cpu_ms: clock::ticks_as_ms(stat.cpu_ticks),
        asked_with,
        signals: Signals {
            caught: hex(status.signals("SigCgt")),
            ignored: hex(status.signals("SigIgn")),
            pending: hex(status.signals("ShdPnd")),
        },
        own_pid: number("NSpid").unwrap_or(stat.pid),
        tracer: number("TracerPid").unwrap_or_default(),
        thread_count: usize::try_from(stat.threads).unwrap_or_default(),
        name: stat.name,
        ..Seen::default()
    };
    see_threads(&mut seen, has_time);
    match files::files(seen.pid) {
        Ok((count, files)) => (seen.file_count, seen.files) = (Some(count), files),
        Err(error) => note(&mut seen.unreadable, "fd", &error),
    }
    Some(seen)
}

fn see_threads(seen: &mut Seen, has_time: &dyn Fn() -> bool) {
    let task = format!("/proc/{}/task", seen.pid);
    let threads = std::fs::read_dir(&task).into_iter().flatten();
    let tids = threads.filter_map(|thread| thread.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut starved_ms = None;
    for tid in tids.take(THREADS_MAX) {
        if !has_time() {
            break;
        }
        let Some(directory) = Directory::open_thread(seen.pid, tid) else { continue };
        // The second number counts nanoseconds on the queue of a CPU.
        let waited =
            directory.read("schedstat").ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        starved_ms = waited.map_or(starved_ms, |ns| Some(starved_ms.unwrap_or(0) + ns / 1_000_000));
        seen.threads.extend(see_thread(&directory, tid, &mut seen.unreadable));
    }
    seen.starved_ms = starved_ms;
    for thread in &mut seen.threads {
        if thread.call.as_ref().is_some_and(|call| ["flock", "fcntl"].contains(&call.name.as_str())) {
            thread.lock_holder = locks::holder(seen.pid);
        }
    }
}

fn see_thread(directory: &Directory, tid: i32, unreadable: &mut Vec<String>) -> Option<Thread> {
    let stat = directory.stat()?;
    let status = directory.read("status").unwrap_or_default();
    let status = Status::parse(&status);
    let mut read = |name: &str| directory.read(name).map_err(|error| note(unreadable, name, &error)).ok();
    Some(Thread {
        tid,
        name: stat.name,
        state: stat.state,
        blocked: hex(status.signals("SigBlk")),
        pending: hex(status.signals("SigPnd")),
        call: read("syscall").and_then(|line| calls::call(&line)),
        channel: read("wchan").filter(|name| name != "0" && !name.is_empty()),
        lock_holder: None,
    })
}

fn hex(signals: Option<SignalSet>) -> Hex {
    Hex(signals.unwrap_or_default().bits())
}

/// Once for each file, not for each thread.
fn note(unreadable: &mut Vec<String>, name: &str, error: &io::Error) {
    let text = format!("{name}: {}", crate::os::reason(error));
    if error.raw_os_error() != Some(libc::ESRCH) && !unreadable.contains(&text) {
        unreadable.push(text);
    }
}
