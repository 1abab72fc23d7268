//! What becomes of a signal: it begins a stop, kills, is passed on, or is dropped for a reason.
//! Every signal that winddown receives goes through `route`.

use std::time::Duration;

use serde::Serialize;

use super::cause::{Reach, Received};
use super::phase::Phase;
use super::signal::{Signal, SignalSet};

/// Repeats of Ctrl+C within this time are one key press seen twice.
pub(crate) const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// Why a signal was not passed on to the main process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// winddown sent it itself.
    Own,
    /// It concerns winddown's own children, its terminal or the C library.
    Internal,
    /// winddown's other process got it as well, and it was acted on then.
    Copy,
    /// It was sent to the whole process group, which includes the main process.
    Group,
    /// Its sender sent it to every process of the workload.
    Everyone,
    /// `--map` drops it.
    Map,
    /// The main process has ended.
    Ended,
    /// Everything is being killed.
    Killing,
    /// The main process already got this signal in this stop.
    Given,
    /// This stop request was received before.
    Repeat,
    /// A further stop request, from inside the workload.
    Workload,
    /// A further stop request, and the plan has steps of its own.
    Plan,
    /// One key press of Ctrl+C, seen twice.
    SamePress,
}

impl Reason {
    /// Whether the signal counts for nothing, even if its number is that of a stop request.
    pub(crate) const fn is_nothing(self) -> bool {
        matches!(self, Self::Own | Self::Internal | Self::Copy | Self::SamePress)
    }
}

/// What becomes of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// It begins a stop.
    Stop,
    /// It kills everything at once.
    Kill,
    /// The main process gets it as this signal, or not at all.
    Pass(Result<Signal, Reason>),
}

/// The state of the run, as far as it matters for a signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// The phase.
    pub(crate) phase: Phase,
    /// Whether the signal asks for a stop.
    pub(crate) is_request: bool,
    /// Whether the main process has ended, so that there is nothing to pass it on to.
    pub(crate) main_has_ended: bool,
    /// The signal it is passed on as; `None` if `--map` drops it.
    pub(crate) passed_on_as: Option<Signal>,
    /// Stop requests that came from outside the workload during this stop.
    pub(crate) heard: SignalSet,
    /// Stop signals that the main process got during this stop.
    pub(crate) given: SignalSet,
    /// Whether the plan is one signal for the whole limit.
    pub(crate) is_plain: bool,
    /// How long ago the first SIGINT of this sender came during this stop.
    pub(crate) first_interrupt: Option<Duration>,
}

/// Decides what becomes of a signal.
pub(crate) fn route(received: &Received, now: &Situation) -> Route {
    let drop = |reason| Route::Pass(Err(reason));
    match received.reach {
        Reach::Own => return drop(Reason::Own),
        Reach::Copy => return drop(Reason::Copy),
        _ if !received.signal.is_forwardable() => return drop(Reason::Internal),
        Reach::Winddown | Reach::Group | Reach::Everyone => {}
    }
    match (now.phase, now.first_interrupt) {
        (Phase::Killing, _) => return drop(Reason::Killing),
        (Phase::Stopped, _) => return drop(Reason::Ended),
        (Phase::Starting | Phase::Running, _) if now.is_request => return Route::Stop,
        (_, Some(after)) if after >= REPEAT_AFTER => return Route::Kill,
        (_, Some(_)) => return drop(Reason::SamePress),
        _ => {}
    }
    Route::Pass(pass(received, now))
}

/// Decides about a signal that does not begin a stop.
fn pass(received: &Received, now: &Situation) -> Result<Signal, Reason> {
    let is_further = now.is_request && now.phase == Phase::Terminating;
    match received.reach {
        _ if now.main_has_ended => return Err(Reason::Ended),
        Reach::Group => return Err(Reason::Group),
        Reach::Everyone => return Err(Reason::Everyone),
        _ if is_further && received.from_tree => return Err(Reason::Workload),
        // Many servers take a second stop signal as "at once".
        _ if is_further && now.heard.contains(received.signal) => return Err(Reason::Repeat),
        // The user is in a hurry and sends another stop signal; a plan with steps of its own hurries by itself.
        _ if is_further && !now.is_plain => return Err(Reason::Plan),
        _ => {}
    }
    let signal = now.passed_on_as.ok_or(Reason::Map)?;
    if now.phase == Phase::Terminating && now.given.contains(signal) {
        return Err(Reason::Given);
    }
    Ok(signal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::signal::Origin;

    const A: Origin = Origin::Process { pid: 100, uid: 0 };
    const HUP: Received =
        Received { signal: Signal::HUP, origin: A, reach: Reach::Winddown, hangup: false, from_tree: false };
    const TERM: Received = Received { signal: Signal::TERM, ..HUP };

    fn running() -> Situation {
        Situation {
            phase: Phase::Running,
            is_request: false,
            main_has_ended: false,
            passed_on_as: Some(Signal::HUP),
            heard: SignalSet::default(),
            given: SignalSet::default(),
            is_plain: true,
            first_interrupt: None,
        }
    }

    /// A stop that SIGTERM began, and a further request.
    fn stopping(signal: Signal) -> Situation {
        let term = SignalSet::default().with(Signal::TERM);
        Situation {
            phase: Phase::Terminating,
            is_request: true,
            passed_on_as: Some(signal),
            heard: term,
            given: term,
            ..running()
        }
    }

    fn reason(received: Received, now: &Situation) -> Reason {
        match route(&received, now) {
            Route::Pass(Err(reason)) => reason,
            route => panic!("{received:?} under {now:?} is not dropped: {route:?}"),
        }
    }

    #[test]
    fn what_is_sent_to_winddown_alone_is_passed_on() {
        assert_eq!(route(&HUP, &running()), Route::Pass(Ok(Signal::HUP)));
        let mapped = Situation { passed_on_as: Some(Signal::QUIT), ..running() };
        assert_eq!(route(&HUP, &mapped), Route::Pass(Ok(Signal::QUIT)));
        let int = Received { signal: Signal::INT, ..HUP };
        assert_eq!(route(&int, &stopping(Signal::INT)), Route::Pass(Ok(Signal::INT)), "a hurry");
    }

    #[test]
    fn a_request_begins_a_stop_whoever_else_has_got_it() {
        let now = Situation { is_request: true, ..running() };
        for reach in [Reach::Winddown, Reach::Group, Reach::Everyone] {
            assert_eq!(route(&Received { reach, ..TERM }, &now), Route::Stop);
        }
        assert_eq!(reason(Received { reach: Reach::Copy, ..TERM }, &now), Reason::Copy);
        assert_eq!(reason(Received { reach: Reach::Own, ..TERM }, &now), Reason::Own);
    }

    #[test]
    fn each_drop_has_its_reason() {
        let now = running();
        assert_eq!(reason(Received { signal: Signal::TTOU, ..HUP }, &now), Reason::Internal);
        assert_eq!(reason(Received { reach: Reach::Group, ..HUP }, &now), Reason::Group);
        assert_eq!(reason(Received { reach: Reach::Everyone, ..HUP }, &now), Reason::Everyone);
        assert_eq!(reason(HUP, &Situation { passed_on_as: None, ..now }), Reason::Map);
        assert_eq!(reason(HUP, &Situation { main_has_ended: true, ..now }), Reason::Ended);
        assert_eq!(reason(HUP, &Situation { phase: Phase::Killing, ..now }), Reason::Killing);
        assert_eq!(reason(HUP, &Situation { phase: Phase::Stopped, ..now }), Reason::Ended);
    }

    #[test]
    fn each_drop_in_a_stop_has_its_reason() {
        assert_eq!(reason(TERM, &stopping(Signal::TERM)), Reason::Repeat);
        let int = Received { signal: Signal::INT, ..TERM };
        let now = stopping(Signal::INT);
        assert_eq!(reason(Received { from_tree: true, ..int }, &now), Reason::Workload);
        assert_eq!(reason(int, &Situation { is_plain: false, ..now }), Reason::Plan);
        assert_eq!(reason(int, &stopping(Signal::TERM)), Reason::Given, "by --map");
        let quit = Received { signal: Signal::QUIT, ..TERM };
        let asked_with_quit =
            Situation { is_request: false, given: now.given.with(Signal::QUIT), ..stopping(Signal::QUIT) };
        assert_eq!(reason(quit, &asked_with_quit), Reason::Given);
    }

    #[test]
    fn a_second_interrupt_kills_unless_it_is_the_same_press() {
        let int = Received { signal: Signal::INT, ..TERM };
        let again = |after| Situation {
            first_interrupt: Some(Duration::from_millis(after)),
            ..stopping(Signal::INT)
        };
        assert_eq!(reason(int, &again(199)), Reason::SamePress);
        assert_eq!(route(&int, &again(200)), Route::Kill);
    }
}
