//! The input of a post-mortem, as plain values.

use super::look::Look;

/// What a post-mortem judges.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The looks, in order.
    pub looks: &'a [Look],
    /// The processes that were killed.
    pub killed: &'a [i32],
    /// The stop signal, and its name without SIG. Some processes may have been asked with another one.
    pub signal: (i32, &'a str),
    /// The signals that winddown itself was started with ignored: bit 0 is signal 1.
    pub ignored_by_winddown: u64,
    /// Whether `asked_with` says which processes were asked: winddown knows what it has sent itself, not what others
    /// send.
    pub knows_who_was_asked: bool,
    /// How much can be told.
    pub room: Room,
}

/// How much can be told: somebody has to read it.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// At most this many lines are printed.
    pub lines: usize,
    /// At most this many processes get a finding of their own; others with the same cause are only counted.
    pub(crate) findings: usize,
    /// At most this many processes have lines with their facts.
    pub(crate) processes: usize,
}

impl Room {
    /// Among the lines of a log.
    pub const LOG: Self = Self { lines: 20, findings: 4, processes: 4 };
    /// A page of its own.
    pub const PAGE: Self = Self { lines: 40, findings: 8, processes: 40 };
}
