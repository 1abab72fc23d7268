//! The signal inbox: every signal is blocked, and taken one at a time with its sender.

use std::time::Duration;

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

use crate::lifecycle::signal::{Origin, Signal, SignalSet};

/// A signal as the kernel delivered it.
#[derive(Clone, Copy)]
pub(crate) struct Delivery {
    pub(crate) signal: Signal,
    pub(crate) origin: Origin,
    /// As received; a value that `sigqueue` attached is passed on with it.
    pub(crate) info: libc::siginfo_t,
}

/// The size of the kernel's signal set, in bytes.
const SET_SIZE: usize = size_of::<u64>();

/// Blocks every signal and returns the mask that was in force: the workload's. Calls the kernel directly,
/// since glibc leaves its own two signals (32, 33) open, and each of them would end us.
#[must_use]
pub fn block_all() -> SignalSet {
    SignalSet::from_bits(change_mask(libc::SIG_SETMASK, SignalSet::ALL))
}

/// Sets the mask for this thread. Safe to call between fork and exec.
pub(crate) fn set_mask(mask: SignalSet) {
    change_mask(libc::SIG_SETMASK, mask);
}

/// Unblocks signals that have handlers; pending ones are delivered at once.
#[cfg(feature = "check")]
pub(crate) fn unblock(set: SignalSet) {
    change_mask(libc::SIG_UNBLOCK, set);
}

fn change_mask(how: i32, set: SignalSet) -> u64 {
    let new = set.bits();
    let mut old = 0_u64;
    // SAFETY: both sets are valid for the call and as long as the size says.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const new, &raw mut old, SET_SIZE) };
    old
}

/// Takes one pending signal of the set, waiting up to `patience` for it, or for ever without one. Returns
/// nothing when the time is over or something else interrupted the wait.
pub(crate) fn take(set: SignalSet, patience: Option<Duration>) -> Option<Delivery> {
    let bits = set.bits();
    // SAFETY: `siginfo_t` is plain data that the kernel fills in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let timeout = patience.map(timespec);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: all three are valid for the call; a null timeout waits for ever.
    let number = unsafe {
        libc::syscall(libc::SYS_rt_sigtimedwait, &raw const bits, &raw mut info, timeout, SET_SIZE)
    };
    if number > 0 { delivery(info) } else { None }
}

pub(crate) fn delivery(info: libc::siginfo_t) -> Option<Delivery> {
    let signal = Signal::new(info.si_signo)?;
    Some(Delivery { signal, origin: origin(&info), info })
}

/// A wait longer than the kernel can count becomes the longest that it can.
fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// `SI_KERNEL` comes from a terminal's keys or end; what a process sends has a code of at most 0.
fn origin(info: &libc::siginfo_t) -> Origin {
    if info.si_code > 0 {
        return Origin::Kernel;
    }
    // SAFETY: a code of at most 0 means that a process sent it, and then these fields are set.
    unsafe { Origin::Process { pid: info.si_pid(), uid: info.si_uid() } }
}

/// Whether a signal is ignored, as inherited.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    // SAFETY: `sigaction` is plain data that the kernel fills in.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: reads the disposition only; `action` is valid for writes.
    let result = unsafe { libc::sigaction(signal.number(), std::ptr::null(), &raw mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Ignores a signal, or restores its default action. Safe to call between fork and exec.
pub(crate) fn set_ignored(signal: Signal, ignored: bool) {
    // SAFETY: an all-zero `sigaction` is the default disposition without flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: no handler is installed, so no code of ours can run in a signal's context.
    unsafe { libc::sigaction(signal.number(), &raw const action, std::ptr::null_mut()) };
}

/// Dies of the signal by its default action, without a core: the workload has left its own. Returns if the
/// signal does not kill: in PID 1, or when its default is to be ignored.
pub(crate) fn die_of(signal: Signal) {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // With a pipe in core_pattern the kernel disregards the limit, but not this.
    let _ = set_dumpable(false);
    act_on(signal);
}

/// Stops this process as Ctrl+Z does, until SIGCONT, and returns whether it stopped. It does so by the
/// default action, which the kernel skips where no shell could continue us. The terminal's own SIGTSTP is
/// taken first, or it would stop us a second time.
pub(crate) fn stop_self() -> bool {
    let _ = take(SignalSet::default().with(Signal::TSTP), Some(Duration::ZERO));
    act_on(Signal::TSTP);
    is_pending(Signal::CONT)
}

fn is_pending(signal: Signal) -> bool {
    let mut pending = 0_u64;
    // SAFETY: the set is valid for writes, and as long as the size says.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, SET_SIZE) };
    SignalSet::from_bits(pending).contains(signal)
}

/// Applies the signal's default action to this process, now.
fn act_on(signal: Signal) {
    set_ignored(signal, false);
    // SAFETY: signals ourselves.
    unsafe { libc::kill(libc::getpid(), signal.number()) };
    change_mask(libc::SIG_UNBLOCK, SignalSet::default().with(signal));
    change_mask(libc::SIG_BLOCK, SignalSet::default().with(signal));
}
