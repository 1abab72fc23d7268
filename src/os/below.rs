//! What can be seen, from outside, of a workload below a winddown that we have started.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::path::PathBuf;

use super::child::Handle;
use super::look::{socket_inode, sockets};
use super::procfs::{self, Directory, Stat, Status};
use super::{clock, descent};
use crate::lifecycle::signal::{Signal, SignalSet};

/// The process that supervises below the outer one, and the main process: each the first child of its parent.
/// Nothing before the command runs.
#[must_use]
pub fn main_process(outer: i32) -> Option<(i32, i32)> {
    let inner = first_child(outer)?;
    let main = first_child(inner)?;
    // Until its exec it is a copy of its parent.
    let words = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    (words(main) != words(inner)).then_some((inner, main))
}

/// The child that a process has started first.
#[must_use]
pub fn first_child(pid: i32) -> Option<i32> {
    let stat = procfs::stat(pid)?;
    let children = procfs::children(&stat).unwrap_or_else(|| children_by_scan(pid));
    children.into_iter().find(|child| procfs::stat(*child).is_some_and(|stat| stat.parent == pid))
}

/// A process and those of its group that are below it.
#[must_use]
pub fn group_of(pid: i32) -> Vec<Handle> {
    let group = procfs::stat(pid).map(|stat| stat.group);
    let others = tree(pid).into_iter().filter(|stat| Some(stat.group) == group).map(|stat| stat.pid);
    std::iter::once(pid).chain(others).map(Handle::new).collect()
}

fn children_by_scan(pid: i32) -> Vec<i32> {
    let all = procfs::all_pids().unwrap_or_default().into_iter().filter_map(procfs::stat);
    let mut children: Vec<Stat> = all.filter(|stat| stat.parent == pid).collect();
    children.sort_by_key(|stat| (stat.start_ticks, stat.pid));
    children.into_iter().map(|stat| stat.pid).collect()
}

/// Everybody below a process.
#[must_use]
pub fn tree(ancestor: i32) -> Vec<Stat> {
    let mut found = Vec::new();
    descent::walk(ancestor, &HashSet::new(), |stat| found.push(stat.clone()));
    found
}

/// The parent and the state of a process.
#[must_use]
pub fn stat(pid: i32) -> Option<Stat> {
    procfs::stat(pid)
}

/// A socket that accepts connections.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Listener {
    /// `tcp` or `unix`.
    pub protocol: String,
    /// `127.0.0.1:8080`, `[::]:80`, `/run/a.sock`, `@abstract`.
    pub address: String,
    /// Names it as long as it is there.
    pub inode: u64,
}

/// The listeners that these processes have open.
#[must_use]
pub fn listeners(pids: &[i32]) -> Vec<Listener> {
    still_listening(
        &pids
            .iter()
            .flat_map(|pid| targets(*pid))
            .filter_map(|path| socket_inode(&path))
            .collect::<HashSet<u64>>(),
    )
}

/// Of these sockets those that still accept connections, for whomever.
#[must_use]
pub fn still_listening<S: BuildHasher>(inodes: &HashSet<u64, S>) -> Vec<Listener> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let found: HashMap<u64, _> = sockets::find(&inodes.iter().copied().collect(), &|| true);
    let listening = found.into_iter().filter(|(_, socket)| socket.state == "listen");
    let mut listeners: Vec<Listener> = listening
        .map(|(inode, socket)| Listener { protocol: socket.protocol, address: socket.local, inode })
        .collect();
    listeners.sort();
    listeners
}

/// The addresses from which these processes have connections whose requests they have read.
#[must_use]
pub fn read_from(pids: &[i32]) -> HashSet<String> {
    let inodes = pids.iter().flat_map(|pid| targets(*pid)).filter_map(|path| socket_inode(&path)).collect();
    let found = sockets::find(&inodes, &|| true).into_values();
    found
        .filter(|socket| socket.state == "established" && socket.unread == 0)
        .map(|socket| socket.peer)
        .collect()
}

/// Where the descriptors of a process lead.
fn targets(pid: i32) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

/// The files by name that these processes have open.
#[must_use]
pub fn open_files(pids: &[i32]) -> HashSet<PathBuf> {
    let named = pids.iter().flat_map(|pid| targets(*pid)).filter(|target| target.starts_with('/'));
    named.map(|target| PathBuf::from(target.trim_end_matches(" (deleted)"))).collect()
}

/// The directory that a process works in.
#[must_use]
pub fn directory(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// How a process takes a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// It has a handler.
    Caught,
    /// It ignores it.
    Ignored,
    /// It blocks it, and a thread or a descriptor reads it.
    Read,
    /// It blocks it, and nobody seems to read it.
    Blocked,
    /// The default action.
    Default,
    /// The default action of PID 1 of a namespace: none.
    Dropped,
}

/// How a process takes a signal; nothing of one that has gone.
#[must_use]
pub fn takes(pid: i32, signal: Signal) -> Option<Takes> {
    let text = Directory::open(pid)?.read("status").ok()?;
    let status = Status::parse(&text);
    let has = |field: &str| status.signals(field).unwrap_or_default().contains(signal);
    let is_init = status.field("NSpid").is_some_and(|ids| ids.contains('\t') && ids.ends_with("\t1"));
    Some(match () {
        () if has("SigIgn") => Takes::Ignored,
        () if has("SigBlk") && is_read(pid, signal) => Takes::Read,
        () if has("SigBlk") => Takes::Blocked,
        () if has("SigCgt") => Takes::Caught,
        () if is_init => Takes::Dropped,
        () => Takes::Default,
    })
}

/// By a thread that does not block it or waits for it, or by a descriptor.
fn is_read(pid: i32, signal: Signal) -> bool {
    const WAITS: &str = "sigtimedwait";
    let entries =
        |folder: &str| std::fs::read_dir(format!("/proc/{pid}/{folder}")).into_iter().flatten().flatten();
    let text = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let by_thread = entries("task").any(|thread| {
        let status = text(thread.path().join("status"));
        let blocked = Status::parse(&status).signals("SigBlk").unwrap_or(SignalSet::ALL);
        !blocked.contains(signal) || text(thread.path().join("wchan")).contains(WAITS)
    });
    let reads = |info: String| {
        let mask = info.lines().find_map(|line| line.strip_prefix("sigmask:"));
        let bits = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        bits.is_some_and(|bits| SignalSet::from_bits(bits).contains(signal))
    };
    by_thread || entries("fdinfo").any(|entry| reads(text(entry.path())))
}

/// How long a process and its threads have waited for a CPU, in milliseconds.
#[must_use]
pub fn waited_for_cpu_ms(pids: &[i32]) -> u64 {
    let threads =
        pids.iter().flat_map(|pid| std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten());
    let waited = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').nth(1)?.parse::<u64>().ok()
    });
    waited.sum::<u64>() / 1_000_000
}

/// The CPU time of these processes, in milliseconds.
#[must_use]
pub fn cpu_ms(stats: &[Stat]) -> u64 {
    clock::ticks_as_ms(stats.iter().map(|stat| stat.cpu_ticks).sum())
}
