//! Sockets that accept connections, and which processes have them open.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use super::snapshot::{socket_inode, sockets};
use crate::postmortem::look::Socket;

pub(crate) mod answers;

/// A socket that accepts connections.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub(crate) struct Listener {
    /// `tcp` or `unix`.
    pub(crate) protocol: String,
    /// `127.0.0.1:8080`, `[::]:80`, `/run/a.sock`, `@abstract`.
    pub(crate) address: String,
    /// Identifies it while it exists.
    pub(crate) inode: u64,
}

/// The listeners that these processes have open.
pub(crate) fn listeners(pids: &[i32]) -> Vec<Listener> {
    still_listening(&socket_inodes(pids))
}

/// The listeners found while there is time, and whether they are all: those in another network namespace, and of a
/// process that we may not look into, can't be seen.
pub(crate) fn listeners_while(pids: &[i32], has_time: &dyn Fn() -> bool) -> (Vec<Listener>, bool) {
    let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let (ours, mut inodes, mut sees_all) = (network("thread-self"), HashSet::new(), true);
    for pid in pids {
        let folder = std::fs::read_dir(format!("/proc/{pid}/fd"));
        sees_all &= folder.is_ok() && network(&pid.to_string()) == ours;
        let entries = folder.into_iter().flatten().take_while(|_| has_time());
        let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        inodes.extend(links.filter_map(|link| socket_inode(&link.to_string_lossy())));
    }
    let found = sockets::find(&inodes, has_time);
    (sorted(found.sockets), sees_all && found.is_complete && has_time())
}

/// The sockets that these processes have open.
pub(in crate::os) fn socket_inodes(pids: &[i32]) -> HashSet<u64> {
    pids.iter().flat_map(|pid| targets(*pid)).filter_map(|path| socket_inode(&path)).collect()
}

/// The sockets among these that still accept connections, for any process.
pub(crate) fn still_listening<S: BuildHasher>(inodes: &HashSet<u64, S>) -> Vec<Listener> {
    if inodes.is_empty() {
        return Vec::new();
    }
    sorted(sockets::find(&inodes.iter().copied().collect(), &|| true).sockets)
}

fn sorted(found: HashMap<u64, Socket>) -> Vec<Listener> {
    let listening = found.into_iter().filter(|(_, socket)| socket.state == "listen");
    let mut listeners: Vec<Listener> = listening
        .map(|(inode, socket)| Listener { protocol: socket.protocol, address: socket.local, inode })
        .collect();
    listeners.sort();
    listeners
}

/// Where the descriptors of a process lead.
pub(in crate::os) fn targets(pid: i32) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}
