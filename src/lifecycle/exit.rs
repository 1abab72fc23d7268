//! The table of exit statuses, in order. Users find it in `docs/exit-status.md`.

use super::cause::Cause;
use super::signal::Signal;

/// winddown itself failed, or processes outlived SIGKILL.
pub const WINDDOWN_FAILED: u8 = 125;
/// The command was found but could not be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const NOT_FOUND: u8 = 127;
/// The length of the run began the stop, and the main process ended in time, as with `timeout`. Also if the workload
/// had fallen silent, and its main process reports success.
pub const RUN_LIMIT: u8 = 124;
/// The main process was killed by winddown: 128 + SIGKILL.
pub const KILLED: u8 = 137;

/// How a process ended, as `waitpid` reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Exit {
    /// It exited with this code.
    Code(u8),
    /// It died of this signal.
    Signal(Signal),
}

impl Exit {
    /// As a shell would report it in `$?`.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.exit_status(),
        }
    }
}

/// How winddown should end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Ending {
    /// Exit with this status.
    Status(u8),
    /// Die of this signal, as the main process did, so that callers see the same as without winddown.
    Die(Signal),
}

impl Ending {
    /// The status that a shell would show.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Status(status) => status,
            Self::Die(signal) => signal.exit_status(),
        }
    }
}

/// The input of the table.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each independent of the others")]
pub(crate) struct Facts<'a> {
    /// How the main process ended; `None` if it outlived SIGKILL.
    pub(crate) main: Option<Exit>,
    /// Whether winddown had sent it SIGKILL.
    pub(crate) main_was_killed: bool,
    /// Whether processes outlived the kill wait.
    pub(crate) survivors: bool,
    /// Why the workload was asked to stop, if it was.
    pub(crate) cause: Option<Cause>,
    /// Whether the status is the main process's own even if the length of the run began the stop.
    pub(crate) preserve_status: bool,
    /// `--remap-exit`, in the order given.
    pub(crate) remap: &'a [(u8, u8)],
    /// Whether winddown is PID 1: it can't die of a signal, since the kernel shields it.
    pub(crate) is_pid_1: bool,
}

/// The first line of the table that applies.
pub(crate) fn ending(facts: &Facts<'_>) -> Ending {
    let Some(main) = facts.main.filter(|_| !facts.survivors) else {
        return Ending::Status(WINDDOWN_FAILED);
    };
    if facts.main_was_killed && main == Exit::Signal(Signal::KILL) {
        return Ending::Status(KILLED);
    }
    let main = if is_out_of_time(facts, main) { Exit::Code(RUN_LIMIT) } else { main };
    let status = main.status();
    let remapped = facts.remap.iter().rev().find(|(from, _)| *from == status);
    match (remapped, main) {
        (Some((_, to)), _) => Ending::Status(*to),
        (None, Exit::Signal(signal)) if !facts.is_pid_1 => Ending::Die(signal),
        (None, _) => Ending::Status(status),
    }
}

/// Whether the status says so.
fn is_out_of_time(facts: &Facts<'_>, main: Exit) -> bool {
    match facts.cause {
        Some(Cause::RunLimit | Cause::StopAfter) => !facts.preserve_status,
        Some(Cause::Silent) => main == Exit::Code(0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Facts<'_> = Facts {
        main: Some(Exit::Code(0)),
        main_was_killed: false,
        survivors: false,
        cause: None,
        preserve_status: false,
        remap: &[],
        is_pid_1: false,
    };

    #[test]
    fn the_first_line_that_applies_wins() {
        let killed = Facts {
            main: Some(Exit::Signal(Signal::KILL)),
            main_was_killed: true,
            cause: Some(Cause::RunLimit),
            ..PLAIN
        };
        assert_eq!(ending(&Facts { survivors: true, ..killed }), Ending::Status(125));
        assert_eq!(ending(&Facts { main: None, ..killed }), Ending::Status(125));
        assert_eq!(ending(&killed), Ending::Status(137));
        assert_eq!(ending(&Facts { main_was_killed: false, ..killed }), Ending::Status(124));
        assert_eq!(ending(&Facts { main: Some(Exit::Code(3)), ..killed }), Ending::Status(124));
    }

    #[test]
    fn a_run_that_was_too_long_is_told_unless_the_status_is_preserved() {
        for cause in [Cause::RunLimit, Cause::StopAfter] {
            let late = Facts { main: Some(Exit::Code(3)), cause: Some(cause), ..PLAIN };
            assert_eq!(ending(&late), Ending::Status(124));
            assert_eq!(ending(&Facts { remap: &[(3, 4), (124, 0)], ..late }), Ending::Status(0));
            let preserved = Facts { preserve_status: true, ..late };
            assert_eq!(ending(&preserved), Ending::Status(3));
            assert_eq!(ending(&Facts { remap: &[(3, 4), (124, 0)], ..preserved }), Ending::Status(4));
            let died = Facts { main: Some(Exit::Signal(Signal::TERM)), ..preserved };
            assert_eq!(ending(&died), Ending::Die(Signal::TERM));
            let killed = Facts { main: Some(Exit::Signal(Signal::KILL)), main_was_killed: true, ..preserved };
            assert_eq!(ending(&killed), Ending::Status(137));
        }
    }

    #[test]
    fn a_workload_that_fell_silent_has_not_succeeded() {
        let silent = Facts { cause: Some(Cause::Silent), ..PLAIN };
        assert_eq!(ending(&silent), Ending::Status(124));
        assert_eq!(ending(&Facts { main: Some(Exit::Code(3)), ..silent }), Ending::Status(3));
        assert_eq!(ending(&Facts { preserve_status: true, ..silent }), Ending::Status(124));
    }

    #[test]
    fn an_exit_at_the_deadline_keeps_its_own_status() {
        let late = Facts { main: Some(Exit::Code(7)), main_was_killed: true, ..PLAIN };
        assert_eq!(ending(&late), Ending::Status(7));
    }

    #[test]
    fn a_death_is_repeated_except_as_pid_1_or_remapped() {
        let dead = Facts { main: Some(Exit::Signal(Signal::TERM)), ..PLAIN };
        assert_eq!(ending(&dead), Ending::Die(Signal::TERM));
        assert_eq!(ending(&Facts { is_pid_1: true, ..dead }), Ending::Status(143));
        assert_eq!(ending(&Facts { remap: &[(143, 1), (143, 0)], ..dead }), Ending::Status(0));
    }

    #[test]
    fn every_code_is_passed_on() {
        for code in 0..=u8::MAX {
            assert_eq!(ending(&Facts { main: Some(Exit::Code(code)), ..PLAIN }), Ending::Status(code));
        }
    }
}
