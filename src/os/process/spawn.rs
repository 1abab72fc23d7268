//! Starts the main process with exactly what winddown was given.
//!
//! `clone` with `CLONE_VM | CLONE_VFORK` on its own stack, as `posix_spawn` does: no page table is copied,
//! and the parent sees the error of a failed exec as soon as it continues.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::unistd::{Pid, setpgid};

use super::spawn_error::{self, CommandPath, SpawnError};
use super::{fork, reap};
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::environment::Entry;
use crate::os::io::descriptor::above_standard;
use crate::os::signal::queue::InheritedLimit;
use crate::os::signal::{receive, send};

/// Room for the few calls before exec.
const STACK_BYTES: usize = 64 * 1024;

/// Where commands are searched for without a PATH, as in execvp.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// What runs a script without `#!`.
const SHELL: &CStr = c"/bin/sh";
/// As in bash: a file with a NUL byte in this much of its first line is no script.
const FIRST_LINE_BYTES: usize = 128;

/// The most digits of an id.
const ID_DIGITS_MAX: usize = 10;

/// What the main process is started with.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    /// Its arguments, the command first.
    pub(crate) arguments: &'a [CString],
    /// Its environment, `NAME=VALUE`.
    pub(crate) environment: &'a [Entry],
    /// `NAME=`, each completed by its own id.
    pub(crate) pid_variables: &'a [CString],
    pub(crate) inherits: Option<RawFd>,
    /// Its signal mask.
    pub(crate) mask: SignalSet,
    /// Whether SIGCHLD was ignored when winddown was started.
    pub(crate) child_ignored: bool,
    /// How many signals with values may wait for it.
    pub(crate) queue_limit: InheritedLimit,
    /// Whether it leads a new process group.
    pub(crate) own_group: bool,
    /// Whether it dies when winddown does.
    pub(crate) dies_with_parent: bool,
    /// Where it stores its id before exec: stored afterwards, it could already be running without anyone
    /// knowing.
    pub(crate) announce: Option<&'a AtomicI32>,
}

#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: i32,
    /// Refers to the process, and its group, for good; nothing on kernels before 5.2.
    pub(crate) descriptor: Option<OwnedFd>,
}

/// Everything the child needs, so that it allocates nothing.
struct ChildSetup<'a> {
    places: Vec<CommandPath>,
    /// [`SHELL`], used only if the command is a script without `#!`; then the arguments.
    words: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// Variables with room for an id after their names.
    pid_variables: Vec<Vec<u8>>,
    inherits: Option<RawFd>,
    mask: SignalSet,
    child_ignored: bool,
    queue_limit: InheritedLimit,
    own_group: bool,
    dies_with_parent: bool,
    announce: Option<&'a AtomicI32>,
    parent: i32,
    /// The error of the failed exec.
    error: c_int,
    /// The index of the place where it failed.
    failed: usize,
}

/// Starts the command and returns once exec has succeeded.
///
/// # Errors
/// When the command can't be executed, or no process can be created.
pub(crate) fn spawn(command: &Command<'_>) -> Result<Spawned, SpawnError> {
    if let Some(error) = spawn_error::runs_itself(&command.arguments[0]) {
        return Err(error);
    }
    let mut job = ChildSetup::new(command, own_id());
    let stack = Stack::new(STACK_BYTES).map_err(SpawnError::NoProcess)?;
    let spawned = clone(&stack, &mut job).map_err(SpawnError::NoProcess)?;
    if job.error == 0 {
        return Ok(spawned);
    }
    reap::ended(spawned.pid);
    Err(job.why_not())
}

/// Executes the command in this process, whose parent can supervise it. Returns only if it can't be executed.
pub(crate) fn become_it(command: &Command<'_>, parent: i32) -> SpawnError {
    let mut job = ChildSetup::new(command, parent);
    child(ptr::from_mut(&mut job).cast());
    job.why_not()
}

impl<'a> ChildSetup<'a> {
    fn new(command: &Command<'a>, parent: i32) -> Self {
        let with_room = |name: &CString| [name.to_bytes(), &[0; ID_DIGITS_MAX + 1]].concat();
        let pid_variables: Vec<Vec<u8>> = command.pid_variables.iter().map(with_room).collect();
        let inherited = command.environment.iter().map(|entry| entry.as_ptr());
        let completed = pid_variables.iter().map(|entry| entry.as_ptr().cast());
        let arguments = command.arguments.iter().map(|word| word.as_ptr());
        Self {
            places: places(&command.arguments[0]),
            words: null_terminated([SHELL.as_ptr()].into_iter().chain(arguments)),
            environment: null_terminated(inherited.chain(completed)),
            pid_variables,
            inherits: command.inherits,
            mask: command.mask,
            child_ignored: command.child_ignored,
            queue_limit: command.queue_limit,
            own_group: command.own_group,
            dies_with_parent: command.dies_with_parent,
            announce: command.announce,
            parent,
            error: 0,
            failed: 0,
        }
    }

    fn why_not(&self) -> SpawnError {
        // SAFETY: the command's own word, which lives as long as the job; no place has taken its place, since
        // that is for a script.
        let command = unsafe { CStr::from_ptr(self.words[1]) };
        spawn_error::explain(command, &self.places, self.failed, &io::Error::from_raw_os_error(self.error))
    }
}

/// Where the command may be, in the order of PATH.
fn places(command: &CStr) -> Vec<CommandPath> {
    let name = command.to_bytes();
    if name.is_empty() || name.contains(&b'/') {
        return vec![command.to_owned()];
    }
    let path = std::env::var_os("PATH");
    let path = path.as_ref().map_or(DEFAULT_PATH, |path| path.as_bytes());
    let place = |directory: &[u8]| {
        let divider = if directory.is_empty() { "" } else { "/" };
        CString::new([directory, divider.as_bytes(), name].concat()).ok()
    };
    let is_possible =
        |directory: &&[u8]| directory.len() + name.len() < libc::PATH_MAX.unsigned_abs() as usize;
    path.split(|byte| *byte == b':').filter(is_possible).filter_map(place).collect()
}

fn null_terminated(strings: impl Iterator<Item = *const c_char>) -> Vec<*const c_char> {
    strings.chain([ptr::null()]).collect()
}

/// Writes an id after each name: its digits, then zeros. Allocates nothing: other threads of the parent's
/// memory could hold the allocator's locks between fork and exec.
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

    /// Stacks grow down; the ABI requires an alignment of 16 bytes.
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

fn clone(stack: &Stack, job: &mut ChildSetup<'_>) -> io::Result<Spawned> {
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

/// Safe to call between fork and exec.
fn own_id() -> i32 {
    std::process::id().cast_signed()
}

/// Makes this process lead a new process group. Safe to call between fork and exec.
pub(in crate::os) fn lead_group() {
    let this = Pid::from_raw(0);
    let _ = setpgid(this, this);
}

/// Runs in the child. Signals stay blocked until the workload's own mask is set.
extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `clone` was given a `Job` that lives until we exec or exit.
    let job = unsafe { &mut *argument.cast::<ChildSetup<'_>>() };
    if let Some(place) = job.announce {
        place.store(own_id(), Ordering::Release);
    }
    complete(&mut job.pid_variables, own_id());
    if let Some(number) = job.inherits {
        // SAFETY: a flag of this process's own copy of the descriptor.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    }
    if job.own_group {
        lead_group();
    }
    // If the parent has already died, the signal that it would have caused comes from ourselves, so that the
    // end looks the same at any moment.
    if job.dies_with_parent && !fork::dies_with(job.parent) {
        let _ = send::send(own_id(), Signal::KILL);
    }
    if job.child_ignored {
        receive::set_ignored(Signal::CHLD, true);
    }
    job.queue_limit.restore();
    receive::set_mask(job.mask);
    (job.error, job.failed) = execute(job);
    1
}

/// Like execvpe: tries each place, and has the shell run a script without `#!`. Returns the error and the
/// index of the place where it occurred. Writes to the job would survive a successful exec, so the error is
/// returned instead.
fn execute(job: &mut ChildSetup<'_>) -> (c_int, usize) {
    // SAFETY: null-terminated lists of C strings; errno is that of this thread, which the parent's shares.
    let exec = |place: &CStr, words: &[*const c_char]| unsafe {
        libc::execve(place.as_ptr(), words.as_ptr(), job.environment.as_ptr());
        *libc::__errno_location()
    };
    let mut failed = (libc::ENOENT, 0);
    for (index, place) in job.places.iter().enumerate() {
        let mut error = exec(place, &job.words[1..]);
        if error == libc::ENOEXEC && is_script(place) {
            let argument = std::mem::replace(&mut job.words[1], place.as_ptr());
            error = exec(SHELL, &job.words);
            job.words[1] = argument;
        }
        match error {
            libc::EACCES if failed.0 == libc::EACCES => {}
            libc::EACCES => failed = (error, index),
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT
                if job.places.len() > 1 => {}
            _ => return (error, index),
        }
    }
    failed
}

/// Whether a file that the kernel can't execute is text, as a shell script is. If it can't be read, the shell
/// may report that. Allocates nothing.
fn is_script(place: &CStr) -> bool {
    let mut head = [0; FIRST_LINE_BYTES];
    // SAFETY: the path is a C string; the buffer is valid for writes of its length.
    let length = unsafe {
        let file = libc::open(place.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let length = libc::read(file, head.as_mut_ptr().cast(), head.len());
        libc::close(file);
        length
    };
    let head = &head[..usize::try_from(length).unwrap_or_default()];
    let is_line = |byte: &u8| *byte != b'\n';
    !head.starts_with(b"\x7fELF") && !head.iter().take_while(|byte| is_line(byte)).any(|byte| *byte == 0)
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
            queue_limit: InheritedLimit::default(),
            own_group: false,
            dies_with_parent: true,
            announce: None,
        };
        // No process has this id, so the parent looks replaced.
        let mut job = ChildSetup::new(&command, 0);
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
