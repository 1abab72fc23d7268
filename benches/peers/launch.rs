//! Starts a supervisor so that the time of its `execve` is known to the nanosecond.
//!
//! Not by `std::process::Command`: that wakes the parent at the `execve`, and can't make the
//! child PID 1 of a namespace.

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::mem;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::os;
use crate::programs::{Program, Setting};
use crate::workload::{self, Role};

/// 10 ms apart.
const FORK_ATTEMPTS: u32 = 500;
const PATH: &CStr = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A page shared with the children, which holds the time of the last `execve`.
pub(crate) struct Stamp(&'static AtomicU64);

impl Stamp {
    pub(crate) fn new() -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at a place of the kernel's choice, which touches nothing else.
        let page = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: zeroed, aligned to a page, never unmapped, and only used as this atomic.
        Ok(Self(unsafe { &*page.cast::<AtomicU64>() }))
    }

    pub(crate) fn get_ns(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A supervisor with its workload; both are gone when this is dropped, orphans excepted.
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// The messages of the workload.
    pub(crate) messages: Option<PipeReader>,
    reaped: bool,
    /// Held open, so that the supervisor does not pay for tearing down the mount namespace.
    mounts: Option<File>,
}

impl Running {
    fn new(pid: i32) -> Self {
        Self { pid, messages: None, reaped: false, mounts: None }
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.pid), signal)?)
    }

    pub(crate) fn wait(&mut self) -> io::Result<()> {
        waitpid(Pid::from_raw(self.pid), None)?;
        self.reaped = true;
        Ok(())
    }

    pub(crate) fn message(&self) -> io::Result<u64> {
        self.messages.as_ref().map_or(Err(io::ErrorKind::NotFound.into()), os::read_message)
    }

    /// The first message of each workload is its process id.
    pub(crate) fn workload_pid(&self) -> io::Result<i32> {
        i32::try_from(self.message()?).map_err(io::Error::other)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            // The process may have ended; it is reaped only here, so its id is still ours.
            let _ = self.signal(Signal::SIGKILL);
            while waitpid(Pid::from_raw(self.pid), None) == Err(Errno::EINTR) {}
        }
    }
}

pub(crate) struct Launcher {
    pub(crate) stamp: Stamp,
    null: File,
}

impl Launcher {
    pub(crate) fn new() -> io::Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        Ok(Self { stamp: Stamp::new()?, null })
    }

    /// The program with this benchmark's own executable as its workload.
    pub(crate) fn role(&self, program: &Program, setting: Setting, role: Role) -> io::Result<Running> {
        let (reader, writer) = pipe()?;
        let mut running = self.start(program, setting, &workload::words(role)?, Some(&writer))?;
        running.messages = Some(reader);
        Ok(running)
    }

    /// The program with `/bin/true`.
    pub(crate) fn bin_true(&self, program: &Program, setting: Setting) -> io::Result<Running> {
        self.start(program, setting, &["/bin/true".into()], None)
    }

    fn start(
        &self,
        program: &Program,
        setting: Setting,
        workload: &[OsString],
        stdout: Option<&PipeWriter>,
    ) -> io::Result<Running> {
        let words = program.command(setting, workload).ok_or_else(|| io::Error::other("not installed"))?;
        let child = Child {
            arguments: pointers(&words),
            environment: vec![PATH.as_ptr(), ptr::null()],
            null: self.null.as_raw_fd(),
            stdout: stdout.map_or(self.null.as_raw_fd(), AsRawFd::as_raw_fd),
            stamp: &self.stamp,
        };
        if setting == Setting::Pid1 { start_as_pid1(&child) } else { start_plain(&child) }
    }
}

fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
}

fn start_plain(child: &Child<'_>) -> io::Result<Running> {
    let pid = start_patiently(|| {
        // SAFETY: this process has one thread, so its child may do anything.
        i64::from(unsafe { libc::fork() })
    })?;
    if pid == 0 {
        child.become_program();
    }
    Ok(Running::new(pid))
}

/// Retries: a shared machine may be short of process ids for a moment. The time does not count yet.
fn start_patiently(fork: impl Fn() -> i64) -> io::Result<i32> {
    for _ in 0..FORK_ATTEMPTS {
        match fork() {
            -1 if Errno::last() == Errno::EAGAIN => thread::sleep(Duration::from_millis(10)),
            -1 => return Err(io::Error::last_os_error()),
            pid => return i32::try_from(pid).map_err(io::Error::other),
        }
    }
    Err(io::Error::other("no process can be started"))
}

/// As in a container engine: with its own process ids and its own `/proc`.
fn start_as_pid1(child: &Child<'_>) -> io::Result<Running> {
    let (ready, is_ready) = pipe()?;
    let (go, may_go) = pipe()?;
    // SAFETY: all-zero is a valid `clone_args`.
    let mut clone: libc::clone_args = unsafe { mem::zeroed() };
    clone.flags = u64::from((libc::CLONE_NEWPID | libc::CLONE_NEWNS).cast_unsigned());
    clone.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    let pid = start_patiently(|| {
        // SAFETY: like fork: no stack, no shared memory; this process has one thread.
        unsafe { libc::syscall(libc::SYS_clone3, &raw const clone, size_of_val(&clone)) }
    })?;
    if pid == 0 {
        Child::enter_namespace(&is_ready, &go);
        child.become_program();
    }
    let mut running = Running::new(pid);
    drop((is_ready, go));
    os::read_message(&ready)?;
    running.mounts = Some(File::open(format!("/proc/{pid}/ns/mnt"))?);
    workload::send(&may_go, 1);
    Ok(running)
}

/// Everything that the child needs, prepared before the fork.
struct Child<'a> {
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    null: i32,
    stdout: i32,
    stamp: &'a Stamp,
}

impl Child<'_> {
    fn enter_namespace(is_ready: &PipeWriter, go: &PipeReader) {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: the strings are constants, and no data is passed. A failure is seen below.
        let mounted = unsafe {
            libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), private, ptr::null()) == 0
                && libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, ptr::null()) == 0
        };
        if !mounted {
            workload::exit(126);
        }
        workload::send(is_ready, 1);
        if os::read_message(go).is_err() {
            workload::exit(126);
        }
    }

    fn become_program(&self) -> ! {
        // SAFETY: the descriptors are open, the arrays end with a null pointer and live on.
        // A session of its own, as in a container: no terminal decides what a supervisor does.
        unsafe {
            libc::setsid();
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            libc::dup2(self.null, 0);
            libc::dup2(self.stdout, 1);
            libc::dup2(self.null, 2);
            self.stamp.0.store(os::now_ns(), Ordering::Release);
            libc::execve(self.arguments[0], self.arguments.as_ptr(), self.environment.as_ptr());
        }
        workload::exit(127)
    }
}

/// Waits until no child is left, orphans of finished runs included.
pub(crate) fn wait_for_nothing_left() -> io::Result<()> {
    loop {
        match waitpid(None, None) {
            Ok(_) => {}
            Err(Errno::ECHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Only while no supervisor is running: it would be reaped, too. Returns whether no child is left.
pub(crate) fn reap_orphans() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return true,
            Ok(status) if status.pid().is_some() => {}
            _ => return false,
        }
    }
}

/// Ends everything that a run left behind.
pub(crate) fn sweep() {
    loop {
        let left = crate::procfs::descendants();
        for process in left.iter().filter(|process| !process.is_zombie()) {
            // It may end by itself at this moment.
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
        if reap_orphans() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
