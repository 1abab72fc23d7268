//! What can be seen, from outside, of a workload under a winddown that check has started.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use super::clock;
use super::listening::{socket_inodes, targets};
use super::process::descendants;
use super::process::foreign::Foreign;
use super::process::procfs::{self, Directory, Stat, Status};
use super::process::subprocess::Handle;
use super::snapshot::sockets;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::postmortem::look::Socket;

/// At most this many mappings of a process are read.
const MAPS_MAX: usize = 100_000;

/// The supervising process below the outer one, and the main process: each the first child of its parent.
/// Nothing before the command runs.
pub(crate) fn main_process(outer: i32) -> Option<(i32, i32)> {
    let inner = first_child(outer)?;
    let main = first_child(inner)?;
    // Until exec, it is a copy of its parent.
    let words = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    (words(main) != words(inner)).then_some((inner, main))
}

/// The first child that a process started.
pub(crate) fn first_child(pid: i32) -> Option<i32> {
    let stat = procfs::stat(pid)?;
    let children = procfs::children(&stat, &|| true).unwrap_or_else(|| children_by_scan(pid));
    children.into_iter().find(|child| procfs::stat(*child).is_some_and(|stat| stat.parent == pid))
}

/// A process and its descendants in the same group.
pub(crate) fn group_of(pid: i32) -> Vec<Handle> {
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

/// All descendants of a process.
pub(crate) fn tree(ancestor: i32) -> Vec<Stat> {
    let mut found = Vec::new();
    descendants::walk(ancestor, &Foreign::default(), &|| true, |stat| found.push(stat.clone()));
    found
}

pub(crate) fn stat(pid: i32) -> Option<Stat> {
    procfs::stat(pid)
}

/// The peers of connections from which these processes have read everything sent so far.
pub(crate) fn read_from(pids: &[i32]) -> HashSet<String> {
    let found = sockets::find(&socket_inodes(pids), &|| true).sockets.into_values();
    found
        .filter(|socket| socket.state == "established" && socket.unread == 0)
        .map(|socket| socket.peer)
        .collect()
}

/// The connections that these processes have opened themselves, by inode: none at a port or path where they listen.
pub(crate) fn opened_connections(pids: &[i32]) -> HashSet<u64> {
    const OPEN: [&str; 3] = ["established", "syn-sent", "syn-received"];
    let found = sockets::find(&socket_inodes(pids), &|| true).sockets;
    // An address that ends in its port; the path of a unix socket, empty where it was not bound.
    let place = |socket: &Socket| match socket.protocol.as_str() {
        "tcp" => socket.local.rsplit(':').next().unwrap_or_default().to_owned(),
        _ => socket.local.clone(),
    };
    let listening: HashSet<String> =
        found.values().filter(|socket| socket.state == "listen").map(place).collect();
    let is_opened =
        |socket: &Socket| OPEN.contains(&socket.state.as_str()) && !listening.contains(&place(socket));
    found.iter().filter(|(_, socket)| is_opened(socket)).map(|(inode, _)| *inode).collect()
}

/// The CPU time that each of these processes has used, in milliseconds.
pub(crate) fn cpu_ms(pids: &[i32]) -> HashMap<i32, u64> {
    let used = pids.iter().filter_map(|pid| Some((*pid, clock::ticks_as_ms(stat(*pid)?.cpu_ticks))));
    used.collect()
}

/// The named files that these processes have open.
pub(crate) fn open_files(pids: &[i32]) -> HashSet<PathBuf> {
    let named = pids.iter().flat_map(|pid| targets(*pid)).filter(|target| target.starts_with('/'));
    named.map(|target| PathBuf::from(target.trim_end_matches(" (deleted)"))).collect()
}

/// The named files under a directory that these processes have mapped. May block if a process hangs.
pub(crate) fn mapped_files(pids: &[i32], under: &str) -> HashSet<PathBuf> {
    let mut found = HashSet::new();
    for pid in pids {
        let Ok(maps) = File::open(format!("/proc/{pid}/maps")) else { continue };
        let lines = BufReader::new(maps).split(b'\n').map_while(Result::ok).take(MAPS_MAX);
        found.extend(lines.filter_map(|line| {
            // Most lines have another name or none.
            let line = std::str::from_utf8(&line).ok()?;
            let path = &line[line.find(under)?..];
            Some(PathBuf::from(path.trim_end_matches(" (deleted)")))
        }));
    }
    found
}

/// The ids of a process, in its own PID namespace and in each one above.
pub(crate) fn ids(pid: i32) -> Vec<i32> {
    let text = Directory::open(pid).and_then(|directory| directory.read("status").ok()).unwrap_or_default();
    let ids = Status::parse(&text).field("NSpid").map(str::to_owned).unwrap_or_default();
    ids.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// The directory in which a process resolves relative paths.
pub(crate) fn directory(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// One of these processes that is in another network namespace, whose listeners can't be seen from here.
pub(crate) fn in_another_network(pids: &[i32]) -> Option<procfs::Stat> {
    let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let own = network("thread-self")?;
    let other = pids.iter().find(|pid| network(&pid.to_string()).is_some_and(|network| network != own));
    other.and_then(|pid| procfs::stat(*pid))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Takes {
    /// It has a handler.
    Caught,
    /// It ignores the signal.
    Ignored,
    /// It blocks the signal, and a thread or a descriptor reads it.
    Read,
    /// It blocks the signal, and nothing seems to read it.
    Blocked,
    /// The default action.
    Default,
    /// The default action for PID 1 of a namespace: none.
    Dropped,
}

/// How a process takes a signal; nothing once it has gone.
pub(crate) fn takes(pid: i32, signal: Signal) -> Option<Takes> {
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

/// Whether a blocked signal is read: by a thread that does not block it or waits for it, or by a descriptor.
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

/// How long the threads of these processes have waited for a CPU, in milliseconds.
pub(crate) fn waited_for_cpu_ms(pids: &[i32]) -> u64 {
    let threads =
        pids.iter().flat_map(|pid| std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten());
    let waited = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').nth(1)?.parse::<u64>().ok()
    });
    waited.sum::<u64>() / 1_000_000
}
