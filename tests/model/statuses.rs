//! The table of exit statuses, with everything that goes into it.

use winddown::lifecycle::cause::{Cause, Reach, Received};
use winddown::lifecycle::exit::{Ending, Exit, Facts, Statuses, ending};
use winddown::lifecycle::outcome::Outcome;
use winddown::lifecycle::signal::{Origin, Signal};

const INTERRUPTED: u8 = 75;

const TERM: Received = Received {
    signal: Signal::TERM,
    origin: Origin::Kernel,
    reach: Reach::Winddown,
    hangup: false,
    from_tree: false,
};

/// Every cause, and whether somebody asked, rather than the length of the run or the workload itself.
const CAUSES: [(Option<Cause>, bool); 10] = [
    (None, false),
    (Some(Cause::Signal(TERM)), true),
    (Some(Cause::Signal(Received { signal: Signal::HUP, hangup: true, ..TERM })), true),
    (Some(Cause::ParentEnded), true),
    (Some(Cause::Abandoned), true),
    (Some(Cause::RunLimit), false),
    (Some(Cause::StopAfter), false),
    (Some(Cause::MainExited), false),
    (Some(Cause::Silent), false),
    (Some(Cause::StartLimit), false),
];

const REMAPS: [&[(u8, u8)]; 6] =
    [&[], &[(143, 0)], &[(124, 0)], &[(0, 4)], &[(3, 0)], &[(INTERRUPTED, 0), (137, 0)]];

fn exits() -> impl Iterator<Item = Option<Exit>> {
    let codes = [0, 3, INTERRUPTED, 124, 137].map(Exit::Code);
    let deaths = [Signal::TERM, Signal::KILL].map(Exit::Signal);
    codes.into_iter().chain(deaths).map(Some).chain([None])
}

/// Calls `judge` with everything that goes into the table, but `--interrupted-exit`.
fn walk(mut judge: impl FnMut(&Facts<'_>, bool)) {
    for main in exits() {
        for (request, is_asked) in CAUSES {
            for remap in REMAPS {
                for bits in 0..16_u8 {
                    let bit = |number: u8| bits & (1 << number) != 0;
                    let statuses = Statuses { preserve: bit(0), remap: remap.to_vec(), interrupted: None };
                    let (main_was_killed, survivors, is_pid_1) = (bit(1), bit(2), bit(3));
                    judge(
                        &Facts { main, main_was_killed, survivors, request, statuses: &statuses, is_pid_1 },
                        is_asked,
                    );
                }
            }
        }
    }
}

fn with_interrupted_exit(facts: &Facts<'_>) -> Ending {
    let statuses = Statuses { interrupted: Some(INTERRUPTED), ..facts.statuses.clone() };
    ending(&Facts { statuses: &statuses, ..*facts })
}

#[test]
fn interrupted_exit_takes_the_place_of_0() {
    walk(|facts, is_asked| {
        let (without, with) = (ending(facts), with_interrupted_exit(facts));
        let is_clean = without == Ending::Status(0);
        let expected = if is_asked && is_clean { Ending::Status(INTERRUPTED) } else { without };
        assert_eq!(with, expected, "{facts:?}");
    });
}

#[test]
fn with_interrupted_exit_0_is_a_completed_run() {
    walk(|facts, _| {
        let user_wants_0 = facts.statuses.preserve || !facts.statuses.remap.is_empty();
        let outcome = Outcome::of(facts.main, facts.request, false, facts.survivors);
        // A run without a request has no cause but the stragglers of a main process that ended by itself.
        let is_possible = facts.request != Some(Cause::MainExited);
        if is_possible && !user_wants_0 {
            let is_0 = with_interrupted_exit(facts) == Ending::Status(0);
            assert_eq!(is_0, outcome == Outcome::Completed, "{facts:?}");
        }
    });
}

#[test]
fn the_first_line_that_applies_counts() {
    walk(|facts, _| {
        let status = ending(facts).status();
        let Some(main) = facts.main.filter(|_| !facts.survivors) else {
            return assert_eq!(status, 125, "{facts:?}");
        };
        if facts.main_was_killed && main == Exit::Signal(Signal::KILL) {
            return assert_eq!(status, 137, "{facts:?}");
        }
        let rewritten =
            |status| facts.statuses.remap.iter().find(|(from, _)| *from == status).map(|(_, to)| *to);
        let late = match facts.request {
            Some(Cause::RunLimit | Cause::StopAfter) => !facts.statuses.preserve,
            Some(Cause::Silent | Cause::StartLimit) => rewritten(main.status()).unwrap_or(main.status()) == 0,
            _ => false,
        };
        let own = if late { 124 } else { main.status() };
        let rewritten = rewritten(own);
        assert_eq!(status, rewritten.unwrap_or(own), "{facts:?}");
        let dies = matches!(main, Exit::Signal(_)) && !late && rewritten.is_none() && !facts.is_pid_1;
        assert_eq!(matches!(ending(facts), Ending::Die(_)), dies, "{facts:?}");
    });
}
