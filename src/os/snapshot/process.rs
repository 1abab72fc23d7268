//! Reads one process, from files that wait for no lock of the process.

use super::{files, hex, note, threads};
use crate::os::clock;
use crate::os::process::procfs::{Directory, Stat, Status};
use crate::postmortem::look::{SeenProcess, Signals};

/// What can be read; nothing once the process has gone.
pub(super) fn see(
    stat: &Stat,
    asked_with: Option<String>,
    has_time: &dyn Fn() -> bool,
) -> Option<SeenProcess> {
    let directory = Directory::open(stat.pid)?;
    let stat = directory.stat().filter(|now| now.start_ticks == stat.start_ticks && !now.has_exited())?;
    let text = directory.read("status").ok()?;
    let status = Status::parse(&text);
    let number = |field| status.field(field)?.split_ascii_whitespace().last()?.parse().ok();
    let mut seen = SeenProcess {
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
        ..SeenProcess::default()
    };
    threads::see(&mut seen, has_time);
    match files::files(seen.pid, has_time) {
        Ok((count, files)) => (seen.file_count, seen.files) = (Some(count), files),
        Err(error) => note(&mut seen.unreadable, "fd", &error),
    }
    Some(seen)
}
