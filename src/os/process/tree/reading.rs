//! Which processes read a pipe of the workload's: it brings them the last lines of other processes, which are
//! lost if the reader is asked first. A FIFO in a script (`mkfifo p; tee log < p & exec > p`) and the socket
//! that Node.js and ksh use for a pipe look the same to their readers.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::{Process, Tree};
use crate::lifecycle::event::Readers;
use crate::os::io::descriptor::has_hung_up;
use crate::os::process::procfs::Stat;
use crate::os::snapshot::lines;

/// At most this many processes are left to their pipes at a time, since each is checked again and again;
/// further ones are asked like any other.
const READERS_MAX: usize = 64;

/// The processes that are left to their pipes for now.
#[derive(Debug, Default)]
pub(super) struct PipeReaders {
    /// Our own stdin: a process with the same one reads nothing of the workload's.
    own_stdin: Option<PathBuf>,
    left: HashMap<i32, Reader>,
    /// A pipe was found to have ended since `take_news` was last called.
    has_news: bool,
}

#[derive(Debug)]
struct Reader {
    process: Process,
    /// No process writes to its pipe any longer.
    is_at_end: bool,
    /// `take_news` has reported this.
    is_reported: bool,
}

impl PipeReaders {
    pub(super) fn note_reaped(&mut self, pid: i32) {
        self.left.remove(&pid);
    }

    /// Whether this process, a child of ours that would be asked, is left to its pipe.
    pub(super) fn leave_to_pipe(
        &mut self,
        stat: &Stat,
        readers: Readers,
        has_time: &dyn Fn() -> bool,
    ) -> bool {
        let known = self.left.remove(&stat.pid);
        if readers == Readers::Asked || self.left.len() >= READERS_MAX {
            return false;
        }
        let is_at_end = pipe_has_ended(stat.pid, self.own_stdin.as_deref(), has_time);
        is_at_end.is_some_and(|is_at_end| self.judge(stat, known.as_ref(), is_at_end, readers))
    }

    fn judge(&mut self, stat: &Stat, known: Option<&Reader>, is_at_end: bool, readers: Readers) -> bool {
        // It may come up twice before that is reported: its grace has not begun yet.
        let is_new = is_at_end && !known.is_some_and(|known| known.is_reported);
        let is_left = match readers {
            Readers::Left => true,
            Readers::Overdue => !is_at_end || is_new,
            Readers::AtEnd | Readers::Asked => !is_at_end,
        };
        if is_left {
            self.has_news |= is_new;
            let reader =
                Reader { process: Process::from(stat), is_at_end, is_reported: is_at_end && !is_new };
            self.left.insert(stat.pid, reader);
        }
        is_left
    }

    fn take_news(&mut self) -> bool {
        let has_news = std::mem::take(&mut self.has_news);
        if has_news {
            self.left.values_mut().for_each(|reader| reader.is_reported = reader.is_at_end);
        }
        has_news
    }
}

impl Tree {
    /// Sets what our own stdin is, as `/proc` names it.
    pub(crate) fn set_stdin(&mut self, name: Option<PathBuf>) {
        self.readers.own_stdin = name;
    }

    /// The processes left to the last lines of others.
    pub(crate) fn readers(&self) -> impl Iterator<Item = Process> {
        self.readers.left.values().map(|reader| reader.process.clone())
    }

    /// Whether a reader was found at the end of its pipe since the last call.
    pub(crate) fn take_pipe_ended(&mut self) -> bool {
        self.readers.take_news()
    }
}

/// Whether the pipe that a process has as stdin has no writer any longer; nothing if its stdin is no pipe of
/// the workload's. For a FIFO, a socket, and a pipe that we may not open this can't be known: they are
/// treated as if they had ended, so that the wait is bounded for them, too.
fn pipe_has_ended(pid: i32, own_stdin: Option<&Path>, has_time: &dyn Fn() -> bool) -> Option<bool> {
    let folder = format!("/proc/{pid}");
    let link = format!("{folder}/fd/0");
    let kind =
        OpenFileKind::of(&fs::read_link(&link).ok().filter(|name| Some(name.as_path()) != own_stdin)?)?;
    if kind == OpenFileKind::Named && !is_at_hand(&format!("{folder}/fdinfo/0"), has_time) {
        return None;
    }
    // It may have changed since: what is opened is what gets checked.
    let held = open(link.as_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let held_link = format!("/proc/self/fd/{}", held.as_raw_fd());
    if OpenFileKind::of(&fs::read_link(&held_link).ok()?) != Some(kind) {
        return None;
    }
    match kind {
        OpenFileKind::Pipe => {
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let end = open(held_link.as_str(), flags, Mode::empty());
            Some(end.map_or(true, |end| has_hung_up(end.as_raw_fd())))
        }
        OpenFileKind::Socket => is_unix_socket(&held_link).then_some(true),
        OpenFileKind::Named => {
            let info = format!("/proc/self/fdinfo/{}", held.as_raw_fd());
            (is_at_hand(&info, has_time) && is_fifo(&held)).then_some(true)
        }
    }
}

/// What the name of an open file shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenFileKind {
    Pipe,
    Socket,
    /// It has a path, so it may be a FIFO.
    Named,
}

impl OpenFileKind {
    fn of(name: &Path) -> Option<Self> {
        let name = name.as_os_str().as_encoded_bytes();
        let kinds: [(&[u8], Self); 3] =
            [(b"pipe:", Self::Pipe), (b"socket:", Self::Socket), (b"/", Self::Named)];
        kinds.into_iter().find_map(|(start, kind)| name.starts_with(start).then_some(kind))
    }
}

/// Whether an open file is on a file system that answers at once: asking for the type of a file on any other
/// waits for a server, which may hang.
fn is_at_hand(info: &str, has_time: &dyn Fn() -> bool) -> bool {
    const LOCAL: [&str; 8] = ["btrfs", "ext2", "ext3", "ext4", "overlay", "tmpfs", "xfs", "zfs"];
    let Ok(text) = fs::read_to_string(info) else { return false };
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("mnt_id:"));
    let Some(mount) = lines.next().map(str::trim) else { return false };
    let mut is_local = false;
    // `26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw`
    lines::visit("/proc/self/mountinfo", has_time, &mut |line| {
        if line.split(' ').next() != Some(mount) {
            return true;
        }
        let kind = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next());
        is_local = kind.is_some_and(|kind| LOCAL.contains(&kind));
        false
    });
    is_local
}

fn is_fifo(file: &OwnedFd) -> bool {
    let all = SFlag::S_IFMT.bits();
    fstat(file).is_ok_and(|stat| stat.st_mode & all == SFlag::S_IFIFO.bits())
}

/// Whether a socket is a local one, as made by `socketpair`. A network socket is a connection being served.
fn is_unix_socket(link: &str) -> bool {
    let Ok(link) = CString::new(link) else { return false };
    let mut buffer = [0_u8; 64];
    // SAFETY: two C strings, and a buffer with its length, which live for the whole call.
    let length = unsafe {
        libc::getxattr(
            link.as_ptr(),
            c"system.sockprotoname".as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    };
    length > 0 && buffer.starts_with(b"UNIX")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::process::procfs;

    #[test]
    fn the_grace_of_a_reader_begins_when_the_end_of_its_pipe_is_reported() {
        let stat = procfs::stat(std::process::id().cast_signed()).expect("/proc");
        let mut readers = PipeReaders::default();
        let leaves = |readers: &mut PipeReaders, is_at_end, which| {
            let known = readers.left.remove(&stat.pid);
            readers.judge(&stat, known.as_ref(), is_at_end, which)
        };
        assert!(leaves(&mut readers, false, Readers::Overdue) && !readers.take_news());
        // As the last of its writers is reaped, and again since a check is due at the same time.
        assert!(leaves(&mut readers, true, Readers::Overdue));
        assert!(leaves(&mut readers, true, Readers::Overdue));
        assert!(readers.take_news() && !readers.take_news());
        assert!(leaves(&mut readers, true, Readers::Left) && !readers.take_news());
        assert!(!leaves(&mut readers, true, Readers::Overdue));
    }
}
