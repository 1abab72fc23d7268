//! What the server finds as its standard input.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Command;

use crate::os::process::subprocess;

/// A kind of standard input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::check) enum Input {
    /// At its end from the start, as under most supervisors.
    #[default]
    Empty,
    /// No descriptor 0 at all.
    Closed,
    /// Never at its end, as with `docker run -i`.
    Pipe,
    /// As with `docker run -t`.
    Terminal,
}

impl Input {
    const ALL: [Self; 4] = [Self::Empty, Self::Closed, Self::Pipe, Self::Terminal];

    /// The other kinds, which a server has to cope with, too.
    pub(in crate::check) fn others(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |other| *other != self)
    }

    /// Whether a reader is at the end at once.
    pub(in crate::check) const fn ends(self) -> bool {
        matches!(self, Self::Empty | Self::Closed)
    }

    /// The name in verdicts.
    pub(in crate::check) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "an empty stdin",
            Self::Closed => "a closed stdin",
            Self::Pipe => "a pipe that stays open as stdin",
            Self::Terminal => "a terminal as stdin",
        }
    }

    /// Gives it to a command; returns what must stay open while the command runs.
    pub(in crate::check) fn give(self, command: &mut Command) -> io::Result<Option<OwnedFd>> {
        Ok(match self {
            Self::Empty => None,
            Self::Closed => {
                subprocess::close_stdin(command);
                None
            }
            Self::Pipe => {
                let (reader, writer) = io::pipe()?;
                command.stdin(reader);
                Some(writer.into())
            }
            Self::Terminal => {
                let (ours, its) = subprocess::terminal()?;
                command.stdin(its);
                Some(ours)
            }
        })
    }
}
