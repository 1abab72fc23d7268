//! What /proc shows about the processes of a run.

use std::collections::HashSet;
use std::fs;
use std::io;

#[derive(Clone, Copy)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    state: char,
}

impl Process {
    pub(crate) fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }
}

fn all() -> Vec<Process> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read_stat)
        .collect()
}

fn read_stat(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain blanks and parentheses; what follows the last one does not.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Process { pid, parent: fields.next()?.parse().ok()?, state })
}

/// All descendants of the process, from one snapshot of the table.
pub(crate) fn descendants_of(root: i32) -> Vec<Process> {
    let table = all();
    let mut inside = HashSet::from([root]);
    let mut found: Vec<Process> = Vec::new();
    loop {
        let before = found.len();
        for process in &table {
            if inside.contains(&process.parent) && inside.insert(process.pid) {
                found.push(*process);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// All processes that this benchmark started.
pub(crate) fn descendants() -> Vec<Process> {
    descendants_of(std::process::id().cast_signed())
}

/// The supervisor and its helpers: all its descendants except the workload.
pub(crate) fn supervisor_processes(supervisor: i32, workload: i32) -> Vec<i32> {
    let below = descendants_of(supervisor).into_iter().map(|process| process.pid);
    [supervisor].into_iter().chain(below.filter(|&pid| pid != workload)).collect()
}

/// How often its threads slept and were woken; preemptions don't count.
pub(crate) fn wake_ups(pid: i32) -> io::Result<u32> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        sum += status
            .lines()
            .filter(|line| line.starts_with("voluntary_ctxt_switches:"))
            .map(last_number)
            .sum::<u32>();
    }
    Ok(sum)
}

pub(crate) fn threads(pid: i32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task"))?.count())
}

/// POSIX timers; `None` where the kernel doesn't list them.
pub(crate) fn timers(pid: i32) -> Option<usize> {
    let text = fs::read_to_string(format!("/proc/{pid}/timers")).ok()?;
    Some(text.lines().filter(|line| line.starts_with("ID:")).count())
}

pub(crate) fn private_dirty_kib(pid: i32) -> io::Result<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find(|line| line.starts_with("Private_Dirty:"));
    Ok(line.map_or(0, |line| last_number(line.trim_end_matches(" kB"))))
}

/// The load over 1, 5 and 15 minutes: what else the machine was doing.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn last_number(line: &str) -> u32 {
    line.split_whitespace().next_back().and_then(|word| word.parse().ok()).unwrap_or(0)
}
