//! Descriptors: kept away from the standard streams, and written to without ever waiting.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// The first number that is no standard stream.
const FIRST: RawFd = 3;

/// Moves a descriptor out of the way of the standard streams: when one of those was closed at the
/// start, the kernel hands out its number, and a log line would go into whatever was opened.
///
/// # Errors
/// When no descriptor is left.
pub fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    // SAFETY: duplicates a descriptor that we own; no memory is involved.
    let moved = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) };
    if moved < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Whether it is an open pipe.
#[must_use]
pub fn is_pipe(descriptor: RawFd) -> bool {
    Sink::inherited(descriptor).is_some_and(|sink| sink.kind == Kind::Pipe)
}

/// Waits until something can be read, or its other end is closed; not at all for one that is closed.
pub fn wait_until_readable(descriptor: RawFd) {
    while poll_in(descriptor, -1).is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
}

/// Whether something can be read, or its other end is closed, at the latest after this time. False for
/// one that is closed.
#[must_use]
pub fn is_readable(descriptor: RawFd, patience: Duration) -> bool {
    let wait_ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    poll_in(descriptor, wait_ms).is_ok_and(|events| events & (libc::POLLIN | libc::POLLHUP) != 0)
}

fn poll_in(descriptor: RawFd, wait_ms: i32) -> io::Result<i16> {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid `pollfd`.
    match unsafe { libc::poll(&raw mut poll, 1, wait_ms) } {
        0.. => Ok(poll.revents),
        _ => Err(io::Error::last_os_error()),
    }
}

/// At most so long there is waited for room after each try.
const TRY_WAIT_MS: i32 = 5;

/// What is behind a descriptor, as far as writing without waiting is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Socket,
    Pipe,
    Terminal,
    /// Devices that are no terminals.
    Device,
    Regular,
}

/// A descriptor that is written to only where that can't block: it may be shared with the
/// workload, so it is never made non-blocking itself.
#[derive(Clone, Copy, Debug)]
pub struct Sink {
    descriptor: RawFd,
    kind: Kind,
}

impl Sink {
    /// A sink on an inherited descriptor; nothing if it is closed.
    #[must_use]
    pub fn inherited(descriptor: RawFd) -> Option<Self> {
        // SAFETY: `stat` is plain data that the kernel fills in.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `stat` is valid for writes for the whole call.
        if unsafe { libc::fstat(descriptor, &raw mut stat) } != 0 {
            return None;
        }
        let kind = match stat.st_mode & libc::S_IFMT {
            libc::S_IFSOCK => Kind::Socket,
            libc::S_IFIFO => Kind::Pipe,
            // SAFETY: a borrowed descriptor number; `isatty` checks it.
            libc::S_IFCHR if unsafe { libc::isatty(descriptor) } == 1 => Kind::Terminal,
            libc::S_IFCHR => Kind::Device,
            _ => Kind::Regular,
        };
        Some(Self { descriptor, kind })
    }

    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self.kind == Kind::Terminal
    }

    /// How wide the terminal is, if something may be written to it at any moment: somebody else's job has
    /// its prompt there, and who reads keys one by one draws the screen itself.
    #[must_use]
    pub fn shared_columns(self) -> Option<usize> {
        const COLUMNS: usize = 80;
        // SAFETY: the descriptor is only borrowed for the calls, and checked by the kernel.
        let terminal = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        let is_elsewhere = tcgetpgrp(terminal).is_ok_and(|group| group != getpgrp());
        let modes = tcgetattr(terminal).ok()?.local_flags;
        let is_usual = modes.contains(LocalFlags::ICANON | LocalFlags::ISIG);
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the kernel writes one size into a live one.
        let told = unsafe { libc::ioctl(self.descriptor, libc::TIOCGWINSZ, &raw mut size) } == 0;
        let columns = if told && size.ws_col > 0 { usize::from(size.ws_col) } else { COLUMNS };
        (is_usual && !is_elsewhere).then_some(columns)
    }

    /// Writes as much as is taken at once.
    ///
    /// # Errors
    /// `WouldBlock` when the other side does not read; whatever else the kernel says.
    pub fn write(self, bytes: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => self.send(bytes),
            Kind::Pipe => match self.write_no_wait(bytes) {
                // Not for pipes of old kernels; not at all in containers whose profile does not know it.
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
            Kind::Terminal => self.write_to_terminal(bytes),
            Kind::Device => self.write_if_ready(bytes),
            Kind::Regular => self.write_plain(bytes),
        }
    }

    /// The same with a little patience: so many tries, each but the first after 5 ms at most. Who reads
    /// and is only behind makes room within that.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_patiently(self, bytes: &[u8], tries: usize) -> io::Result<usize> {
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

    /// Through a descriptor of our own, which does not wait: a terminal that has room for a part of
    /// a line is ready to be written to, and would hold us until somebody reads it.
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

    /// A stopped terminal, or a full pipe, says so before it is written to. A pipe that is not full has
    /// room for `PIPE_BUF` bytes.
    fn write_if_ready(self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_room(0) { self.write_plain(bytes) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Whether it can be written to, at the latest after this time.
    fn has_room(self, wait_ms: i32) -> bool {
        let mut poll = libc::pollfd { fd: self.descriptor, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one valid `pollfd`.
        let ready = unsafe { libc::poll(&raw mut poll, 1, wait_ms) };
        ready == 1 && poll.revents & libc::POLLOUT != 0
    }

    fn write_plain(self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the descriptor is only borrowed for the call, and checked by the kernel.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        Ok(nix::unistd::write(descriptor, bytes)?)
    }
}

fn written(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Leaves the directory and closes stdin, stdout and every descriptor from 3 on, but for those in
/// `keep`: a directory we stay in can't be unmounted, and a pipe that we hold open never ends.
pub fn leave_surroundings(keep: &[RawFd]) {
    let _ = nix::unistd::chdir("/");
    close_inherited(keep);
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        if !keep.contains(&stream) {
            // SAFETY: nothing here reads stdin or writes to stdout once the workload runs.
            unsafe { libc::close(stream) };
        }
    }
}

/// Keeps a descriptor that was meant for winddown from the workload.
/// The standard streams are the workload's too, whatever else they serve for.
pub fn keep_from_workload(number: RawFd) {
    if number < FIRST {
        return;
    }
    // SAFETY: sets a flag of a descriptor that the user has given to us.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// Closes every descriptor from 3 on except those in `keep`: an inherited one would hold a lock, or
/// keep a pipe from its end, for as long as we live.
pub(super) fn close_inherited(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    let mut first = FIRST.unsigned_abs();
    for kept in keep.into_iter().filter(|kept| *kept >= FIRST.unsigned_abs()).chain([u32::MAX]) {
        if first < kept {
            let last = if kept == u32::MAX { kept } else { kept - 1 };
            // SAFETY: closes only numbers that nothing in this process uses, as the caller says.
            if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0 {
                close_one_by_one(first, last);
            }
        }
        first = kept.saturating_add(1);
    }
}

/// The same before Linux 5.9, and where a container's profile does not know the call.
fn close_one_by_one(first: u32, last: u32) {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    // All of them before the first is closed: the list is read through a descriptor too.
    let open: Vec<u32> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in open.into_iter().filter(|number| (first..=last).contains(number)) {
        // SAFETY: as above.
        unsafe { libc::close(number.cast_signed()) };
    }
}
