//! Files that a server makes and should remove: sockets, locks, pid files, shared memory.

use std::collections::HashSet;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::observed::{LeftFile, Listener};
use crate::os::below;

/// Where pid files and shared memory are by custom.
const SHARED: [&str; 4] = ["/dev/shm", "/run", "/run/lock", "/tmp"];
/// Of a larger directory the rest is not looked at.
const ENTRIES_MAX: usize = 10_000;

/// Everything there was before the start.
pub(super) struct Files {
    near: Vec<PathBuf>,
    before: HashSet<PathBuf>,
    /// What the server had open or listened at.
    touched: HashSet<PathBuf>,
    pids: HashSet<i32>,
}

impl Files {
    /// Looks around before the start.
    pub(super) fn look(watch: &[PathBuf]) -> Self {
        let own = std::env::current_dir().into_iter();
        let near: Vec<PathBuf> = own.chain(watch.iter().cloned()).collect();
        let mut files = Self { near, before: HashSet::new(), touched: HashSet::new(), pids: HashSet::new() };
        files.before = files.places().flat_map(|place| entries(&place)).collect();
        files
    }

    fn places(&self) -> impl Iterator<Item = PathBuf> + use<> {
        self.near.clone().into_iter().chain(SHARED.map(PathBuf::from))
    }

    /// Notes what the server has, while it is there.
    pub(super) fn note(&mut self, pids: &[i32], listeners: &[Listener]) {
        self.pids.extend(pids);
        self.touched.extend(below::open_files(pids));
        let paths = listeners.iter().filter(|listener| listener.protocol == "unix");
        self.touched
            .extend(paths.map(|listener| PathBuf::from(&listener.address)).filter(|path| path.is_absolute()));
    }

    /// What it has left.
    pub(super) fn left(&self) -> Vec<LeftFile> {
        let made = self.places().flat_map(|place| entries(&place)).chain(self.touched.iter().cloned());
        let new: HashSet<PathBuf> = made.filter(|path| !self.before.contains(path)).collect();
        let mut left: Vec<LeftFile> = new.iter().filter_map(|path| self.judge(path)).collect();
        left.sort();
        left
    }

    fn judge(&self, path: &Path) -> Option<LeftFile> {
        let metadata = path.symlink_metadata().ok()?;
        let is_near = path.parent().is_some_and(|parent| self.near.iter().any(|near| near == parent));
        let is_touched = self.touched.contains(path);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_its_own = is_near || is_touched;
        let kind = if metadata.file_type().is_socket() {
            is_its_own.then_some("socket")
        } else if !metadata.is_file() {
            None
        } else if path.starts_with("/dev/shm") {
            is_touched.then_some("shared memory")
        } else if extension == "pid" {
            (is_its_own || self.names_a_process(path)).then_some("pid file")
        } else {
            (is_its_own && ["lock", "lck"].contains(&extension.as_str())).then_some("lock")
        };
        Some(LeftFile { path: path.display().to_string(), kind: kind?, is_near })
    }

    /// Other jobs write pid files, too.
    fn names_a_process(&self, path: &Path) -> bool {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim().parse().is_ok_and(|pid| self.pids.contains(&pid))
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).take(ENTRIES_MAX).collect()
}
