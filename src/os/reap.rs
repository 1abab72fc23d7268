//! The one place that waits for children.

use std::time::Duration;

use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::Signal;

/// From now on descendants whose parent has gone become our children. PID 1 has that by itself.
pub fn adopt_orphans() {
    // SAFETY: concerns only this process.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Undoes it: the attribute outlives exec.
pub fn adopt_no_orphans() {
    // SAFETY: concerns only this process.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 0) };
}

/// Reaps what has ended of the children that were there before us, and says whether any are left.
#[must_use]
pub fn has_children() -> bool {
    loop {
        match next() {
            Change::NoChild => return false,
            Change::Nothing => return true,
            Change::Ended { .. } | Change::Stopped { .. } | Change::Continued { .. } => {}
        }
    }
}

/// What processes have used, by the kernel's accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// CPU time of programs.
    pub user: Duration,
    /// CPU time of the kernel for them.
    pub system: Duration,
    /// The most memory that one of them had, in bytes.
    pub peak_bytes: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            user: self.user.saturating_add(other.user),
            system: self.system.saturating_add(other.system),
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
        }
    }
}

impl From<&libc::rusage> for Usage {
    fn from(usage: &libc::rusage) -> Self {
        let time = |time: libc::timeval| {
            let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
            seconds.saturating_add(Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default()))
        };
        let peak_bytes = u64::try_from(usage.ru_maxrss).unwrap_or_default().saturating_mul(1024);
        Self { user: time(usage.ru_utime), system: time(usage.ru_stime), peak_bytes }
    }
}

/// What `waitpid` had to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A child ended, and its id is free again.
    Ended {
        /// Its id.
        pid: i32,
        /// How it ended.
        exit: Exit,
        /// What it has used, with those that it has waited for itself.
        usage: Usage,
    },
    /// A child was stopped.
    Stopped {
        /// Its id.
        pid: i32,
    },
    /// A child goes on after a stop.
    Continued {
        /// Its id.
        pid: i32,
    },
    /// There are children, and nothing new about them.
    Nothing,
    /// There is no child.
    NoChild,
}

/// Takes one change, without waiting. `__WALL` covers children made by `clone` without a signal.
#[must_use]
pub fn next() -> Change {
    let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED | libc::__WALL;
    let mut status = 0;
    // SAFETY: `rusage` is plain data that the kernel fills in.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are valid for writes for the whole call.
    let pid = unsafe { libc::wait4(-1, &raw mut status, flags, &raw mut usage) };
    match pid {
        0 => Change::Nothing,
        pid if pid < 0 => Change::NoChild,
        pid if libc::WIFSTOPPED(status) => Change::Stopped { pid },
        pid if libc::WIFCONTINUED(status) => Change::Continued { pid },
        pid => Change::Ended { pid, exit: exit(status), usage: Usage::from(&usage) },
    }
}

/// Reaps just the child that could not be executed; it is about to exit, or has.
pub fn never_ran(pid: i32) {
    // SAFETY: no memory is passed.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) };
}

/// Whether an id is that of a child of ours that has not ended. Takes nothing.
#[must_use]
pub fn is_living_child(pid: i32) -> bool {
    has_ended(pid) == Some(false)
}

/// Whether an id is that of a child of ours, ended or not. Takes nothing.
#[must_use]
pub fn is_child(pid: i32) -> bool {
    has_ended(pid).is_some()
}

/// Nothing if it is no child of ours.
fn has_ended(pid: i32) -> Option<bool> {
    let (Ok(id), flags) = (libc::id_t::try_from(pid), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) else {
        return None;
    };
    // SAFETY: `siginfo_t` is plain data that the kernel fills in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is valid for writes for the whole call.
    let result = unsafe { libc::waitid(libc::P_PID, id, &raw mut info, flags | libc::__WALL) };
    // SAFETY: zero without an ended child; else the kernel has set it.
    (result == 0).then(|| unsafe { info.si_pid() } != 0)
}

fn exit(status: i32) -> Exit {
    let death = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
    match death.and_then(Signal::new) {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX)),
    }
}
