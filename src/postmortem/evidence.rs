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
}
