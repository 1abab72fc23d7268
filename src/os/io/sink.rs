//! Writes to descriptors without ever waiting.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::fd::RawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::poll::PollFlags;
use nix::sys::stat::fstat;
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::{getpgrp, isatty, tcgetpgrp};

use super::descriptor::{borrow, poll_for};

/// How long each retry waits for room, at most.
const TRY_WAIT_MS: u8 = 5;

/// The width of a terminal of unknown width, and of everything else.
const COLUMNS: usize = 80;

/// How many columns the terminal has.
pub(crate) fn columns(descriptor: RawFd) -> usize {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one size into a live one.
    let is_known = unsafe { libc::ioctl(descriptor, libc::TIOCGWINSZ, &raw mut size) } == 0;
    if is_known && size.ws_col > 0 { usize::from(size.ws_col) } else { COLUMNS }
}

/// The same; nothing if it is no terminal.
#[cfg(feature = "report")]
pub(crate) fn terminal_columns(descriptor: RawFd) -> Option<usize> {
    Sink::inherited(descriptor).is_some_and(Sink::is_terminal).then(|| columns(descriptor))
}

/// What a descriptor leads to, as far as non-blocking writes are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SinkKind {
    Socket,
    Pipe,
    Terminal,
    /// A device other than a terminal.
    Device,
    Regular,
}

/// A descriptor that is written to only if that can't block. The workload may share it, so it is never made
/// non-blocking itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sink {
    descriptor: RawFd,
    kind: SinkKind,
}

impl Sink {
    /// A sink for an inherited descriptor; nothing if it is closed.
    pub(crate) fn inherited(descriptor: RawFd) -> Option<Self> {
        let borrowed = (descriptor >= 0).then(|| borrow(descriptor))?;
        let stat = fstat(borrowed).ok()?;
        let kind = match stat.st_mode & libc::S_IFMT {
            libc::S_IFSOCK => SinkKind::Socket,
            libc::S_IFIFO => SinkKind::Pipe,
            libc::S_IFCHR if isatty(borrowed) == Ok(true) => SinkKind::Terminal,
            libc::S_IFCHR => SinkKind::Device,
            _ => SinkKind::Regular,
        };
        Some(Self { descriptor, kind })
    }

    pub(crate) fn is_terminal(self) -> bool {
        self.kind == SinkKind::Terminal
    }

    /// The width of the terminal, if a line may be written to it at any moment: not if another job has its
    /// prompt there, or a program that reads single keys draws the screen.
    pub(crate) fn shared_columns(self) -> Option<usize> {
        let terminal = borrow(self.descriptor);
        let is_elsewhere = tcgetpgrp(terminal).is_ok_and(|group| group != getpgrp());
        let modes = tcgetattr(terminal).ok()?.local_flags;
        let is_usual = modes.contains(LocalFlags::ICANON | LocalFlags::ISIG);
        (is_usual && !is_elsewhere).then(|| columns(self.descriptor))
    }

    /// Writes as much as can be written at once.
    ///
    /// # Errors
    /// `WouldBlock` if the reader does not keep up; else the kernel's error.
    pub(crate) fn write(self, bytes: &[u8]) -> io::Result<usize> {
        match self.kind {
            SinkKind::Socket => self.send(bytes),
            SinkKind::Pipe => match self.write_no_wait(bytes) {
                // Old kernels don't support it for pipes, and the profile of some containers doesn't know it.
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM)
                    ) =>
                {
                    self.write_if_ready(&bytes[..bytes.len().min(libc::PIPE_BUF)])
                }
                result => result,
            },
            SinkKind::Terminal => self.write_to_terminal(bytes),
            SinkKind::Device => self.write_if_ready(bytes),
            SinkKind::Regular => self.write_plain(bytes),
        }
    }

    /// Like [`Self::write`], with up to this many tries, each after waiting 5 ms at most for room. A reader
    /// that is only slow makes room in that time.
    pub(crate) fn write_patiently(self, bytes: &[u8], tries: usize) -> io::Result<usize> {
        let mut taken = 0;
        for tried in 1..=tries {
            match self.write(&bytes[taken..]) {
                Ok(length) => taken += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
            }
            if taken == bytes.len() || tried == tries {
                break;
            }
            self.has_room(TRY_WAIT_MS);
        }
        Ok(taken)
    }

    fn send(self, bytes: &[u8]) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `bytes` is valid for reads for the whole call.
        written(unsafe { libc::send(self.descriptor, bytes.as_ptr().cast(), bytes.len(), flags) })
    }

    fn write_no_wait(self, bytes: &[u8]) -> io::Result<usize> {
        let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: one part, valid for reads for the whole call; the kernel does not write to it.
        written(unsafe { libc::pwritev2(self.descriptor, &raw const part, 1, -1, libc::RWF_NOWAIT) })
    }

    /// Writes through a non-blocking descriptor of our own: a terminal with room for part of a line counts as
    /// ready, and would block us until someone reads from it.
    fn write_to_terminal(self, bytes: &[u8]) -> io::Result<usize> {
        let again = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(format!("/proc/self/fd/{}", self.descriptor));
        match again {
            Ok(mut terminal) => terminal.write(bytes),
            Err(_) => self.write_if_ready(bytes),
        }
    }

    /// poll reports a stopped terminal or a full pipe beforehand. A pipe that is not full has room for
    /// `PIPE_BUF` bytes.
    fn write_if_ready(self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_room(0) { self.write_plain(bytes) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Whether the descriptor can be written to, now or within this time.
    fn has_room(self, wait_ms: u8) -> bool {
        let events = poll_for(self.descriptor, PollFlags::POLLOUT, wait_ms.into());
        events.is_ok_and(|events| events.contains(PollFlags::POLLOUT))
    }

    fn write_plain(self, bytes: &[u8]) -> io::Result<usize> {
        Ok(nix::unistd::write(borrow(self.descriptor), bytes)?)
    }
}

fn written(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Whether a descriptor is an open pipe.
pub(crate) fn is_pipe(descriptor: RawFd) -> bool {
    Sink::inherited(descriptor).is_some_and(|sink| sink.kind == SinkKind::Pipe)
}
