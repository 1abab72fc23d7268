//! The one place that waits for children.

use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;

use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::Signal;
use crate::os::clock::Clock;

/// Makes orphaned descendants our children. For PID 1 the kernel does that anyway.
pub(crate) fn adopt_orphans() {
    let _ = set_child_subreaper(true);
}

/// Undoes [`adopt_orphans`]: the attribute outlives exec.
pub(crate) fn adopt_no_orphans() {
    let _ = set_child_subreaper(false);
}

/// Reaps children from before the run that have ended, and returns whether any are left.
pub(crate) fn reap_earlier_children() -> bool {
    loop {
        match next() {
            Change::NoChild => return false,
            Change::Nothing => return true,
            Change::Ended { .. } | Change::Stopped { .. } | Change::Continued { .. } => {}
        }
    }
}

/// The resources that processes have used, by the kernel's accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time in user mode.
    pub(crate) user: Duration,
    /// CPU time in the kernel.
    pub(crate) system: Duration,
    /// The peak memory of any one process, in bytes.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// The two combined.
    pub(crate) fn and(self, other: Self) -> Self {
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

/// What `waitpid` reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// A child ended, and its id can be reused.
    Ended {
        pid: i32,
        exit: Exit,
        /// What it used, together with the children that it waited for itself.
        usage: Usage,
    },
    /// A child was stopped.
    Stopped { pid: i32 },
    /// A child was continued after a stop.
    Continued { pid: i32 },
    /// There are children, without news.
    Nothing,
    /// There is no child.
    NoChild,
}

/// Takes one change, without waiting. `__WALL` includes children created by `clone` without a signal.
pub(crate) fn next() -> Change {
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

/// Reaps a child that has ended, or is about to.
pub(crate) fn ended(pid: i32) {
    // SAFETY: no memory is passed.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) };
}

/// Whether an id belongs to a living child of ours. Reaps nothing.
pub(crate) fn is_living_child(pid: i32) -> bool {
    end(pid).is_some_and(|end| end.pid == 0)
}

/// Waits this long for the end of a child, and returns whether it has ended. Reaps nothing.
pub(crate) fn ends_within(pid: i32, patience: Duration) -> bool {
    const PAUSE: Duration = Duration::from_micros(200);
    let clock = Clock::start();
    while is_living_child(pid) {
        if clock.now() >= patience {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

/// Whether an id belongs to a child of ours, living or ended. Reaps nothing.
pub(crate) fn is_child(pid: i32) -> bool {
    end(pid).is_some()
}

/// Whether an id belongs to a child of ours that ended other than by SIGKILL. Reaps nothing, and reads no
/// file.
pub(crate) fn ended_by_itself(pid: i32) -> bool {
    end(pid).is_some_and(|end| end.pid != 0 && (end.code == libc::CLD_EXITED || end.status != libc::SIGKILL))
}

/// Whether an id belongs to a child of ours that died of SIGKILL. Reaps nothing.
pub(crate) fn was_killed(pid: i32) -> bool {
    end(pid).is_some_and(|end| end.pid != 0 && end.code == libc::CLD_KILLED && end.status == libc::SIGKILL)
}

/// How a child has ended, as in `siginfo_t`.
struct ChildEnd {
    /// 0 while it lives.
    pid: i32,
    code: i32,
    status: i32,
}

/// Nothing if the process is no child of ours. Reaps nothing.
fn end(pid: i32) -> Option<ChildEnd> {
    let (Ok(id), flags) = (libc::id_t::try_from(pid), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) else {
        return None;
    };
    // SAFETY: `siginfo_t` is plain data that the kernel fills in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is valid for writes for the whole call.
    let result = unsafe { libc::waitid(libc::P_PID, id, &raw mut info, flags | libc::__WALL) };
    // SAFETY: zeros without an ended child; else the kernel has set them.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    (result == 0).then_some(ChildEnd { pid, code: info.si_code, status })
}

fn exit(status: i32) -> Exit {
    let death = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
    match death.and_then(Signal::new) {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX)),
    }
}
