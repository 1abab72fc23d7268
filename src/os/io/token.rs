//! The token: a file that appears and a descriptor that becomes readable when a stop is requested.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::descriptor::above_standard;
use super::own_file::{self, FileKind};
use super::sink::Sink;
use crate::os::one_thread::OneThread;
use crate::os::process::fork;

/// The file's content is `crate::token::text`.
pub(crate) const KIND: FileKind = FileKind {
    name: "a token",
    may_be_stream: false,
    bytes_max: 4096,
    may_be_longer: false,
    is_it: |bytes| {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        ["reason=", "deadline_ms=", "deadline_monotonic_ms="]
            .iter()
            .all(|name| lines.next().is_some_and(|line| line.starts_with(name.as_bytes())))
            && lines.eq([b""])
    },
};

/// Announces a run's stop.
#[derive(Debug)]
pub(crate) struct Token {
    path: PathBuf,
    /// Our end of the pipe: closed once the stop is announced, so that every process that holds the other end
    /// finds it readable, for good.
    pipe: Option<OwnedFd>,
}

/// The workload's end of the pipe.
#[derive(Debug)]
pub(crate) struct ReadEnd(OwnedFd);

impl ReadEnd {
    /// Its number, which is the same in the workload.
    pub(crate) fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Token {
    /// A token with a file only.
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, pipe: None }
    }

    /// Removes the file of an earlier run.
    ///
    /// # Errors
    /// When the file can't be removed, or something else is there by now.
    pub(crate) fn clear(&self) -> io::Result<()> {
        own_file::remove(&self.path, &KIND)
    }

    /// Adds the descriptor, and returns the workload's end of it.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn open_pipe(&mut self) -> io::Result<ReadEnd> {
        let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
        self.pipe = Some(above_standard(write_end)?);
        above_standard(read_end).map(ReadEnd)
    }

    /// Keeps our end of the pipe open when this process becomes the workload.
    pub(crate) fn keep_open(&self) {
        if let Some(number) = self.descriptor() {
            // SAFETY: sets a flag of a descriptor that we own.
            unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        }
    }

    /// The number of our end, which must stay open.
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        self.pipe.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Announces the stop by the descriptor. Never waits.
    pub(crate) fn make_readable(&mut self, text: &str) {
        if let Some(pipe) = self.pipe.take() {
            // The pipe is empty, and its other end may be gone.
            let _ = Sink::inherited(pipe.as_raw_fd()).map(|sink| sink.write(text.as_bytes()));
        }
    }

    /// Announces the stop by the file. A short-lived process writes it, whose id is returned: a file system
    /// that hangs delays nothing.
    ///
    /// # Errors
    /// When no process can be created.
    pub(crate) fn write_file(&self, one_thread: OneThread, text: &str) -> io::Result<i32> {
        fork::start(one_thread, || {
            let error = own_file::write(&self.path, &KIND, text.as_bytes()).err();
            error.map_or(0, |error| match (error.raw_os_error(), error.kind()) {
                (Some(number), _) => number,
                (None, io::ErrorKind::NotFound) => libc::ENOENT,
                // What is there is not ours.
                (None, _) => libc::EEXIST,
            })
        })
    }
}
