//! What the server finds as its standard input.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Command;

use crate::os::child;

/// One kind of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Input {
    /// At its end at once, as under most supervisors.
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
    /// Those that a server has to cope with, too.
    pub(super) const OTHERS: [Self; 3] = [Self::Closed, Self::Pipe, Self::Terminal];

    /// As it is told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "an empty stdin",
            Self::Closed => "a closed stdin",
            Self::Pipe => "a pipe as stdin that stays open",
            Self::Terminal => "a terminal as stdin",
        }
    }

    /// Gives it to a command; what has to stay open while that runs.
    pub(super) fn give(self, command: &mut Command) -> io::Result<Option<OwnedFd>> {
        Ok(match self {
            Self::Empty => None,
            Self::Closed => {
                child::close_stdin(command);
                None
            }
            Self::Pipe => {
                let (reader, writer) = io::pipe()?;
                command.stdin(reader);
                Some(writer.into())
            }
            Self::Terminal => {
                let (ours, its) = child::terminal()?;
                command.stdin(its);
                Some(ours)
            }
        })
    }
}
