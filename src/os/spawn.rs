//! Starting the main process with exactly what winddown was given.
//!
//! `clone` with `CLONE_VM | CLONE_VFORK` on a stack of its own, as `posix_spawn` does: no page table
//! is copied, and the error of a failed exec is simply there when the parent goes on.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use thiserror::Error;

use super::descriptor::above_standard;
use super::environment::Entry;
use super::{helper, inbox, reap, reason, signalling};
use crate::lifecycle::exit::{NOT_EXECUTABLE, NOT_FOUND, WINDDOWN_FAILED};
use crate::lifecycle::signal::{Signal, SignalSet};

/// Room for exec's search in PATH and for the arguments of a script without `#!`.
const STACK_BYTES: usize = 256 * 1024;

/// An id has no more digits.
const ID_DIGITS_MAX: usize = 10;

/// Why the main process could not be started.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// There is no such command.
    #[error("cannot run '{command}': {cause}")]
    NotFound {
        /// The command as given.
        command: String,
        /// What was not found.
        cause: &'static str,
    },
    /// It is there, but can't be executed.
    #[error("cannot run '{command}': {}", reason(cause))]
    NotExecutable {
        /// The command as given.
        command: String,
        /// The kernel's reason.
        cause: io::Error,
    },
    /// No process could be made.
    #[error("cannot start a process: {}", reason(.0))]
    NoProcess(#[source] io::Error),
    /// No descriptor was left for what the workload is to be offered.
    #[error("cannot open a descriptor for the workload: {}", reason(.0))]
    NoDescriptor(#[source] io::Error),
}

impl SpawnError {
    /// The exit status that tells it.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => NOT_FOUND,
            Self::NotExecutable { .. } => NOT_EXECUTABLE,
            Self::NoProcess(_) | Self::NoDescriptor(_) => WINDDOWN_FAILED,
        }
    }
}

/// What the main process is started with.
#[derive(Debug)]
pub struct Command<'a> {
    /// Its arguments, the command first.
    pub arguments: &'a [CString],
    /// Its environment, `NAME=VALUE`.
    pub environment: &'a [Entry],
    /// `NAME=`, each completed by its own id.
    pub pid_variables: &'a [CString],
    /// A descriptor that it inherits.
    pub inherits: Option<RawFd>,
    /// The signal mask to give it.
    pub mask: SignalSet,
    /// Whether SIGCHLD was ignored when winddown was started.
    pub child_ignored: bool,
    /// Whether it gets a process group of its own.
    pub own_group: bool,
    /// Whether it dies when winddown does.
    pub dies_with_parent: bool,
    /// Where it leaves its id before it is executed: told afterwards, it could run untold.
    pub announce: Option<&'a AtomicI32>,
}

/// The started main process.
#[derive(Debug)]
pub struct Spawned {
    /// Its id.
    pub pid: i32,
    /// It names the process, and its group, for good; nothing on kernels before 5.2.
    pub descriptor: Option<OwnedFd>,
}

/// Everything the child needs, with nothing left to allocate.
struct Job<'a> {
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// Variables with room for an id behind their names.
    pid_variables: Vec<Vec<u8>>,
    inherits: Option<RawFd>,
    mask: SignalSet,
    child_ignored: bool,
    own_group: bool,
    dies_with_parent: bool,
    announce: Option<&'a AtomicI32>,
    parent: i32,
    /// The error of the failed exec.
    error: c_int,
}

/// Starts the command and returns once it is executed.
///
/// # Errors
/// When it can't be executed, or no process can be made.
pub fn spawn(command: &Command<'_>) -> Result<Spawned, SpawnError> {
    // SAFETY: `getpid` can't fail.
    let mut job = Job::new(command, unsafe { libc::getpid() });
    let stack =
        Stack::new(STACK_BYTES + size_of_val(job.arguments.as_slice())).map_err(SpawnError::NoProcess)?;
    let spawned = clone(&stack, &mut job).map_err(SpawnError::NoProcess)?;
    if job.error == 0 {
        return Ok(spawned);
    }
    reap::never_ran(spawned.pid);
    Err(exec_error(&command.arguments[0], io::Error::from_raw_os_error(job.error)))
}

/// Becomes the command, for a process whose parent can supervise it. Returns when it can't be executed.
#[must_use]
pub fn become_it(command: &Command<'_>, parent: i32) -> SpawnError {
    let mut job = Job::new(command, parent);
    child(ptr::from_mut(&mut job).cast());
    exec_error(&command.arguments[0], io::Error::from_raw_os_error(job.error))
}

impl<'a> Job<'a> {
    fn new(command: &Command<'a>, parent: i32) -> Self {
        let with_room = |name: &CString| [name.to_bytes(), &[0; ID_DIGITS_MAX + 1]].concat();
        let pid_variables: Vec<Vec<u8>> = command.pid_variables.iter().map(with_room).collect();
        let inherited = command.environment.iter().map(|entry| entry.as_ptr());
        let completed = pid_variables.iter().map(|entry| entry.as_ptr().cast());
        Self {
            arguments: null_terminated(command.arguments.iter().map(|word| word.as_ptr())),
            environment: null_terminated(inherited.chain(completed)),
            pid_variables,
            inherits: command.inherits,
            mask: command.mask,
            child_ignored: command.child_ignored,
            own_group: command.own_group,
            dies_with_parent: command.dies_with_parent,
            announce: command.announce,
            parent,
            error: 0,
        }
    }
}

fn null_terminated(strings: impl Iterator<Item = *const c_char>) -> Vec<*const c_char> {
    strings.chain([ptr::null()]).collect()
}

/// Writes an id behind each name, its digits first and then zeros. Allocates nothing: other threads of
/// the parent's memory could hold its locks between fork and exec.
fn complete(pid_variables: &mut [Vec<u8>], pid: i32) {
    for entry in pid_variables {
        let Some(name_end) = entry.iter().position(|byte| *byte == b'=') else { continue };
        let mut rest = pid.unsigned_abs();
        let digits = rest.checked_ilog10().unwrap_or_default() as usize + 1;
        for place in entry[name_end + 1..].iter_mut().take(digits).rev() {
            *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
    }
}

fn exec_error(command: &CStr, cause: io::Error) -> SpawnError {
    let name = command.to_string_lossy().into_owned();
    if cause.raw_os_error() != Some(libc::ENOENT) {
        return SpawnError::NotExecutable { command: name, cause };
    }
    let exists = if name.contains('/') {
        Path::new(OsStr::from_bytes(command.to_bytes())).exists()
    } else {
        is_in_path(command)
    };
    let cause = match (exists, name.contains('/')) {
        (true, _) => "its interpreter (the first line, or the dynamic loader) was not found",
        (false, true) => "no such file",
        (false, false) => "no such command in PATH",
    };
    SpawnError::NotFound { command: name, cause }
}

/// Whether exec's search has found the command, and failed on something that the file itself needs.
fn is_in_path(command: &CStr) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = OsStr::from_bytes(command.to_bytes());
    !name.is_empty() && std::env::split_paths(&path).any(|place| place.join(name).exists())
}

/// Memory for the child to run on until exec.
struct Stack {
    base: *mut c_void,
    bytes: usize,
}

impl Stack {
    fn new(bytes: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base =
            unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if base == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { base, bytes }) }
    }

    /// Stacks grow down; the ABI wants 16 bytes of alignment.
    fn top(&self) -> *mut c_void {
        let bytes = self.bytes & !15;
        // SAFETY: within the mapping, or one past its end.
        unsafe { self.base.byte_add(bytes) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping; the child no longer uses it, since it has executed or exited.
        unsafe { libc::munmap(self.base, self.bytes) };
    }
}

fn clone(stack: &Stack, job: &mut Job<'_>) -> io::Result<Spawned> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let argument = ptr::from_mut(job).cast();
    let mut descriptor: c_int = -1;
    // SAFETY: the parent is suspended until the child has executed or exited, so `job`, the stack and
    // `descriptor` outlive its use of them; the child only makes system calls and calls execvpe.
    let mut pid =
        unsafe { libc::clone(child, stack.top(), flags | libc::CLONE_PIDFD, argument, &raw mut descriptor) };
    if pid < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        // SAFETY: as above.
        pid = unsafe { libc::clone(child, stack.top(), flags, argument) };
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    let descriptor = (descriptor >= 0).then(|| unsafe { OwnedFd::from_raw_fd(descriptor) });
    Ok(Spawned { pid, descriptor: descriptor.and_then(|descriptor| above_standard(descriptor).ok()) })
}

/// Runs in the child. Signals stay blocked until the workload's own mask is set.
extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `clone` was given a `Job` that lives until we exec or exit.
    let job = unsafe { &mut *argument.cast::<Job<'_>>() };
    if let Some(place) = job.announce {
        // SAFETY: can't fail.
        place.store(unsafe { libc::getpid() }, Ordering::Release);
    }
    // SAFETY: can't fail.
    complete(&mut job.pid_variables, unsafe { libc::getpid() });
    if let Some(number) = job.inherits {
        // SAFETY: a flag of this process's own copy of the descriptor.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    }
    if job.own_group {
        // SAFETY: concerns only this process.
        unsafe { libc::setpgid(0, 0) };
    }
    // What a parent that has died before would have sent comes from ourselves, so that the end looks the
    // same at any moment.
    if job.dies_with_parent && !helper::dies_with(job.parent) {
        // SAFETY: can't fail.
        let _ = signalling::send(unsafe { libc::getpid() }, Signal::KILL);
    }
    if job.child_ignored {
        inbox::set_ignored(Signal::CHLD, true);
    }
    inbox::set_mask(job.mask);
    // SAFETY: both lists are null-terminated lists of C strings. A script without `#!` is run by
    // /bin/sh, as execvp has it.
    unsafe { libc::execvpe(job.arguments[0], job.arguments.as_ptr(), job.environment.as_ptr()) };
    // SAFETY: errno of this thread, which the parent's thread shares.
    job.error = unsafe { *libc::__errno_location() };
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_completed_without_leading_zeros() {
        for pid in [1, 9, 10, 99, 100, 4711, 32_768, 99_999, 100_000, 4_194_304, i32::MAX] {
            let mut entries = vec![[&b"LISTEN_PID="[..], &[0; ID_DIGITS_MAX + 1]].concat()];
            complete(&mut entries, pid);
            let text = CStr::from_bytes_until_nul(&entries[0]).expect("an end").to_str().expect("digits");
            assert_eq!(text, format!("LISTEN_PID={pid}"));
        }
    }

    #[test]
    fn who_starts_after_its_parent_has_died_dies_of_sigkill() {
        let command = Command {
            arguments: &[c"true".to_owned()],
            environment: &[],
            pid_variables: &[],
            inherits: None,
            mask: SignalSet::default(),
            child_ignored: false,
            own_group: false,
            dies_with_parent: true,
            announce: None,
        };
        // No process has this id: the parent is another one by now.
        let mut job = Job::new(&command, 0);
        let child = clone(&Stack::new(STACK_BYTES).unwrap(), &mut job).unwrap();
        // SAFETY: `siginfo_t` is plain data that the kernel fills in.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let id = child.pid.unsigned_abs();
        // SAFETY: `info` is valid for writes for the whole call.
        assert_eq!(unsafe { libc::waitid(libc::P_PID, id, &raw mut info, libc::WEXITED) }, 0);
        // SAFETY: the kernel has set it for an ended child.
        assert_eq!((info.si_code, unsafe { info.si_status() }), (libc::CLD_KILLED, libc::SIGKILL));
    }
}
