//! The destination that an option names: an inherited descriptor, a named stream, or a file of ours.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;

use super::own_file::{self, FileKind, There};
use super::sink::Sink;
use crate::os::reason;

/// Where output goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Destination {
    /// `fd:N`, `-`.
    Descriptor(RawFd),
    /// A file of ours; also a FIFO, a terminal or `/dev/null` if the kind of content allows it.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Destination {
    /// Parses an option's value; the path must be free for us to take.
    ///
    /// # Errors
    /// Why the destination can't be used, with the remedy.
    pub(crate) fn parse(word: OsString, kind: &FileKind) -> Result<Self, String> {
        const NO_NAME: &str = "a file name is needed";
        let text = match word.to_str() {
            // winddown closes the standard streams once the command runs, and such a path would then lead
            // nowhere.
            Some("-" | "/dev/stdout") => Some("fd:1"),
            Some("/dev/stderr") => Some("fd:2"),
            other => other,
        };
        let number = |text: &str| {
            let prefixes = ["fd:", "/dev/fd/", "/proc/self/fd/"];
            prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).map(str::to_owned)
        };
        if let Some(number) = text.and_then(number) {
            let number = number.parse().map_err(|_| "a descriptor is a number; use fd:3")?;
            let is_open = number >= 0 && Sink::inherited(number).is_some();
            return if is_open {
                Ok(Self::Descriptor(number))
            } else {
                Err("that descriptor is not open; redirect it, e.g. 3>run.json".to_owned())
            };
        }
        let path = std::path::absolute(PathBuf::from(word)).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => NO_NAME,
            // The current directory can't be read.
            _ => "the current directory was deleted; go to another one, or give the whole path",
        })?;
        let parent = path.parent().filter(|_| path.file_name().is_some()).ok_or(NO_NAME)?;
        if !parent.is_dir() {
            return Err("its directory does not exist; create it first".to_owned());
        }
        match own_file::look(&path, kind) {
            Err(error) if error.raw_os_error().is_some() => {
                Err(format!("{}; name another file", reason(&error)))
            }
            Err(error) => Err(error.to_string()),
            Ok(_) => Ok(Self::File(path)),
        }
    }

    /// Like [`Self::parse`], for a value that must be a file.
    pub(crate) fn parse_file(word: OsString, kind: &FileKind) -> Result<PathBuf, String> {
        match Self::parse(word, kind)? {
            Self::File(path) => Ok(path),
            Self::Descriptor(_) => Err("a file name is needed, in a directory".to_owned()),
        }
    }

    /// Writes the bytes without ever waiting for a reader: a descriptor or stream gets as much as it takes at
    /// once.
    ///
    /// # Errors
    /// When the bytes can't be written, or not completely.
    pub(crate) fn write_at_once(&self, kind: &FileKind, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Descriptor(number) => write_once(*number, bytes),
            Self::File(path) => match own_file::look(path, kind)? {
                There::Stream => match own_file::open_stream(path, libc::O_NONBLOCK) {
                    Ok(stream) => write_once(stream.as_raw_fd(), bytes),
                    Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                        Err(io::Error::other("no process reads from it"))
                    }
                    Err(error) => Err(error),
                },
                _ => own_file::write(path, kind, bytes),
            },
        }
    }

    /// Writes the bytes, waiting for a reader if one is needed.
    ///
    /// # Errors
    /// When the bytes can't be written.
    #[cfg_attr(not(feature = "report"), expect(dead_code, reason = "only `report` waits for a reader"))]
    pub(crate) fn write(&self, kind: &FileKind, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Descriptor(number) => {
                // SAFETY: it was open when it was named, and nobody here closes what was inherited.
                let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
                File::from(descriptor.try_clone_to_owned()?).write_all(bytes)
            }
            Self::File(path) => match own_file::look(path, kind)? {
                There::Stream => own_file::open_stream(path, 0)?.write_all(bytes),
                _ => own_file::write(path, kind, bytes),
            },
        }
    }
}

fn write_once(number: RawFd, bytes: &[u8]) -> io::Result<()> {
    let sink = Sink::inherited(number).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
    match sink.write(bytes) {
        Ok(length) if length == bytes.len() => Ok(()),
        Ok(length) => Err(io::Error::other(format!("only {length} of {} bytes were written", bytes.len()))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other("there is no room: its reader does not keep up"))
        }
        Err(error) => Err(error),
    }
}
