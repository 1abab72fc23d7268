//! Signals: dispositions, taking them one by one, and sending them.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use crate::{Process, Words, errno, exit_now, life, usage};

/// The mask that children inherit, and the signals that are taken one by one.
pub(crate) struct Signals {
    mask: libc::sigset_t,
    reactions: Vec<(i32, Vec<String>)>,
}

/// How often to check a condition that no signal announces.
const LOOK: Duration = Duration::from_millis(5);

/// A set of signals.
fn set(signals: impl IntoIterator<Item = i32>) -> libc::sigset_t {
    // SAFETY: a sigset of zeros is valid, and empty on Linux.
    let mut set = unsafe { std::mem::zeroed() };
    for signal in signals {
        // SAFETY: adds to a live set.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

/// Changes this thread's mask.
fn change_mask(how: i32, set: &libc::sigset_t) {
    // SAFETY: reads a live set.
    unsafe { libc::sigprocmask(how, set, std::ptr::null_mut()) };
}

/// One signal by name or number.
pub(crate) fn signal(word: &str) -> i32 {
    let name = word.strip_prefix("SIG").unwrap_or(word);
    if let Ok(number) = name.parse() {
        return number;
    }
    if let Some(offset) = name.strip_prefix("RTMIN") {
        return libc::SIGRTMIN() + offset.trim_start_matches('+').parse().unwrap_or(0);
    }
    let known = nix::sys::signal::Signal::from_str(&format!("SIG{name}"));
    known.map_or_else(|_| usage(&format!("no such signal: {word}")), |signal| signal as i32)
}

/// A comma-separated list of signals; `all` is every signal that can be caught, apart from SIGCHLD.
fn list(words: &str) -> Vec<i32> {
    let caught = |&number: &i32| !matches!(number, libc::SIGKILL | libc::SIGSTOP | libc::SIGCHLD | 32 | 33);
    match words {
        "all" => (1..=64).filter(caught).collect(),
        _ => words.split(',').map(signal).collect(),
    }
}

/// Ignores these signals, or sets their default action.
fn dispose(signals: &[i32], action: libc::sighandler_t) {
    for &signal in signals {
        // SAFETY: neither action runs code of ours.
        unsafe { libc::signal(signal, action) };
    }
}

/// Dies of a signal, with its default action and mask restored.
fn die(number: i32) -> ! {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads a live rlimit.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    dispose(&[number], libc::SIG_DFL);
    change_mask(libc::SIG_UNBLOCK, &set([number]));
    // SAFETY: signals this process only.
    unsafe { libc::kill(libc::getpid(), number) };
    // Another thread may take the signal a moment later.
    life::sleep_until(life::now() + Duration::from_secs(1));
    usage(&format!("signal {number} is not deadly"))
}

impl Signals {
    pub(crate) fn inherited() -> Self {
        let mut mask = set([]);
        // SAFETY: writes to a live set.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut mask) };
        Self { mask, reactions: Vec::new() }
    }

    /// What a new process starts with: it catches no signal.
    pub(crate) fn forget(&mut self) {
        self.reactions.clear();
        change_mask(libc::SIG_SETMASK, &self.mask);
    }

    fn caught(&self) -> impl Iterator<Item = i32> {
        self.reactions.iter().map(|(signal, _)| *signal)
    }

    fn on(&mut self, signals: &[i32], actions: &[String]) {
        self.reactions.retain(|(signal, _)| !signals.contains(signal));
        self.reactions.extend(signals.iter().map(|&signal| (signal, actions.to_vec())));
        change_mask(libc::SIG_BLOCK, &set(signals.iter().copied()));
    }

    fn block(&mut self, signals: &[i32], blocked: bool) {
        for &signal in signals {
            let mask = &raw mut self.mask;
            // SAFETY: changes a live set.
            let _ = unsafe {
                if blocked { libc::sigaddset(mask, signal) } else { libc::sigdelset(mask, signal) }
            };
        }
        let how = if blocked { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
        change_mask(how, &set(signals.iter().copied()));
    }
}

impl Process {
    /// The flags of the table of signals.
    pub(crate) fn signal_action(&mut self, flag: &str, words: &mut Words) -> bool {
        match flag {
            "--on" => {
                let signals = list(words.word());
                self.signals.on(&signals, words.block());
            }
            "--ignore" => dispose(&list(words.word()), libc::SIG_IGN),
            "--default" => dispose(&list(words.word()), libc::SIG_DFL),
            "--block" => self.signals.block(&list(words.word()), true),
            "--unblock" => self.signals.block(&list(words.word()), false),
            "--die" => {
                self.is_ready();
                die(signal(words.word()));
            }
            "--kill" => {
                let target = self.target(words.word());
                // SAFETY: the target is a process or group of the test.
                unsafe { libc::kill(target, signal(words.word())) };
            }
            "--serve" => self.hear_until(None, None),
            "--sleep" => self.hear_until(Some(life::now() + words.milliseconds()), None),
            "--busy" => {
                self.is_ready();
                life::sleep_until(life::now() + words.milliseconds());
            }
            "--until" => {
                let path = Path::new(words.word());
                self.hear_until(None, Some(&|| path.exists()));
            }
            "--stop" => {
                self.is_ready();
                // SAFETY: stops this process only.
                unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
            }
            "--exit" => self.exit(words.number()),
            _ => return false,
        }
        true
    }

    pub(crate) fn target(&self, word: &str) -> libc::pid_t {
        // SAFETY: these calls only return numbers.
        let (own, parent) = unsafe { (libc::getpid(), libc::getppid()) };
        match word {
            "self" => own,
            "parent" => parent,
            "group" => 0,
            _ => word.parse().ok().filter(|&pid: &i32| pid > 0).unwrap_or_else(|| self.child(word)),
        }
    }

    /// Takes signals until the time is up or the condition holds. Without a condition it sleeps
    /// in between: thousands of serving processes must cost nothing.
    pub(crate) fn hear_until(&mut self, end: Option<Duration>, done: Option<&dyn Fn() -> bool>) {
        self.is_ready();
        while !done.is_some_and(|done| done()) {
            let left = end.map_or(life::USUAL, |end| end.saturating_sub(life::now()));
            if left.is_zero() {
                return;
            }
            self.hear(if done.is_some() { left.min(LOOK) } else { left });
        }
    }

    /// Takes one signal, if one arrives in this time, and runs its actions.
    fn hear(&mut self, patience: Duration) {
        let set = set(self.signals.caught());
        // SAFETY: a siginfo of zeros is valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let patience = life::timespec(patience);
        // SAFETY: all three are live values.
        let number = unsafe { libc::sigtimedwait(&raw const set, &raw mut info, &raw const patience) };
        if number < 0 {
            // SIGCONT interrupts the wait even when it is blocked.
            if !matches!(errno(), libc::EAGAIN | libc::EINTR) {
                exit_now(71);
            }
            return;
        }
        // SAFETY: the kernel fills in, or zeroes, what the code doesn't use.
        let (pid, value) = unsafe { (info.si_pid(), info.si_value().sival_ptr.addr()) };
        // Only a queued signal has a value: an int, in the low half.
        let value = if info.si_code == libc::SI_QUEUE { value & 0xffff_ffff } else { 0 };
        self.line(&format!("got {number} code {} pid {pid} value {value}", info.si_code));
        let found = self.signals.reactions.iter().find(|(signal, _)| *signal == number);
        if let Some((_, actions)) = found.cloned() {
            self.run(&actions);
        }
    }
}
