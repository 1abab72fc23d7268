//! Open descriptors: where they lead, and which of them to keep.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::postmortem::look::{FILES_MAX, File, Look, NO_TIME_FOR_SOCKETS, SeenProcess, Socket, Sockets};

/// How many files of a process are kept.
const KEPT_MAX: usize = 16;
/// The name of a file is cut to this length: the workload chooses it.
const TARGET_MAX: usize = 256;

/// The first descriptors of a process, while there is time, and their total number. Sockets are not looked up
/// yet.
pub(super) fn files(pid: i32, has_time: &dyn Fn() -> bool) -> io::Result<(usize, Vec<File>)> {
    let folder = format!("/proc/{pid}/fd");
    let numbers =
        std::fs::read_dir(&folder)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let file = |number: i32| {
        let target = std::fs::read_link(format!("{folder}/{number}")).ok()?;
        let target = target.to_string_lossy().chars().take(TARGET_MAX).collect();
        Some(File { number, target, socket: None })
    };
    let files: Vec<File> = numbers.take(FILES_MAX).take_while(|_| has_time()).filter_map(file).collect();
    // Since Linux 6.2 the folder's size is the number of descriptors; listing a hundred thousand would take
    // too long.
    let count = std::fs::metadata(&folder).ok().and_then(|folder| usize::try_from(folder.len()).ok());
    Ok((count.unwrap_or_default().max(files.len()), files))
}

/// Looks up and counts the sockets of a snapshot, and keeps the files that are worth it.
pub(super) fn complete(look: &mut Look, earlier: Option<&Look>, has_time: &dyn Fn() -> bool) {
    let all = look.processes.iter().flat_map(|seen| &seen.files);
    let wanted: HashSet<u64> = all.filter_map(|file| socket_inode(&file.target)).collect();
    let mut found = super::sockets::find(&wanted, has_time);
    let mut unsure = HashSet::new();
    if !found.is_complete {
        // A socket that is in no table any longer was shut down, or is of another kind. Only if time ran out
        // may it still be what it was.
        unsure = wanted.iter().copied().filter(|inode| !found.sockets.contains_key(inode)).collect();
        let before = earlier.into_iter().flat_map(|look| &look.processes).flat_map(|seen| &seen.files);
        let before = before.filter_map(|file| Some((socket_inode(&file.target)?, file.socket.clone()?)));
        found.sockets.extend(before.filter(|(inode, _)| unsure.contains(inode)));
    }
    let known = found.sockets;
    let inside: HashSet<&str> = known.values().map(|socket| socket.local.as_str()).collect();
    for seen in &mut look.processes {
        if seen
            .files
            .iter()
            .filter_map(|file| socket_inode(&file.target))
            .any(|inode| unsure.contains(&inode))
        {
            seen.unreadable.push(NO_TIME_FOR_SOCKETS.to_owned());
        }
        resolve(seen, &known, &inside);
        keep_few(seen);
    }
}

/// See [`super::connections`].
pub(super) fn connections(pids: &[i32], has_time: &dyn Fn() -> bool) -> Option<usize> {
    let mut wanted = HashSet::new();
    for pid in pids {
        let (count, files) = files(*pid, has_time).ok()?;
        if count > files.len() || !has_time() {
            return None;
        }
        wanted.extend(files.iter().filter_map(|file| socket_inode(&file.target)));
    }
    let found = super::sockets::find(&wanted, has_time).sockets;
    let inside: HashSet<&str> = found.values().map(|socket| socket.local.as_str()).collect();
    has_time().then(|| found.values().filter(|socket| leads_out(socket, &inside)).count())
}

/// Whether the other end belongs to a process outside the snapshot.
fn leads_out(socket: &Socket, inside: &HashSet<&str>) -> bool {
    socket.is_connected() && !inside.contains(socket.peer.as_str())
}

pub(in crate::os) fn socket_inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn resolve(seen: &mut SeenProcess, known: &HashMap<u64, Socket>, inside: &HashSet<&str>) {
    for file in &mut seen.files {
        file.socket = socket_inode(&file.target).and_then(|inode| known.get(&inode)).cloned();
    }
    let sockets = || seen.files.iter().filter_map(|file| file.socket.as_ref());
    seen.sockets = Sockets {
        listening: sockets().filter(|socket| socket.state == "listen").count(),
        connected: sockets().filter(|socket| leads_out(socket, inside)).count(),
    };
}

/// Keeps what a thread waits on, then sockets, then the standard streams.
fn keep_few(seen: &mut SeenProcess) {
    let waited_on: HashSet<i32> =
        seen.threads.iter().filter_map(|thread| thread.call.as_ref()?.descriptor()).collect();
    let rank = |file: &File| match &file.socket {
        _ if waited_on.contains(&file.number) => 0,
        Some(socket) if socket.state == "listen" || socket.is_connected() => 1,
        // An event loop that receives signals through it.
        None if file.target == "anon_inode:[signalfd]" => 0,
        _ if file.number <= libc::STDERR_FILENO => 2,
        _ => 3,
    };
    seen.files.sort_by_key(|file| (rank(file), file.number));
    seen.files.retain(|file| rank(file) < 3);
    seen.files.truncate(KEPT_MAX);
}
