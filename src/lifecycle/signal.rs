//! Signals by number and name, sets of signals, and their origin.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The first and the last real-time signal that programs may use. The kernel starts at 32; glibc reserves 32 and 33
/// for its threads.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// Standard signals in the order of their numbers on Linux (x86, ARM, RISC-V: signal(7)).
const NAMES: [(i32, &str); 31] = [
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGILL, "ILL"),
    (libc::SIGTRAP, "TRAP"),
    (libc::SIGABRT, "ABRT"),
    (libc::SIGBUS, "BUS"),
    (libc::SIGFPE, "FPE"),
    (libc::SIGKILL, "KILL"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGPIPE, "PIPE"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGSTKFLT, "STKFLT"),
    (libc::SIGCHLD, "CHLD"),
    (libc::SIGCONT, "CONT"),
    (libc::SIGSTOP, "STOP"),
    (libc::SIGTSTP, "TSTP"),
    (libc::SIGTTIN, "TTIN"),
    (libc::SIGTTOU, "TTOU"),
    (libc::SIGURG, "URG"),
    (libc::SIGXCPU, "XCPU"),
    (libc::SIGXFSZ, "XFSZ"),
    (libc::SIGVTALRM, "VTALRM"),
    (libc::SIGPROF, "PROF"),
    (libc::SIGWINCH, "WINCH"),
    (libc::SIGIO, "IO"),
    (libc::SIGPWR, "PWR"),
    (libc::SIGSYS, "SYS"),
];

/// Other names that some systems use in `kill -l`.
const ALIASES: [(&str, i32); 4] =
    [("IOT", libc::SIGABRT), ("CLD", libc::SIGCHLD), ("POLL", libc::SIGIO), ("UNUSED", libc::SIGSYS)];

/// A signal number from 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signal(i32);

/// The text is not a signal.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("no signal of that name or number; use a name (TERM, SIGTERM), a number (15) or RTMIN+3")]
pub struct NoSuchSignal;

impl Signal {
    /// The terminal was closed; by convention also: reload the configuration.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// Ctrl+C.
    pub const INT: Self = Self(libc::SIGINT);
    /// Abort, with a core dump.
    pub const ABRT: Self = Self(libc::SIGABRT);
    /// Ctrl+\.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// Kills; can't be caught, blocked or ignored.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// The usual request to stop.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// A child ended or stopped.
    pub(crate) const CHLD: Self = Self(libc::SIGCHLD);
    /// Continues a stopped process.
    pub(crate) const CONT: Self = Self(libc::SIGCONT);
    /// Stops; can't be caught, blocked or ignored.
    pub(crate) const STOP: Self = Self(libc::SIGSTOP);
    /// Ctrl+Z.
    pub(crate) const TSTP: Self = Self(libc::SIGTSTP);
    /// A background job read from its terminal.
    pub(crate) const TTIN: Self = Self(libc::SIGTTIN);
    /// A background job wrote to its terminal.
    pub(crate) const TTOU: Self = Self(libc::SIGTTOU);
    /// A descriptor is ready.
    pub(crate) const IO: Self = Self(libc::SIGIO);
    /// The terminal was resized.
    pub(crate) const WINCH: Self = Self(libc::SIGWINCH);

    /// The signal with this number; `None` unless it is from 1 to 64.
    #[must_use]
    pub const fn new(number: i32) -> Option<Self> {
        if number >= 1 && number <= RTMAX { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Whether winddown passes it on at all: not signals about winddown's own children and terminal, nor the two that
    /// glibc reserves for its threads.
    #[must_use]
    pub fn is_forwardable(self) -> bool {
        let own = [Self::CHLD, Self::TTIN, Self::TTOU, Self::KILL, Self::STOP];
        !own.contains(&self) && !(32..RTMIN).contains(&self.0)
    }

    /// The status with which a shell reports a death by this signal.
    pub(crate) fn exit_status(self) -> u8 {
        128_u8.saturating_add(u8::try_from(self.0).unwrap_or(u8::MAX))
    }

    /// Those with a name of their own, and that name: all but the real-time ones.
    pub fn named() -> impl Iterator<Item = (Self, &'static str)> {
        NAMES.iter().map(|(number, name)| (Self(*number), *name))
    }

    /// `TERM`, `RTMIN+3`: the name without `SIG`.
    #[must_use]
    pub fn name(self) -> String {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => (*name).to_owned(),
            None if self.0 < RTMIN => self.0.to_string(),
            None if self.0 == RTMIN => "RTMIN".to_owned(),
            None => format!("RTMIN+{}", self.0 - RTMIN),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

impl FromStr for Signal {
    type Err = NoSuchSignal;

    fn from_str(text: &str) -> Result<Self, NoSuchSignal> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            return name.parse().ok().and_then(Self::new).ok_or(NoSuchSignal);
        }
        let standard = NAMES.iter().find(|(_, known)| *known == name);
        let alias = ALIASES.iter().find(|(known, _)| *known == name);
        match (standard, alias) {
            (Some((number, _)), _) | (None, Some((_, number))) => Ok(Self(*number)),
            (None, None) => real_time(name).ok_or(NoSuchSignal),
        }
    }
}

/// `RTMIN`, `RTMIN+3`, `RTMAX-2`, `RTMAX`.
fn real_time(name: &str) -> Option<Signal> {
    let (base, direction, rest) = if let Some(rest) = name.strip_prefix("RTMIN") {
        (RTMIN, 1, rest.strip_prefix('+').or(rest.is_empty().then_some("0")))
    } else {
        let rest = name.strip_prefix("RTMAX")?;
        (RTMAX, -1, rest.strip_prefix('-').or(rest.is_empty().then_some("0")))
    };
    let distance = rest?.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest?)?;
    let number = base + direction * distance.parse::<i32>().ok().filter(|n| *n <= RTMAX - RTMIN)?;
    Signal::new(number)
}

/// A set of signals, one bit each, laid out as in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct SignalSet(u64);

impl SignalSet {
    /// All signals.
    pub(crate) const ALL: Self = Self(u64::MAX);

    /// The set with these bits: bit 0 is signal 1.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits: bit 0 is signal 1.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the signal is in the set.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & bit(signal) != 0
    }

    /// The set with this signal added.
    #[must_use]
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | bit(signal))
    }

    /// The set with this signal removed.
    pub(crate) const fn without(self, signal: Signal) -> Self {
        Self(self.0 & !bit(signal))
    }

    /// Its signals, by number.
    pub(crate) fn iter(self) -> impl Iterator<Item = Signal> {
        (1..=u64::BITS.cast_signed()).filter_map(Signal::new).filter(move |signal| self.contains(*signal))
    }
}

const fn bit(signal: Signal) -> u64 {
    1 << (signal.0 - 1)
}

impl FromIterator<Signal> for SignalSet {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        signals.into_iter().fold(Self::default(), Self::with)
    }
}

/// The sender of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Origin {
    /// The kernel: a key press at the terminal, or the terminal's end.
    Kernel,
    /// A process. Its id is 0 if it is outside our PID namespace.
    Process {
        /// Its process id in our namespace.
        pid: i32,
        /// Its real user id.
        uid: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_way_through_its_name() {
        for number in (1..=31).chain(RTMIN..=RTMAX) {
            let signal = Signal::new(number).expect("a signal");
            assert_eq!(signal.name().parse(), Ok(signal));
            assert_eq!(signal.to_string().to_ascii_lowercase().parse(), Ok(signal));
            assert_eq!(number.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn names_of_every_kind_are_read() {
        assert_eq!("RTMIN+3".parse(), Ok(Signal(37)));
        assert_eq!("sigrtmax-1".parse(), Ok(Signal(63)));
        assert_eq!("IOT".parse(), Ok(Signal(libc::SIGABRT)));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in
            ["", "SIG", "0", "65", "-1", "99999999999", "TERMINATE", "RTMIN+31", "RTMAX-x", "RTMIN+", "+3"]
        {
            assert_eq!(text.parse::<Signal>(), Err(NoSuchSignal), "{text}");
        }
    }
}
