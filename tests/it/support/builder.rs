//! How a run is started.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::TempDir;
use super::output::Output;
use super::processes::{TAG, Tag};
use super::running::{Ended, Running, Streams};

/// What a standard stream is connected to.
pub(crate) enum Stream {
    Null,
    Pipe,
    /// A file, which is read from or appended to.
    File(PathBuf),
    Closed,
    Fd(OwnedFd),
}

/// A run of winddown, or of a workload without it.
pub(crate) struct Winddown {
    prefix: Vec<OsString>,
    binary: Option<PathBuf>,
    args: Vec<OsString>,
    command: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
    owned: Option<PathBuf>,
    streams: [Stream; 3],
    ignored: Vec<i32>,
    blocked: Vec<i32>,
    limits: Vec<(u32, u64)>,
    inherited: Vec<OwnedFd>,
    new_session: bool,
    in_namespace: bool,
    before: Vec<Box<dyn FnMut() -> std::io::Result<()> + Send + Sync>>,
}

/// winddown as built here, or the program that `WINDDOWN_BIN` names.
pub(crate) fn winddown_path() -> PathBuf {
    std::env::var_os("WINDDOWN_BIN").map_or_else(|| env!("CARGO_BIN_EXE_winddown").into(), PathBuf::from)
}

/// The workload program. `cargo test --test it` alone doesn't build it, so this reports a missing or
/// outdated one: otherwise every test would fail for a different reason.
pub(crate) fn workload_path() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_winddown"));
    let path = built.with_file_name("examples").join("workload");
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/workload"));
    let newest = sources.into_iter().flatten().flatten().filter_map(|one| changed(&one.path()));
    assert!(
        changed(&path).is_some_and(|built| newest.max().is_none_or(|newest| newest <= built)),
        "{} is missing or old: run `cargo build --example workload` (same profile), or `cargo test`",
        path.display()
    );
    path
}

/// Runs the same check with the guard and without.
pub(crate) fn guarded_or_not(check: impl Fn(Winddown)) {
    check(Winddown::new());
    check(Winddown::new().args(["--no-guard"]));
}

fn owned(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<OsString> {
    words.into_iter().map(|word| word.as_ref().to_owned()).collect()
}

impl Winddown {
    /// `winddown`, alone in a new session without a terminal; stdin is empty, stdout and stderr are pipes.
    pub(crate) fn new() -> Self {
        Self::with_binary(Some(winddown_path()))
    }

    /// The workload or command without winddown.
    pub(crate) fn bare() -> Self {
        Self::with_binary(None)
    }

    fn with_binary(binary: Option<PathBuf>) -> Self {
        Self {
            prefix: Vec::new(),
            binary,
            args: Vec::new(),
            command: Vec::new(),
            env: Vec::new(),
            directory: None,
            owned: None,
            streams: [Stream::Null, Stream::Pipe, Stream::Pipe],
            ignored: Vec::new(),
            blocked: Vec::new(),
            limits: Vec::new(),
            inherited: Vec::new(),
            new_session: true,
            in_namespace: false,
            before: Vec::new(),
        }
    }

    /// Runs another binary instead of winddown.
    pub(crate) fn binary(mut self, path: impl AsRef<Path>) -> Self {
        self.binary = Some(path.as_ref().into());
        self
    }

    /// Adds arguments for winddown itself; a `--` follows them if there is a workload or command.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(owned(args));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), Some(value.as_ref().into())));
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.env.push((name.into(), None));
        self
    }

    pub(crate) fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.directory = Some(path.as_ref().into());
        self
    }

    /// Every process that works in this directory belongs to the run: for servers that overwrite their
    /// environment and leave the session (`PostgreSQL`).
    pub(crate) fn owns(mut self, place: &TempDir) -> Self {
        self.owned = Some(place.path().into());
        self
    }

    /// The workload program with these flags, split at blanks.
    pub(crate) fn workload(self, flags: &str) -> Self {
        self.command([workload_path().into_os_string()]).more(flags.split_whitespace())
    }

    /// Any command.
    pub(crate) fn command(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command = owned(words);
        self
    }

    /// Adds words to the end of the command; they may have any bytes.
    pub(crate) fn more(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.extend(owned(words));
        self
    }

    /// A command that ends by executing winddown, such as `["nohup"]` or `["setpriv", "..."]`.
    pub(crate) fn prefix(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.prefix.extend(owned(words));
        self
    }

    /// winddown inherits a child that it did not start: `HELPER & exec winddown ...`.
    pub(crate) fn foreign_child(self, helper: &str) -> Self {
        self.prefix(["sh", "-c", &format!("{helper} & exec \"$@\""), "sh"])
    }

    /// winddown is PID 1 of a new namespace with its own /proc (needs "pid-namespace").
    pub(crate) fn pid_1(mut self) -> Self {
        self.in_namespace = true;
        self.prefix(["unshare", "--pid", "--fork", "--mount-proc"])
    }

    pub(crate) fn stdin(mut self, stream: Stream) -> Self {
        self.streams[0] = stream;
        self
    }

    pub(crate) fn stdout(mut self, stream: Stream) -> Self {
        self.streams[1] = stream;
        self
    }

    pub(crate) fn stderr(mut self, stream: Stream) -> Self {
        self.streams[2] = stream;
        self
    }

    /// Signals ignored at the start; all others have their default action.
    pub(crate) fn ignored(mut self, signals: impl IntoIterator<Item = i32>) -> Self {
        self.ignored.extend(signals);
        self
    }

    /// Signals blocked at the start; no other signal is.
    pub(crate) fn blocked(mut self, signals: impl IntoIterator<Item = i32>) -> Self {
        self.blocked.extend(signals);
        self
    }

    /// A soft and hard limit, such as `libc::RLIMIT_NPROC`.
    pub(crate) fn limit(mut self, resource: u32, value: u64) -> Self {
        self.limits.push((resource, value));
        self
    }

    /// Keeps a descriptor open, with the same number.
    pub(crate) fn inherits(mut self, fd: OwnedFd) -> Self {
        self.inherited.push(fd);
        self
    }

    /// Stays in the session of the tests, with whatever terminal it has.
    pub(crate) fn same_session(mut self) -> Self {
        self.new_session = false;
        self
    }

    /// Runs a function in the child just before exec, where only system calls are safe.
    pub(crate) fn before_exec(
        mut self,
        call: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.before.push(Box::new(call));
        self
    }

    /// All words of the command line.
    fn words(&self) -> Vec<OsString> {
        let mut words = self.prefix.clone();
        if let Some(binary) = &self.binary {
            words.push(binary.into());
            words.extend(self.args.clone());
            if !self.command.is_empty() {
                words.push("--".into());
            }
        }
        words.extend(self.command.clone());
        words
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        let tag = Tag::new();
        let words = self.words();
        let mut command = Command::new(words.first().expect("a command"));
        command.args(&words[1..]).env(TAG, tag.value());
        for name in std::env::vars_os().map(|(name, _)| name) {
            // Settings of the person who runs the tests must not reach the test.
            if name.as_bytes().starts_with(b"WINDDOWN_") || name == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if let Some(directory) = &self.owned {
            tag.mark_directory(directory);
        }
        let closed = self.connect(&mut command);
        let Self { new_session, in_namespace, .. } = self;
        self.prepare(&mut command, closed);
        let started = Instant::now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("can't start {words:?}: {error}"),
        };
        if new_session {
            tag.mark_session(child.id().cast_signed());
        }
        let streams = Streams {
            stdin: child.stdin.take(),
            out: child.stdout.take().map(|pipe| Output::collect(pipe.into())),
            err: child.stderr.take().map(|pipe| Output::collect(pipe.into())),
        };
        Running::new(child, tag, streams, started, in_namespace)
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }

    /// Connects the streams; returns the descriptors that the child must close.
    fn connect(&mut self, command: &mut Command) -> Vec<i32> {
        let mut closed = Vec::new();
        for (number, stream) in self.streams.iter_mut().enumerate() {
            let stdio = match std::mem::replace(stream, Stream::Null) {
                Stream::Null => Stdio::null(),
                Stream::Pipe => Stdio::piped(),
                Stream::File(path) if number == 0 => {
                    OpenOptions::new().read(true).open(path).expect("a file to read").into()
                }
                Stream::File(path) => {
                    let mut how = OpenOptions::new();
                    how.append(true).create(true).open(path).expect("a file to write").into()
                }
                Stream::Closed => {
                    closed.extend(i32::try_from(number));
                    Stdio::null()
                }
                Stream::Fd(fd) => fd.into(),
            };
            match number {
                0 => command.stdin(stdio),
                1 => command.stdout(stdio),
                _ => command.stderr(stdio),
            };
        }
        closed
    }

    /// Arranges what the child does between fork and exec.
    fn prepare(self, command: &mut Command, closed: Vec<i32>) {
        let Self { ignored, blocked, limits, inherited, new_session, mut before, .. } = self;
        let call = move || {
            clean_start();
            if new_session {
                // SAFETY: changes only this new process.
                unsafe { libc::setsid() };
            }
            for fd in &inherited {
                // SAFETY: the descriptor is open; 0 clears close-on-exec.
                unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) };
            }
            for &(resource, value) in &limits {
                set_limit(resource, value);
            }
            for &fd in &closed {
                // SAFETY: nothing uses this descriptor any more.
                unsafe { libc::close(fd) };
            }
            for call in &mut before {
                call()?;
            }
            set_signals(&ignored, &blocked);
            Ok(())
        };
        // SAFETY: the closure makes system calls only and allocates nothing.
        unsafe { command.pre_exec(call) };
    }
}

/// Leaves only the standard descriptors, and no signal ignored or blocked, however the tests were started.
pub(super) fn clean_start() {
    // All zeros: the default action. By system call, since glibc reserves 32 and 33, which some
    // programs leave ignored.
    let default = [0_u64; 4];
    // SAFETY: marks descriptors that the new program must not see.
    unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
    for signal in 1..=64 {
        // SAFETY: the array is at least as large as the kernel's structure.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0_usize, 8_usize) };
    }
}

fn set_limit(resource: u32, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: reads a live rlimit.
    unsafe { libc::setrlimit(resource, &raw const limit) };
}

fn set_signals(ignored: &[i32], blocked: &[i32]) {
    // SAFETY: a sigset of zeros is empty; the actions run no code.
    unsafe {
        for &signal in ignored {
            libc::signal(signal, libc::SIG_IGN);
        }
        let mut mask = std::mem::zeroed();
        for &signal in blocked {
            libc::sigaddset(&raw mut mask, signal);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
    }
}
