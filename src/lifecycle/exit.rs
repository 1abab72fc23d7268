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
/// had fallen silent, or was not ready in time, and its main process reports success.
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
    #[must_use]
    pub fn status(self) -> u8 {
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
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Status(status) => status,
            Self::Die(signal) => signal.exit_status(),
        }
    }
}

/// What the user has said about exit statuses.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// Whether the status is the main process's own even if the length of the run began the stop.
    pub preserve: bool,
    /// Which to rewrite, in the order given.
    pub remap: Vec<(u8, u8)>,
    /// In place of 0, where somebody asked for the stop.
    pub interrupted: Option<u8>,
}

impl Statuses {
    fn remapped(&self, main: Exit) -> Option<u8> {
        let status = main.status();
        self.remap.iter().rev().find(|(from, _)| *from == status).map(|(_, to)| *to)
    }
}

/// The input of the table.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// How the main process ended; `None` if it outlived SIGKILL.
    pub main: Option<Exit>,
    /// Whether winddown had sent it SIGKILL.
    pub main_was_killed: bool,
    /// Whether processes outlived the kill wait.
    pub survivors: bool,
    /// Why the run did not end by itself, if it did not.
    pub request: Option<Cause>,
    /// The user's choices.
    pub statuses: &'a Statuses,
    /// Whether winddown is PID 1: it can't die of a signal, since the kernel shields it.
    pub is_pid_1: bool,
}

/// The first line of the table that applies.
#[must_use]
pub fn ending(facts: &Facts<'_>) -> Ending {
    let Some(main) = facts.main.filter(|_| !facts.survivors) else {
        return Ending::Status(WINDDOWN_FAILED);
    };
    if facts.main_was_killed && main == Exit::Signal(Signal::KILL) {
        return Ending::Status(KILLED);
    }
    let main = if is_out_of_time(facts, main) { Exit::Code(RUN_LIMIT) } else { main };
    let ending = match (facts.statuses.remapped(main), main) {
        (Some(to), _) => Ending::Status(to),
        (None, Exit::Signal(signal)) if !facts.is_pid_1 => Ending::Die(signal),
        (None, _) => Ending::Status(main.status()),
    };
    match facts.statuses.interrupted {
        Some(status) if ending == Ending::Status(0) && is_interrupted(facts) => Ending::Status(status),
        _ => ending,
    }
}

/// Whether the run was cut short by somebody, rather than by its own length.
const fn is_interrupted(facts: &Facts<'_>) -> bool {
    match facts.request {
        Some(Cause::Signal(_) | Cause::ParentEnded | Cause::Abandoned) => true,
        Some(Cause::RunLimit | Cause::StopAfter | Cause::MainExited | Cause::Silent | Cause::StartLimit)
        | None => false,
    }
}

/// Whether the status says so.
fn is_out_of_time(facts: &Facts<'_>, main: Exit) -> bool {
    match facts.request {
        Some(Cause::RunLimit | Cause::StopAfter) => !facts.statuses.preserve,
        // Such a run has failed, though its stop went well.
        Some(Cause::Silent | Cause::StartLimit) => {
            facts.statuses.remapped(main).unwrap_or_else(|| main.status()) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING_SAID: Statuses = Statuses { preserve: false, remap: Vec::new(), interrupted: None };
    const PLAIN: Facts<'_> = Facts {
        main: Some(Exit::Code(0)),
        main_was_killed: false,
        survivors: false,
        request: None,
        statuses: &NOTHING_SAID,
        is_pid_1: false,
    };

    fn remapped(pairs: &[(u8, u8)]) -> Statuses {
        Statuses { remap: pairs.to_vec(), ..NOTHING_SAID }
    }

    #[test]
    fn the_first_line_that_applies_wins() {
        let killed = Facts {
            main: Some(Exit::Signal(Signal::KILL)),
            main_was_killed: true,
            request: Some(Cause::RunLimit),
            ..PLAIN
        };
        assert_eq!(ending(&Facts { survivors: true, ..killed }), Ending::Status(125));
        assert_eq!(ending(&Facts { main: None, ..killed }), Ending::Status(125));
        assert_eq!(ending(&killed), Ending::Status(137));
        assert_eq!(ending(&Facts { main_was_killed: false, ..killed }), Ending::Status(124));
        assert_eq!(ending(&Facts { main: Some(Exit::Code(3)), ..killed }), Ending::Status(124));
    }

    #[test]
    fn a_run_that_was_too_long_has_its_own_status_unless_the_status_is_preserved() {
        for cause in [Cause::RunLimit, Cause::StopAfter] {
            let late = Facts { main: Some(Exit::Code(3)), request: Some(cause), ..PLAIN };
            assert_eq!(ending(&late), Ending::Status(124));
            assert_eq!(
                ending(&Facts { statuses: &remapped(&[(3, 4), (124, 0)]), ..late }),
                Ending::Status(0)
            );
            let own = Statuses { preserve: true, ..NOTHING_SAID };
            let preserved = Facts { statuses: &own, ..late };
            assert_eq!(ending(&preserved), Ending::Status(3));
            let both = Statuses { preserve: true, ..remapped(&[(3, 4), (124, 0)]) };
            assert_eq!(ending(&Facts { statuses: &both, ..preserved }), Ending::Status(4));
            let died = Facts { main: Some(Exit::Signal(Signal::TERM)), ..preserved };
            assert_eq!(ending(&died), Ending::Die(Signal::TERM));
            let killed = Facts { main: Some(Exit::Signal(Signal::KILL)), main_was_killed: true, ..preserved };
            assert_eq!(ending(&killed), Ending::Status(137));
        }
    }

    #[test]
    fn a_workload_that_fell_silent_or_was_never_ready_has_not_succeeded() {
        for cause in [Cause::Silent, Cause::StartLimit] {
            let failed = Facts { request: Some(cause), ..PLAIN };
            assert_eq!(ending(&failed), Ending::Status(124));
            assert_eq!(ending(&Facts { main: Some(Exit::Code(3)), ..failed }), Ending::Status(3));
            let preserves = Statuses { preserve: true, ..NOTHING_SAID };
            assert_eq!(ending(&Facts { statuses: &preserves, ..failed }), Ending::Status(124));
            let by_signal = Facts { main: Some(Exit::Signal(Signal::TERM)), ..failed };
            assert_eq!(ending(&by_signal), Ending::Die(Signal::TERM));
            for (pairs, expected) in [([(143, 0)].as_slice(), 124), (&[(143, 0), (124, 5)], 5)] {
                let statuses = remapped(pairs);
                assert_eq!(ending(&Facts { statuses: &statuses, ..by_signal }), Ending::Status(expected));
            }
        }
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
        assert_eq!(ending(&Facts { statuses: &remapped(&[(143, 1), (143, 0)]), ..dead }), Ending::Status(0));
    }

    #[test]
    fn every_code_is_passed_on() {
        for code in 0..=u8::MAX {
            assert_eq!(ending(&Facts { main: Some(Exit::Code(code)), ..PLAIN }), Ending::Status(code));
        }
    }
}
