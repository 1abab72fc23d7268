//! The signal inbox: everything is blocked, and taken one by one with its sender.

use std::time::Duration;

use crate::lifecycle::signal::{Origin, Signal, SignalSet};

/// One signal as the kernel told it.
#[derive(Clone, Copy)]
pub struct Delivery {
    /// Which one.
    pub signal: Signal,
    /// Who sent it.
    pub origin: Origin,
    /// As received: what `sigqueue` attached is passed on with it.
    pub info: libc::siginfo_t,
}

/// The bytes of a signal set as the kernel counts them.
const SET_SIZE: usize = size_of::<u64>();

/// Blocks every signal and returns the mask that was in force: the workload's. Straight to the
/// kernel, since glibc leaves its own two signals (32, 33) open, and each of them would end us.
#[must_use]
pub fn block_all() -> SignalSet {
    SignalSet::from_bits(change_mask(libc::SIG_SETMASK, SignalSet::ALL))
}

/// Sets the mask for this thread. Safe to call between fork and exec.
pub fn set_mask(mask: SignalSet) {
    change_mask(libc::SIG_SETMASK, mask);
}

fn change_mask(how: i32, set: SignalSet) -> u64 {
    let new = set.bits();
    let mut old = 0_u64;
    // SAFETY: both sets are valid for the call and as long as the size says.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const new, &raw mut old, SET_SIZE) };
    old
}

/// Takes one pending signal of the set, waiting up to `patience` for it (for ever without one).
/// Nothing when the time is over or something else interrupted the wait.
#[must_use]
pub fn take(set: SignalSet, patience: Option<Duration>) -> Option<Delivery> {
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

/// Reads the number and the origin out of what the kernel told.
#[must_use]
pub fn delivery(info: libc::siginfo_t) -> Option<Delivery> {
    let signal = Signal::new(info.si_signo)?;
    Some(Delivery { signal, origin: origin(&info), info })
}

/// Longer waits than the kernel can count are as good as for ever.
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

/// The inherited disposition of a signal.
#[must_use]
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: `sigaction` is plain data that the kernel fills in.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: reads the disposition only; `action` is valid for writes.
    let result = unsafe { libc::sigaction(signal.number(), std::ptr::null(), &raw mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Sets a signal to its default or to ignored. Safe to call between fork and exec.
pub fn set_ignored(signal: Signal, ignored: bool) {
    // SAFETY: an all-zero `sigaction` is the default disposition without flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: no handler is installed, so no code of ours can run in a signal's context.
    unsafe { libc::sigaction(signal.number(), &raw const action, std::ptr::null_mut()) };
}

/// Dies of the signal as its default action has it, without a core: the workload has left its own.
/// Returns when the signal does not kill (as PID 1, or because it is one that is ignored by default).
pub fn die_of(signal: Signal) {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain values; neither call touches memory of ours.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
        // With a pipe in core_pattern the limit does not count, but this does.
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
    }
    act_on(signal);
}

/// Stops this process as Ctrl+Z does, until SIGCONT, and says whether it did. By the default action,
/// which the kernel leaves out where no shell could let us go on. The terminal's own SIGTSTP is taken
/// out first, or it would stop us a second time.
#[must_use]
pub fn stop_self() -> bool {
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

/// Lets the signal's default action happen to this process, now.
fn act_on(signal: Signal) {
    set_ignored(signal, false);
    // SAFETY: signals ourselves.
    unsafe { libc::kill(libc::getpid(), signal.number()) };
    change_mask(libc::SIG_UNBLOCK, SignalSet::default().with(signal));
    change_mask(libc::SIG_BLOCK, SignalSet::default().with(signal));
}
