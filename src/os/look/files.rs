//! Open descriptors: where they lead, and which of them are worth remembering.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::postmortem::look::{FILES_MAX, File, Look, Seen, Socket, Sockets};

/// So many of them are kept.
const KEPT_MAX: usize = 16;

/// The first descriptors of a process, and how many there are. Sockets are not looked up yet.
pub(super) fn files(pid: i32) -> io::Result<(usize, Vec<File>)> {
    let folder = format!("/proc/{pid}/fd");
    let numbers =
        std::fs::read_dir(&folder)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let file = |number: i32| {
        let target = std::fs::read_link(format!("{folder}/{number}")).ok()?;
        Some(File { number, target: target.to_string_lossy().into_owned(), socket: None })
    };
    let files: Vec<File> = numbers.take(FILES_MAX).filter_map(file).collect();
    // Since Linux 6.2 the size of the folder is their number; to list a hundred thousand would take too long.
    let count = std::fs::metadata(&folder).ok().and_then(|folder| usize::try_from(folder.len()).ok());
    Ok((count.unwrap_or_default().max(files.len()), files))
}

/// Looks up what the sockets of a look are, counts them, and keeps of all files those worth it.
pub(super) fn complete(look: &mut Look, earlier: Option<&Look>, has_time: &dyn Fn() -> bool) {
    let all = look.processes.iter().flat_map(|seen| &seen.files);
    let wanted: HashSet<u64> = all.filter_map(|file| socket_inode(&file.target)).collect();
    let mut known: HashMap<u64, Socket> = HashMap::new();
    if !wanted.is_empty() {
        let before = earlier.into_iter().flat_map(|look| &look.processes).flat_map(|seen| &seen.files);
        known.extend(before.filter_map(|file| Some((socket_inode(&file.target)?, file.socket.clone()?))));
        known.extend(super::sockets::find(&wanted, has_time));
    }
    let inside: HashSet<&str> = known.values().map(|socket| socket.local.as_str()).collect();
    for seen in &mut look.processes {
        resolve(seen, &known, &inside);
        keep_few(seen);
    }
}

/// See [`super::connections`].
pub(super) fn connections(pids: &[i32], has_time: &dyn Fn() -> bool) -> Option<usize> {
    let mut wanted = HashSet::new();
    for pid in pids {
        let (count, files) = files(*pid).ok()?;
        if count > files.len() || !has_time() {
            return None;
        }
        wanted.extend(files.iter().filter_map(|file| socket_inode(&file.target)));
    }
    let found = super::sockets::find(&wanted, has_time);
    let inside: HashSet<&str> = found.values().map(|socket| socket.local.as_str()).collect();
    has_time().then(|| found.values().filter(|socket| leads_out(socket, &inside)).count())
}

/// Whether somebody is at the other end who is none of those looked at.
fn leads_out(socket: &Socket, inside: &HashSet<&str>) -> bool {
    socket.is_connected() && !inside.contains(socket.peer.as_str())
}

pub(in crate::os) fn socket_inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn resolve(seen: &mut Seen, known: &HashMap<u64, Socket>, inside: &HashSet<&str>) {
    for file in &mut seen.files {
        file.socket = socket_inode(&file.target).and_then(|inode| known.get(&inode)).cloned();
    }
    let sockets = || seen.files.iter().filter_map(|file| file.socket.as_ref());
    seen.sockets = Sockets {
        listening: sockets().filter(|socket| socket.state == "listen").count(),
        connected: sockets().filter(|socket| leads_out(socket, inside)).count(),
    };
}

/// What a thread waits on, sockets, the standard streams; in this order.
fn keep_few(seen: &mut Seen) {
    let waited_on: HashSet<i32> =
        seen.threads.iter().filter_map(|thread| thread.call.as_ref()?.descriptor()).collect();
    let rank = |file: &File| match &file.socket {
        _ if waited_on.contains(&file.number) => 0,
        Some(socket) if socket.state == "listen" || socket.is_connected() => 1,
        // An event loop that is to hear signals by it.
        None if file.target == "anon_inode:[signalfd]" => 1,
        _ if file.number <= libc::STDERR_FILENO => 2,
        _ => 3,
    };
    seen.files.sort_by_key(|file| (rank(file), file.number));
    seen.files.retain(|file| rank(file) < 3);
    seen.files.truncate(KEPT_MAX);
}
