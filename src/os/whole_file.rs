//! Files that appear, or are replaced, whole: a reader sees the old one or the new one, never a part.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside its place and renames it. `prepare` gets the new file before there is anything
/// in it.
///
/// # Errors
/// When it can't be written, or put in place; then nothing of it is left.
pub fn write(path: &Path, bytes: &[u8], prepare: impl FnOnce(&File)) -> io::Result<()> {
    let temporary = beside(path);
    let mut file = create(&temporary)?;
    prepare(&file);
    let result = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Whether a file could be written there.
///
/// # Errors
/// Why not.
pub fn check(path: &Path) -> io::Result<()> {
    let temporary = beside(path);
    create(&temporary)?;
    fs::remove_file(&temporary)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// A file of its own; one that a killed winddown of the same id has left is taken away. As PID 1
/// every run has the same id.
fn create(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(path);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()
        }
        result => result,
    }
}
