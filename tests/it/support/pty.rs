//! A terminal in which an interactive shell or a single program runs.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};

use nix::sys::termios::{Termios, tcgetattr};

use super::builder::{clean_start, winddown_path, workload_path};
use super::output::{Output, fact};
use super::pinned::Pinned;
use super::processes::{TAG, Tag};
use super::{PATIENCE, eventually};

/// The shell's prompt.
pub(crate) const PROMPT: &str = "ready> ";

/// The side of the terminal at which a person would sit. Dropping it kills everything started in the terminal.
pub(crate) struct Pty {
    child: Child,
    /// `None` once the terminal is hung up.
    screen: Option<Output>,
    /// The end of the text that `expect` has searched.
    seen: usize,
    tag: Tag,
}

impl Pty {
    /// Starts an interactive bash and waits for its first prompt. `$WD` is winddown, `$WL` the workload program.
    #[track_caller]
    pub(crate) fn bash() -> Self {
        let mut pty = Self::program(["bash", "--norc", "--noprofile", "-i"]);
        pty.prompt();
        pty
    }

    /// Starts a single program as the session's leader, without a shell.
    #[track_caller]
    pub(crate) fn program(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let tag = Tag::new();
        let (master, slave) = open();
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        command.env(TAG, tag.value()).env("WD", winddown_path()).env("WL", workload_path());
        // A dumb terminal: bash adds no escape sequences to the text that a test expects.
        command.env("PS1", PROMPT).env("TERM", "dumb").env("HISTFILE", "").env("LC_ALL", "C.UTF-8");
        for name in ["PROMPT_COMMAND", "NO_COLOR", "WINDDOWN_BIN", "WINDDOWN_TEST_ALL", "ENV"] {
            command.env_remove(name);
        }
        let copy = || slave.try_clone().expect("a copy of the terminal");
        command.stdin(copy()).stdout(copy()).stderr(copy());
        let call = || {
            clean_start();
            // SAFETY: a new session takes the terminal on descriptor 0 as its own.
            let failed = unsafe { libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) != 0 };
            if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        };
        // SAFETY: the closure makes system calls only and allocates nothing.
        unsafe { command.pre_exec(call) };
        let child = command.spawn().expect("a program in a terminal");
        tag.mark_session(child.id().cast_signed());
        Self { child, screen: Some(Output::collect(master)), seen: 0, tag }
    }

    /// The session leader's pid.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    #[track_caller]
    fn output(&self) -> &Output {
        self.screen.as_ref().expect("the terminal is still there")
    }

    /// Types keys: `\r` is Return, `\x03` Ctrl+C, `\x1a` Ctrl+Z, `\x04` Ctrl+D, `\x1c` Ctrl+\.
    #[track_caller]
    pub(crate) fn keys(&mut self, keys: &str) {
        let mut left = keys.as_bytes();
        while !left.is_empty() {
            let written = nix::unistd::write(self.output().source(), left).expect("a terminal");
            left = &left[written..];
        }
    }

    /// Types a line and waits until the terminal has echoed it, so that only its output is expected next.
    #[track_caller]
    pub(crate) fn line(&mut self, line: &str) {
        self.keys(line);
        self.expect(line);
        self.keys("\r");
    }

    /// Waits for the shell's next prompt; returns what came before it.
    #[track_caller]
    pub(crate) fn prompt(&mut self) -> String {
        self.expect(PROMPT)
    }

    /// At a prompt: types a command and waits for the next prompt; returns what came between.
    #[track_caller]
    pub(crate) fn command(&mut self, line: &str) -> String {
        self.line(line);
        self.prompt().trim().to_owned()
    }

    /// Waits for text after the last text that was expected; returns what came before it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let seen = self.seen;
        let found = self.output().wait(PATIENCE, |screen| {
            let rest = screen.get(seen..)?;
            rest.find(text).map(|at| (rest[..at].to_owned(), seen + at + text.len()))
        });
        let Some((before, end)) = found else {
            panic!("no {text:?} on the screen after byte {seen}:\n{}", self.screen())
        };
        self.seen = end;
        before
    }

    /// Waits for the value of a fact that is printed anywhere on the screen.
    #[track_caller]
    pub(crate) fn fact(&self, name: &str) -> String {
        let found = self.output().wait(PATIENCE, |screen| fact(screen, name));
        found.unwrap_or_else(|| panic!("no fact {name} on the screen:\n{}", self.screen()))
    }

    /// The same, for a number.
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> i32 {
        let value = self.fact(name);
        value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    }

    /// Everything that was ever shown.
    pub(crate) fn screen(&self) -> String {
        self.output().text()
    }

    /// How many lines on the screen contain this text.
    pub(crate) fn count(&self, part: &str) -> usize {
        let lines = super::output::complete_lines(&self.screen());
        lines.iter().filter(|line| line.contains(part)).count()
    }

    /// The terminal's modes; compare two values with `==`.
    #[track_caller]
    pub(crate) fn modes(&self) -> Termios {
        tcgetattr(self.output().source()).expect("a terminal's modes")
    }

    /// The foreground process group.
    #[track_caller]
    pub(crate) fn foreground(&self) -> i32 {
        nix::unistd::tcgetpgrp(self.output().source()).expect("a foreground group").as_raw()
    }

    /// Waits until this group is in the foreground.
    #[track_caller]
    pub(crate) fn wait_foreground(&self, group: i32) {
        eventually("the group is in the foreground", || self.foreground() == group);
    }

    /// Gives the terminal another size, as a window manager does.
    #[track_caller]
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: reads a live size.
        let result =
            unsafe { libc::ioctl(self.output().source().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0, "TIOCSWINSZ: {}", std::io::Error::last_os_error());
    }

    /// Closes the terminal, as a lost connection does; returns everything that was shown.
    pub(crate) fn hang_up(&mut self) -> String {
        self.screen.take().map_or(String::new(), Output::close)
    }

    /// Waits for the session leader's end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(Pinned::child(&self.child).ends(), "the session leader lives on");
        self.tag.forget_session();
        self.child.wait().expect("a child's status")
    }

    /// The marks of its processes.
    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.hang_up();
        let _ = self.child.kill();
        self.tag.forget_session();
        let _ = self.child.wait();
    }
}

/// Opens both sides of a terminal with 24 lines of 200 columns. Close-on-exec from the start: another test's
/// fork must not keep the terminal open.
fn open() -> (OwnedFd, OwnedFd) {
    let size = libc::winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: each call uses the descriptor that the first call opened; both are owned below.
    unsafe {
        let master = libc::posix_openpt(flags);
        assert!(master >= 0, "posix_openpt: {}", std::io::Error::last_os_error());
        let master = OwnedFd::from_raw_fd(master);
        libc::grantpt(master.as_raw_fd());
        libc::unlockpt(master.as_raw_fd());
        libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size);
        let slave = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        assert!(slave >= 0, "TIOCGPTPEER: {}", std::io::Error::last_os_error());
        (master, OwnedFd::from_raw_fd(slave))
    }
}
