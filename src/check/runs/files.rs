//! Files that a server makes and should remove: sockets, locks, pid files, shared memory.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;

use super::shared_memory;
use crate::check::observed::{LeftFile, Listener};
use crate::os::inspect;
use crate::os::io::own_file;
use crate::os::listening::answers;
use crate::os::process::procfs;

/// Where pid files, locks and shared memory usually are.
const SHARED: [&str; 4] = [shared_memory::DIRECTORY, "/run", "/run/lock", "/tmp"];
/// No pid is longer than this.
const PID_BYTES_MAX: u64 = 32;
/// How long reading the memory maps of the server may take: with a process that hangs it could take for ever.
const MEMORY_PATIENCE: Duration = Duration::from_secs(1);
/// The same for all processes.
const ALL_PATIENCE: Duration = Duration::from_secs(3);
/// At most this many entries of a directory are checked.
const ENTRIES_MAX: usize = 10_000;

/// What was there before the start, and what the server has touched since.
#[derive(Default)]
pub(super) struct Files {
    near: Vec<PathBuf>,
    before: HashSet<PathBuf>,
    /// What the server had open, mapped or listened at.
    touched: HashSet<PathBuf>,
    /// The ids of the server's processes as they may be written in a file, and as they are known here.
    ids: HashMap<i32, i32>,
    users: HashSet<u32>,
    /// The paths at which the server listened.
    sockets: HashSet<PathBuf>,
    memory: shared_memory::Watch,
    /// Shared memory that was made during the run, and that no process was seen to hold.
    unsure: Vec<PathBuf>,
    /// Shared memory of which it was not seen in time whether another process holds it.
    unclear: Vec<PathBuf>,
}

impl Files {
    /// Lists what is there before the start.
    pub(super) fn look(watch: &[PathBuf]) -> Self {
        let own = std::env::current_dir().into_iter();
        let near: Vec<PathBuf> = own.chain(watch.iter().cloned()).collect();
        let mut files = Self { near, ..Self::default() };
        files.before = files.places().flat_map(|place| entries(&place)).collect();
        files
    }

    fn places(&self) -> impl Iterator<Item = PathBuf> + use<> {
        self.near.clone().into_iter().chain(SHARED.map(PathBuf::from))
    }

    /// Watches the shared memory of the processes below this one from now on.
    pub(super) fn watch(&mut self, above: i32) {
        self.memory = shared_memory::Watch::start(above, self.before.clone(), in_memory);
    }

    /// Notes which files the server holds, while it is alive.
    pub(super) async fn note(&mut self, pids: &[i32], listeners: &[Listener]) {
        self.note_processes(pids);
        self.touched.extend(inspect::open_files(pids));
        let held = shared_memory::held_within(pids.to_vec(), MEMORY_PATIENCE).await;
        self.touched.extend(held.unwrap_or_default());
        let places: HashSet<PathBuf> = pids.iter().filter_map(|pid| inspect::directory(*pid)).collect();
        let named = |listener: &&Listener| listener.protocol == "unix" && !listener.address.starts_with('@');
        let addresses = listeners.iter().filter(named).map(|listener| &listener.address);
        self.sockets
            .extend(addresses.flat_map(|address| places.iter().map(move |place| place.join(address))));
        self.touched.extend(self.sockets.iter().cloned());
    }

    /// Notes the ids and users of the server's processes.
    pub(super) fn note_processes(&mut self, pids: &[i32]) {
        let written =
            |pid: &i32| inspect::ids(*pid).into_iter().map(move |id| (id, *pid)).collect::<Vec<_>>();
        self.ids.extend(pids.iter().flat_map(written));
        let folders = pids.iter().filter_map(|pid| fs::metadata(format!("/proc/{pid}")).ok());
        self.users.extend(folders.map(|folder| folder.uid()));
    }

    /// What the server has left behind.
    pub(super) async fn left(&mut self) -> Vec<LeftFile> {
        self.touched.extend(self.memory.seen());
        self.look_at_shared_memory().await;
        self.made()
    }

    /// What was not there before.
    pub(super) fn made(&self) -> Vec<LeftFile> {
        let made = self.places().flat_map(|place| entries(&place)).chain(self.touched.iter().cloned());
        let new: HashSet<PathBuf> = made.filter(|path| !self.before.contains(path)).collect();
        let mut left: Vec<LeftFile> = new.iter().filter_map(|path| self.judge(path)).collect();
        left.sort();
        left
    }

    /// Removes what the next run could trip over, once the server has ended; returns what that was. It is certain to
    /// be the server's, and worth nothing: other files stay.
    pub(super) fn put_away(&self, may_stay: impl Fn(&str) -> bool) -> Vec<LeftFile> {
        let is_put_away = |file: &LeftFile| {
            let path = Path::new(&file.path);
            let proved =
                |at: &Path| if self.is_stale(path, at) { Ok(()) } else { Err(io::ErrorKind::Other.into()) };
            !may_stay(&file.path) && proved(path).is_ok() && own_file::remove_if(path, proved).is_ok()
        };
        self.made().into_iter().filter(is_put_away).collect()
    }

    /// Whether a file that was made during the run is one of the server's that says nothing any more: a socket at which
    /// the server listened and nobody does now, a file with the id of a process of its that has ended, or an empty
    /// one that it had open. It has another name (`at`) at the last look.
    fn is_stale(&self, path: &Path, at: &Path) -> bool {
        let Ok(metadata) = at.symlink_metadata() else { return false };
        let is_its_users = self.users.contains(&metadata.uid());
        let names_an_ended_one = || {
            let process = first_number(at).and_then(|id| self.ids.get(&id));
            process.is_some_and(|pid| procfs::stat(*pid).is_none())
        };
        let is_empty = metadata.len() == 0 && self.touched.contains(path);
        let is_deserted = || self.sockets.contains(path) && answers::is_deserted(at);
        is_its_users
            && if metadata.is_file() {
                is_empty || names_an_ended_one()
            } else {
                metadata.file_type().is_socket() && is_deserted()
            }
    }

    /// Shared memory that the server's user made during the run, and that no process holds now, may be the server's or
    /// that of another program: no process was seen with it.
    async fn look_at_shared_memory(&mut self) {
        let is_its_users = |path: &PathBuf| {
            path.symlink_metadata().is_ok_and(|file| file.is_file() && self.users.contains(&file.uid()))
        };
        let is_new = |path: &PathBuf| !self.before.contains(path) && !self.touched.contains(path);
        let mut made: Vec<PathBuf> = in_memory().into_iter().filter(is_new).filter(is_its_users).collect();
        if made.is_empty() {
            return;
        }
        let all = procfs::all_pids().unwrap_or_default();
        let Some(held) = shared_memory::held_within(all, ALL_PATIENCE).await else {
            self.unclear = made;
            return;
        };
        made.retain(|path| !held.contains(path));
        self.unsure = made;
    }

    fn judge(&self, path: &Path) -> Option<LeftFile> {
        let metadata = path.symlink_metadata().ok()?;
        let is_near = path.parent().is_some_and(|parent| self.near.iter().any(|near| near == parent));
        let is_touched = self.touched.contains(path);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_its_own = is_near || is_touched;
        let kind = if self.unclear.iter().any(|unclear| unclear == path) {
            Some(LeftFile::UNCLEAR)
        } else if self.unsure.iter().any(|unsure| unsure == path) {
            Some(LeftFile::UNSURE)
        } else if metadata.file_type().is_socket() {
            is_its_own.then_some("socket")
        } else if !metadata.is_file() {
            None
        } else if path.starts_with(shared_memory::DIRECTORY) {
            is_touched.then_some("shared memory")
        } else if extension == "pid" {
            (is_its_own || self.names_a_process(path)).then_some("pid file")
        } else {
            (is_its_own && ["lock", "lck"].contains(&extension.as_str())).then_some("lock")
        };
        Some(LeftFile { path: path.display().to_string(), kind: kind?, is_near })
    }

    /// Whether a pid file is the server's: other programs write pid files, too.
    fn names_a_process(&self, path: &Path) -> bool {
        first_number(path).is_some_and(|pid| self.ids.contains_key(&pid))
    }
}

/// The number in the first line of a file. The file may be of any size, or a FIFO by now, at which a reader would hang.
fn first_number(path: &Path) -> Option<i32> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    let mut bytes = Vec::new();
    file.metadata().ok().filter(fs::Metadata::is_file)?;
    file.take(PID_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    String::from_utf8_lossy(&bytes).lines().next()?.trim().parse().ok()
}

/// All files of shared memory.
fn in_memory() -> Vec<PathBuf> {
    entries(Path::new(shared_memory::DIRECTORY))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).take(ENTRIES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn of_a_pid_file_only_the_first_bytes_are_read_and_of_no_fifo_any() {
        let place = std::env::temp_dir().join(format!("winddown-files-{}", std::process::id()));
        fs::create_dir_all(&place).expect("a directory");
        let file = |name: &str| place.join(name);
        fs::write(file("a.pid"), "4711\n/var/lib/data\n").expect("a file");
        assert_eq!(first_number(&file("a.pid")), Some(4711));
        File::create(file("b.pid")).and_then(|file| file.set_len(1 << 40)).expect("a large file");
        assert_eq!(first_number(&file("b.pid")), None);
        nix::unistd::mkfifo(&file("c.pid"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        assert_eq!(first_number(&file("c.pid")), None);
        std::os::unix::fs::symlink(file("a.pid"), file("d.pid")).expect("a link");
        assert_eq!(first_number(&file("d.pid")), None);
        fs::remove_dir_all(&place).expect("removed");
    }
}
