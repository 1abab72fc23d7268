//! Programs that `winddown check` starts: each in a session of its own, with default dispositions and an
//! empty mask, so that a verdict does not depend on the caller.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::fcntl::OFlag;

use super::procfs::Directory;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::signal::receive;
use crate::os::signal::send;

/// A command with these defaults and without stdin, which inherits the descriptor, if there is one.
pub(crate) fn command(program: impl AsRef<OsStr>, inherits: Option<RawFd>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    let prepare = move || {
        let _ = nix::unistd::setsid();
        (1..=64).filter_map(Signal::new).for_each(|signal| receive::set_ignored(signal, false));
        receive::set_mask(SignalSet::default());
        // SAFETY: concerns only this process's descriptor.
        let kept = inherits.is_none_or(|number| unsafe { libc::fcntl(number, libc::F_SETFD, 0) } == 0);
        if kept { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: all that is called is safe between fork and exec: plain system calls, no allocation.
    unsafe { command.pre_exec(prepare) };
    command
}

/// The main job, which stops with us; the caller adds the other options. Removes every variable that
/// configures us.
pub(crate) fn winddown(inherits: Option<RawFd>) -> Command {
    let mut command = command("/proc/self/exe", inherits);
    command.arg0("winddown").args(["-q", "--stop-with-parent", "--kill-with-parent"]);
    let is_for_us = |name: &OsStr| name == "NOTIFY_SOCKET" || name.to_string_lossy().starts_with("WINDDOWN_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_for_us(name)) {
        command.env_remove(name);
    }
    command
}

/// A shell command of check's own. When we end it is killed, with everything it has started.
pub(crate) fn shell(text: &str) -> Command {
    let mut shell = winddown(None);
    shell.args(["-t", "0", "--", "/bin/sh", "-c", text]);
    shell
}

/// Starts a command with descriptor 0 closed.
pub(crate) fn close_stdin(command: &mut Command) {
    let prepare = || {
        // SAFETY: concerns only this process's descriptor.
        unsafe { libc::close(0) };
        Ok(())
    };
    // SAFETY: one plain system call.
    unsafe { command.pre_exec(prepare) };
}

/// A terminal: our end, and the program's. It is no controlling terminal.
///
/// # Errors
/// As `posix_openpt(3)` and `open(2)`.
pub(crate) fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let ours = nix::pty::posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    nix::pty::grantpt(&ours)?;
    nix::pty::unlockpt(&ours)?;
    let name = nix::pty::ptsname_r(&ours)?;
    let its = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name)?;
    Ok((ours.into(), its.into()))
}

/// Fills a pipe whose other end we read, so that its writers block.
///
/// # Errors
/// When the pipe can't be opened or written to.
pub(crate) fn fill(reader: &OwnedFd) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let mut writer = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let page = [0; 4096];
    loop {
        match writer.write(&page) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// A file in memory, which vanishes with its last user.
///
/// # Errors
/// As `memfd_create(2)`.
pub(crate) fn memory_file() -> io::Result<File> {
    Ok(nix::sys::memfd::memfd_create(c"winddown-record", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?.into())
}

/// The number by which a child can inherit the file.
pub(crate) fn number(file: &File) -> RawFd {
    file.as_raw_fd()
}

/// A process that can be signalled safely while it exists, even if its id is reused later.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) pid: i32,
    directory: Option<Directory>,
}

impl Handle {
    /// Refers to an existing process.
    pub(crate) fn new(pid: i32) -> Self {
        Self { pid, directory: Directory::open(pid) }
    }

    /// Sends a signal, if the process still exists.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(directory) = &self.directory else { return };
        let refused = directory.signal(signal).err().and_then(|error| error.raw_os_error());
        // A profile may refuse the call: then by id, while the process exists.
        if matches!(refused, Some(libc::ENOSYS | libc::EPERM)) && self.pid > 1 && directory.stat().is_some() {
            let _ = send::send(self.pid, signal);
        }
    }

    /// Whether the process has ended, reaped or not.
    pub(crate) fn has_exited(&self) -> bool {
        let stat = self.directory.as_ref().and_then(Directory::stat);
        stat.is_none_or(|stat| stat.has_exited())
    }
}
