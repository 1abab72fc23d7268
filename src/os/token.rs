//! The token: a file that appears when a stop is asked, and a descriptor that becomes readable then.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::descriptor::{Sink, above_standard};
use super::{helper, whole_file};

/// Where a run tells its stop.
#[derive(Debug)]
pub struct Token {
    path: PathBuf,
    /// Our end of the pipe: closed once the stop is told, so that everybody who holds the other end
    /// finds it readable, for good.
    pipe: Option<OwnedFd>,
}

/// The workload's end of the pipe.
#[derive(Debug)]
pub struct ReadEnd(OwnedFd);

impl ReadEnd {
    /// Its number, in the workload as well.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Takes the file of an earlier run away, and checks that a new one can be made.
///
/// # Errors
/// When it can't.
pub fn prepare(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    whole_file::check(path)
}

impl Token {
    /// One that tells by the file alone.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, pipe: None }
    }

    /// Adds the descriptor, and gives the workload's end of it.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn open_pipe(&mut self) -> io::Result<ReadEnd> {
        let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
        self.pipe = Some(above_standard(write_end)?);
        above_standard(read_end).map(ReadEnd)
    }

    /// Lets our end of the descriptor live on when this process becomes the workload.
    pub fn keep_open(&self) {
        if let Some(number) = self.descriptor() {
            // SAFETY: sets a flag of a descriptor that we own.
            unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        }
    }

    /// Our end's number, to be kept open.
    #[must_use]
    pub fn descriptor(&self) -> Option<RawFd> {
        self.pipe.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells it in the descriptor. Never waits.
    pub fn make_readable(&mut self, text: &str) {
        if let Some(pipe) = self.pipe.take() {
            // Nothing is in the pipe yet, and nobody may be at its other end any more.
            let _ = Sink::inherited(pipe.as_raw_fd()).map(|sink| sink.write(text.as_bytes()));
        }
    }

    /// Tells it in the file, by a short-lived process, whose id is returned: a file system that hangs
    /// delays nothing.
    ///
    /// # Errors
    /// When there is no process left for it.
    pub fn write_file(&self, text: &str) -> io::Result<i32> {
        helper::start(|| {
            let error = whole_file::write(&self.path, text.as_bytes(), |_| {}).err();
            error.map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO))
        })
    }
}
