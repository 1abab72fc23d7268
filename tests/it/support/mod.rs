//! The harness of the tests.

pub(crate) mod builder;
pub(crate) mod docker;
pub(crate) mod json_schema;
pub(crate) mod lateness;
pub(crate) mod manager;
pub(crate) mod needs;
mod output;
pub(crate) mod pinned;
pub(crate) mod processes;
mod pty;
pub(crate) mod running;
pub(crate) mod screen;
pub(crate) mod snapshot;
pub(crate) mod trial;
pub(crate) mod turn;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use pty::Pty;
pub(crate) use trial::{short_or_long, trials};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A shell starts what it runs in the background with these ignored, and every program under test would inherit that.
pub(crate) fn default_signals() {
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: no handler is set.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Waits until the condition holds; panics with `what` when that takes too long.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(PATIENCE, condition), "not within {PATIENCE:?}: {what}");
}

/// Checks a condition every 3 ms, or less often where a check takes long: at most a third of the time goes into
/// checking. Returns false if the condition doesn't hold in time.
pub(crate) fn holds_within(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        let start = Instant::now();
        if condition() {
            return true;
        }
        let now = Instant::now();
        if now > end {
            return false;
        }
        // Reading the process table can take this long.
        std::thread::sleep((2 * (now - start)).clamp(Duration::from_millis(3), Duration::from_millis(20)));
    }
}

/// Does something this many times, two at a time, since most of it is waiting; more at a time would make every
/// start slow. `one` gets the number of the repetition.
pub(crate) fn two_at_a_time(times: u32, one: impl Fn(u32) + Sync) {
    let one = &one;
    std::thread::scope(|scope| {
        let start = |first| scope.spawn(move || (first..times).step_by(2).for_each(one));
        for thread in [0, 1].map(start) {
            // The panic's payload decides whether the test is repeated.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
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

/// A word that no other test and no other run of the tests uses.
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

    /// The path of a file in the directory.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path of plain text").to_owned()
    }

    /// Writes a file in the directory and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).expect("a file for the test");
        path
    }

    /// Copies a file into the directory, executable by every user, and returns its path. A separate
    /// process writes it: a child of another test could inherit a descriptor of ours at that moment,
    /// and a file that is open for writing can't be executed.
    #[track_caller]
    pub(crate) fn install(&self, name: &str, from: impl AsRef<Path>) -> String {
        let path = self.file(name);
        let status = Command::new("install").args(["-m", "755"]).arg(from.as_ref()).arg(&path).status();
        assert!(status.is_ok_and(|status| status.success()), "can't install {path}");
        path
    }

    /// Writes a script or a program in the directory and returns its path.
    #[track_caller]
    pub(crate) fn executable(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let from = self.file(&format!(".{name}"));
        std::fs::write(&from, content).expect("a file for the test");
        self.install(name, from)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
