//! What the tests are built with.

pub(crate) mod builder;
pub(crate) mod docker;
pub(crate) mod manager;
pub(crate) mod needs;
mod output;
pub(crate) mod processes;
mod pty;
pub(crate) mod running;
pub(crate) mod screen;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use needs::trials;
pub(crate) use pty::Pty;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the condition holds; panics with `what` after 20 s.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(Duration::from_secs(20), condition), "not within 20 s: {what}");
}

/// Looks at a condition every 3 ms; false if it didn't come to hold in that time.
pub(crate) fn holds_within(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Reads a file that holds one JSON value.
#[track_caller]
pub(crate) fn read_json(path: impl AsRef<Path>) -> serde_json::Value {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The lines of a file so far.
pub(crate) fn file_lines(file: &str) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(Into::into).collect()
}

/// Waits for a line of a file.
#[track_caller]
pub(crate) fn wait_file_line(file: &str, line: &str) {
    eventually(&format!("{line} is in {file}"), || file_lines(file).iter().any(|one| one == line));
}

/// Waits for the value of a fact in a file.
#[track_caller]
pub(crate) fn wait_file_number(file: &str, name: &str) -> i32 {
    let mut number = None;
    eventually(&format!("{name} is in {file}"), || {
        let found =
            file_lines(file).into_iter().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
        number = found.and_then(|found| found.parse().ok());
        number.is_some()
    });
    number.expect("found")
}

/// A word that no other test, and no other run of the tests, uses.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("{}-{since}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A directory that is removed at the end of the test.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("winddown-test-{}", unique()));
        std::fs::create_dir(&path).expect("a directory for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path of plain text").to_owned()
    }

    /// Writes a file in it and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).expect("a file for the test");
        path
    }

    /// Copies a file into it that every user can execute, and returns its path. A process of its own
    /// writes it: a descriptor of ours could be in a child of another test at the moment, and what
    /// is open for writing can't be executed.
    #[track_caller]
    pub(crate) fn install(&self, name: &str, from: impl AsRef<Path>) -> String {
        let path = self.file(name);
        let status = Command::new("install").args(["-m", "755"]).arg(from.as_ref()).arg(&path).status();
        assert!(status.is_ok_and(|status| status.success()), "can't install {path}");
        path
    }

    /// Writes a script in it and returns its path.
    #[track_caller]
    pub(crate) fn executable(&self, name: &str, text: &str) -> String {
        let from = self.write(&format!(".{name}"), text);
        self.install(name, from)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
