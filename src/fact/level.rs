//! How important a line of the log is.

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Errors.
    Error,
    /// A kill, and its cause (with `-q` nothing below this level is logged).
    Warn,
    /// Stops, and anything unusual.
    Info,
    /// Also starts, forwarded signals and reaped processes (`-v`).
    Detail,
}

impl Level {
    /// `error`, `warn`, `info`, `detail`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Detail => "detail",
        }
    }

    /// The terminal's colour for the prefix: red, yellow, none, dim.
    pub(crate) const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\x1b[31m",
            Self::Warn => "\x1b[33m",
            Self::Info => "\x1b[1m",
            Self::Detail => "\x1b[2m",
        }
    }
}
