//! Whether anybody else could wake a process through one of its descriptors, or only its own timers and threads.

use std::collections::HashSet;

use super::socket_inode;
use crate::postmortem::look::{File, SeenProcess};

/// Kinds that only the process itself makes ready.
const OWN: [&str; 6] = [
    "anon_inode:[eventpoll]",
    "anon_inode:[eventfd]",
    "anon_inode:[timerfd]",
    "anon_inode:[signalfd]",
    "anon_inode:[io_uring]",
    "/dev/null",
];

/// How many of its descriptors others could make ready; `None` if not all of them were looked at. What it only writes
/// to (stdout, stderr) does not count, nor do regular files, nor a pipe or a pair of sockets of which it has both ends,
/// by which its threads and handlers wake its event loop.
pub(super) fn count(seen: &SeenProcess) -> Option<usize> {
    if seen.file_count != Some(seen.files.len()) {
        return None;
    }
    let sockets: HashSet<u64> = seen.files.iter().filter_map(|file| socket_inode(&file.target)).collect();
    let is_source = |file: &&File| {
        let target = file.target.as_str();
        if let Some(inode) = socket_inode(target) {
            let has_pair = sockets.contains(&(inode + 1)) || sockets.contains(&inode.wrapping_sub(1));
            let is_unnamed = file.socket.as_ref().is_some_and(|socket| {
                socket.protocol == "unix" && socket.local.is_empty() && socket.state == "established"
            });
            // The kernel numbers the two ends of a pair one after the other.
            return !(is_unnamed && has_pair);
        }
        if target.starts_with("pipe:") {
            return seen.files.iter().filter(|other| other.target == target).count() < 2;
        }
        !OWN.contains(&target) && (target.starts_with("/dev/") || !target.starts_with('/'))
    };
    let read =
        seen.files.iter().filter(|file| ![libc::STDOUT_FILENO, libc::STDERR_FILENO].contains(&file.number));
    Some(read.filter(is_source).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postmortem::look::Socket;

    fn seen(targets: &[&str]) -> SeenProcess {
        let file = |(target, number): (&&str, i32)| {
            let socket = Socket {
                protocol: "unix".to_owned(),
                local: String::new(),
                peer: String::new(),
                state: "established".to_owned(),
                unread: 0,
                unsent: 0,
                server: None,
            };
            let socket = target.starts_with("socket:").then_some(socket);
            File { number, target: (*target).to_owned(), socket, timer: None }
        };
        let files: Vec<File> = targets.iter().zip(0..).map(file).collect();
        SeenProcess { file_count: Some(files.len()), files, ..SeenProcess::default() }
    }

    #[test]
    fn what_it_wakes_itself_by_is_no_source() {
        let own = ["/dev/null", "pipe:[1]", "pipe:[2]", "anon_inode:[eventpoll]", "pipe:[3]", "pipe:[3]"];
        assert_eq!(count(&seen(&own)), Some(0), "stdout and stderr are only written to");
        let pair = ["/dev/null", "/log", "/log", "socket:[10]", "socket:[11]", "/data"];
        assert_eq!(count(&seen(&pair)), Some(0));
    }

    #[test]
    fn what_others_hold_is_one() {
        assert_eq!(count(&seen(&["pipe:[1]", "/log", "/log"])), Some(1), "stdin");
        assert_eq!(count(&seen(&["/dev/pts/0", "/log", "/log", "socket:[10]", "socket:[12]"])), Some(3));
        assert_eq!(count(&seen(&["/dev/null", "/log", "/log", "anon_inode:inotify"])), Some(1));
    }

    #[test]
    fn of_one_that_was_not_seen_whole_nothing_is_known() {
        let mut seen = seen(&["/dev/null"]);
        seen.file_count = Some(2);
        assert_eq!(count(&seen), None);
    }
}
