//! The plans that are walked, and the events that can happen under them.

use std::time::Duration;

use winddown::lifecycle::event::{Event, Received};
use winddown::lifecycle::exit::Exit;
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::{Limit, Mapping, Plan, Target};
use winddown::lifecycle::signal::{Origin, Signal};

/// One plan, and what may happen under it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    pub(crate) events: Vec<Event>,
}

impl Case {
    /// Every phase that a run under this plan can be seen in between two events.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let all = [Phase::Starting, Phase::Running, Phase::Terminating, Phase::Killing, Phase::Stopped];
        let no_time = self.plan.limit == Limit::Finite(Duration::ZERO);
        all.into_iter().filter(|phase| !(no_time && *phase == Phase::Terminating)).collect()
    }
}

const A: Origin = Origin::Process { pid: 100, uid: 0 };
const B: Origin = Origin::Process { pid: 200, uid: 1000 };

const fn milliseconds(number: u64) -> Limit {
    Limit::Finite(Duration::from_millis(number))
}

fn signal(name: &str) -> Signal {
    name.parse().expect("a signal's name")
}

fn plan(limit: Limit) -> Plan {
    Plan {
        limit,
        stop_signal: None,
        to: Target::Main,
        stop_on: [Signal::TERM, Signal::INT].into_iter().collect(),
        map: Vec::new(),
        run_limit: None,
        kill_wait: milliseconds(60),
        leave_stragglers: false,
    }
}

fn from(origin: Origin, name: &str) -> Received {
    Received { signal: signal(name), origin, main_has_it: false, hangup: false, from_tree: false }
}

/// What happens to processes.
fn changes() -> Vec<Event> {
    vec![
        Event::Started,
        Event::NotStarted,
        Event::MainStopped,
        Event::MainExited(Exit::Code(0)),
        Event::Remains,
        Event::TreeEmpty,
        Event::Abandoned,
        Event::Tick,
    ]
}

/// Signals of every kind but SIGINT.
fn requests() -> Vec<Event> {
    let signals = [
        from(A, "TERM"),
        Received { from_tree: true, ..from(B, "TERM") },
        from(A, "QUIT"),
        from(A, "USR1"),
        Received { main_has_it: true, ..from(Origin::Kernel, "QUIT") },
        from(A, "HUP"),
        Received { hangup: true, ..from(Origin::Kernel, "HUP") },
        from(A, "CHLD"),
    ];
    signals.map(Event::Signal).into()
}

/// Ctrl+C that reaches the whole group, or winddown alone, and SIGINT from two processes.
fn interrupts() -> Vec<Event> {
    let signals = [
        key(),
        from(Origin::Kernel, "INT"),
        from(A, "INT"),
        Received { from_tree: true, ..from(A, "INT") },
        from(B, "INT"),
    ];
    signals.map(Event::Signal).into()
}

/// Everything that can happen. The limit has to be short: what happens at one moment makes other
/// states of all later ones.
fn all(name: &'static str, plan: Plan) -> Case {
    Case { name, plan, events: [changes(), requests(), interrupts()].concat() }
}

/// Only what this plan is about: few signals, for walks that would have no end.
fn some(name: &'static str, plan: Plan, signals: &[Received]) -> Case {
    let signals = signals.iter().copied().map(Event::Signal);
    Case { name, plan, events: changes().into_iter().chain(signals).collect() }
}

/// Ctrl+C, as the whole foreground group gets it.
fn key() -> Received {
    Received { main_has_it: true, ..from(Origin::Kernel, "INT") }
}

pub(crate) fn finite_limit() -> Case {
    all("finite limit", plan(milliseconds(30)))
}

/// Long enough for a second Ctrl+C.
pub(crate) fn second_interrupt() -> Case {
    some("second interrupt", plan(milliseconds(205)), &[key(), from(A, "INT"), from(B, "INT")])
}

/// Long enough for the hint about a waiting shell.
pub(crate) fn long_limit() -> Case {
    some("long limit", plan(milliseconds(2500)), &[from(A, "TERM"), from(A, "USR1")])
}

pub(crate) fn tiny_limit() -> Case {
    all("tiny limit", plan(Limit::Finite(Duration::from_nanos(1))))
}

pub(crate) fn zero_limit() -> Case {
    all("zero limit", plan(milliseconds(0)))
}

pub(crate) fn infinite_limit() -> Case {
    some("infinite limit", plan(Limit::Infinite), &[from(A, "TERM"), from(A, "USR1")])
}

pub(crate) fn run_limit() -> Case {
    let run_limit = Some(Duration::from_millis(400));
    some(
        "run limit",
        Plan { run_limit, ..plan(milliseconds(30)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    )
}

pub(crate) fn leave_stragglers() -> Case {
    some(
        "leave stragglers",
        Plan { leave_stragglers: true, ..plan(milliseconds(30)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    )
}

pub(crate) fn to_all() -> Case {
    some(
        "to all",
        Plan { to: Target::All, ..plan(milliseconds(30)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    )
}

pub(crate) fn stop_signal_given() -> Case {
    let stop_signal = Some(Signal::QUIT);
    let signals = [from(A, "TERM"), from(A, "INT"), from(A, "QUIT"), from(A, "USR1"), key()];
    some("stop signal given", Plan { stop_signal, ..plan(milliseconds(30)) }, &signals)
}

/// Two stop signals become one, a reload becomes a stop signal, one is dropped.
pub(crate) fn signals_mapped() -> Case {
    let map = [("TERM", Some("QUIT")), ("INT", Some("QUIT")), ("HUP", Some("TERM")), ("USR1", None)];
    let map = map.map(|(from, to)| Mapping { from: signal(from), to: to.map(signal) });
    let signals = ["TERM", "INT", "HUP", "QUIT", "USR1"].map(|name| from(A, name));
    some("signals mapped", Plan { map: map.into(), ..plan(milliseconds(30)) }, &signals)
}

pub(crate) fn interrupt_is_no_stop() -> Case {
    let stop_on = [Signal::TERM].into_iter().collect();
    all("interrupt is no stop", Plan { stop_on, ..plan(milliseconds(30)) })
}

pub(crate) fn no_patience_after_the_kill() -> Case {
    some(
        "no patience after the kill",
        Plan { kill_wait: milliseconds(0), ..plan(milliseconds(30)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    )
}

pub(crate) fn endless_patience_after_the_kill() -> Case {
    some(
        "endless patience after the kill",
        Plan { kill_wait: Limit::Infinite, ..plan(milliseconds(30)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    )
}
