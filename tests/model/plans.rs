//! The plans to walk, and the events that can happen under them.

use std::time::Duration;

use winddown::lifecycle::cause::{Reach, Received};

use winddown::lifecycle::event::{Event, Extend};
use winddown::lifecycle::exit::Exit;
use winddown::lifecycle::phase::Phase;
use winddown::lifecycle::plan::{Action, AtParentsEnd, Dump, Limit, Mapping, Plan, ReadyWhen, Step, Target};
use winddown::lifecycle::signal::{Origin, Signal};

/// One plan, and the events that may happen under it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    pub(crate) events: Vec<Event>,
    /// Phases that this plan skips.
    pub(crate) never: Vec<Phase>,
}

impl Case {
    /// The phases in which a run under this plan can be between two events.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let all = [Phase::Starting, Phase::Running, Phase::Terminating, Phase::Killing, Phase::Stopped];
        all.into_iter().filter(|phase| !self.never.contains(phase)).collect()
    }
}

const A: Origin = Origin::Process { pid: 100, uid: 0 };
const B: Origin = Origin::Process { pid: 200, uid: 1000 };

const fn milliseconds(number: u64) -> Limit {
    Limit::Finite(Duration::from_millis(number))
}

pub(crate) fn signal(name: &str) -> Signal {
    name.parse().expect("a signal's name")
}

pub(crate) fn plan(limit: Limit) -> Plan {
    Plan {
        limit,
        steps: one_step(None, Target::Main),
        others_ask: false,
        stop_on: [Signal::TERM, Signal::INT].into_iter().collect(),
        map: Vec::new(),
        run_limit: None,
        stop_after: None,
        ready: None,
        start_limit: None,
        watchdog: None,
        extend_max: Duration::ZERO,
        kill_wait: milliseconds(60),
        post_stop: None,
        last_words: 0,
        looks: false,
        leave_stragglers: false,
        at_parents_end: AtParentsEnd::Ask,
        straggler_grace: Duration::ZERO,
    }
}

/// A plan of one signal for the whole limit.
fn one_step(signal: Option<Signal>, to: Target) -> Vec<Step> {
    vec![Step { action: Action::Signal(signal, to), share: None }]
}

fn step(action: Action, share: u64) -> Step {
    Step { action, share: Some(Duration::from_millis(share)) }
}

fn from(origin: Origin, name: &str) -> Received {
    Received { signal: signal(name), origin, reach: Reach::Winddown, hangup: false, from_tree: false }
}

const fn more_time(milliseconds: u64, reads_answer: bool) -> Event {
    Event::Extend(Extend { by: Duration::from_millis(milliseconds), reads_answer })
}

/// Events about processes.
fn changes() -> Vec<Event> {
    vec![
        Event::Started,
        Event::NotStarted,
        Event::MainStopped,
        Event::MainExited(Exit::Code(0)),
        Event::Remains,
        Event::TreeEmpty,
        Event::Abandoned,
        Event::ParentEnded,
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
        Received { reach: Reach::Group, ..from(Origin::Kernel, "QUIT") },
        from(A, "HUP"),
        Received { hangup: true, ..from(Origin::Kernel, "HUP") },
        from(A, "CHLD"),
        Received { reach: Reach::Copy, ..from(A, "TERM") },
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

/// All events. The limit must be short: each moment at which something happens multiplies the later states.
fn all(name: &'static str, plan: Plan) -> Case {
    Case { name, plan, events: [changes(), requests(), interrupts()].concat(), never: Vec::new() }
}

/// Only the signals that this plan is about, for walks that would not end otherwise.
fn some(name: &'static str, plan: Plan, signals: &[Received]) -> Case {
    let signals = signals.iter().copied().map(Event::Signal);
    Case { name, plan, events: changes().into_iter().chain(signals).collect(), never: Vec::new() }
}

/// Ctrl+C, which the whole foreground group gets.
fn key() -> Received {
    Received { reach: Reach::Group, ..from(Origin::Kernel, "INT") }
}

pub(crate) fn finite_limit() -> Case {
    all("finite limit", plan(milliseconds(30)))
}

/// Long enough for a second Ctrl+C.
pub(crate) fn second_interrupt() -> Case {
    some("second interrupt", plan(milliseconds(205)), &[key(), from(A, "INT"), from(B, "INT")])
}

/// Long enough for the hint about a main process that is still there.
pub(crate) fn long_limit() -> Case {
    some("long limit", plan(milliseconds(2500)), &[from(A, "TERM"), from(A, "USR1")])
}

pub(crate) fn tiny_limit() -> Case {
    all("tiny limit", plan(Limit::Finite(Duration::from_nanos(1))))
}

pub(crate) fn zero_limit() -> Case {
    Case { never: vec![Phase::Terminating], ..all("zero limit", plan(milliseconds(0))) }
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

/// The stop begins after a time, whatever its limit; what the workload asks for comes on top.
pub(crate) fn stop_after() -> Case {
    let plan = Plan {
        stop_after: Some(Duration::from_millis(400)),
        extend_max: Duration::from_millis(20),
        ..plan(milliseconds(30))
    };
    some("stop after", plan, &[from(A, "TERM"), from(A, "USR1"), key()])
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
        Plan { steps: one_step(None, Target::All), ..plan(milliseconds(30)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    )
}

/// A sender outside the workload has asked every process; winddown's own requests, and the workload's, are as usual.
pub(crate) fn to_none() -> Case {
    let plan =
        Plan { others_ask: true, run_limit: Some(Duration::from_millis(50)), ..plan(milliseconds(30)) };
    all("to none", plan)
}

/// The sender of the stop signal has done the first signal step; winddown does the next.
pub(crate) fn to_none_with_steps() -> Case {
    let steps = vec![
        step(Action::Wait, 5),
        step(Action::Signal(Some(Signal::TERM), Target::All), 10),
        Step { action: Action::Signal(Some(Signal::QUIT), Target::Main), share: None },
    ];
    let signals = [from(A, "TERM"), from(B, "INT"), key(), Received { from_tree: true, ..from(A, "TERM") }];
    some("to none with steps", Plan { others_ask: true, steps, ..plan(milliseconds(30)) }, &signals)
}

/// A platform that signals every process, though the plan does not say so.
pub(crate) fn sent_to_everyone() -> Case {
    let everyone = |name| Received { reach: Reach::Everyone, ..from(A, name) };
    let signals = [everyone("TERM"), everyone("INT"), everyone("HUP"), from(A, "TERM"), key()];
    some("sent to everyone", plan(milliseconds(30)), &signals)
}

pub(crate) fn stop_signal_given() -> Case {
    let steps = one_step(Some(Signal::QUIT), Target::Main);
    let signals = [from(A, "TERM"), from(A, "INT"), from(A, "QUIT"), from(A, "USR1"), key()];
    some("stop signal given", Plan { steps, ..plan(milliseconds(30)) }, &signals)
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

/// A drain, then two signals; hooks that end, fail and overrun.
pub(crate) fn steps_with_hooks() -> Case {
    let steps = vec![
        step(Action::Wait, 5),
        step(Action::Run(0), 10),
        step(Action::Signal(Some(Signal::QUIT), Target::Main), 20),
        Step { action: Action::Signal(Some(Signal::TERM), Target::All), share: None },
        step(Action::Run(1), 5),
    ];
    let mut case = some(
        "steps with hooks",
        Plan { steps, ..plan(milliseconds(50)) },
        &[from(A, "TERM"), from(A, "QUIT"), key()],
    );
    case.events.extend([Event::HookEnded(Some(Exit::Code(1))), Event::HookEnded(None)]);
    case
}

/// The plan kills before the end of the limit.
pub(crate) fn a_plan_that_kills() -> Case {
    let steps = vec![
        step(Action::Signal(Some(Signal::TERM), Target::Main), 10),
        Step { action: Action::Kill, share: None },
    ];
    all("a plan that kills", Plan { steps, ..plan(milliseconds(30)) })
}

pub(crate) fn a_plan_that_only_kills() -> Case {
    let steps = vec![Step { action: Action::Kill, share: None }];
    let mut case = all("a plan that only kills", Plan { steps, ..plan(milliseconds(30)) });
    case.never.push(Phase::Terminating);
    case
}

/// The same signal for one and then for all, without a limit.
pub(crate) fn steps_without_a_limit() -> Case {
    let steps = vec![
        step(Action::Wait, 10),
        step(Action::Signal(Some(Signal::TERM), Target::Main), 30),
        Step { action: Action::Signal(Some(Signal::TERM), Target::All), share: None },
    ];
    some("steps without a limit", Plan { steps, ..plan(Limit::Infinite) }, &[from(A, "TERM")])
}

/// With looks at the workload.
pub(crate) fn looks() -> Case {
    some("looks", Plan { looks: true, ..plan(milliseconds(400)) }, &[from(A, "TERM"), from(A, "USR1"), key()])
}

/// The deadline moves, so that the last look comes again.
pub(crate) fn looks_and_extensions() -> Case {
    let more = Duration::from_millis(150);
    let plan = Plan { looks: true, extend_max: more, ..plan(milliseconds(110)) };
    let mut case = some("looks and extensions", plan, &[from(A, "TERM")]);
    case.events.extend([100, 150].map(|ms| more_time(ms, true)));
    case
}

/// A workload that does not end meets a debugger, and has to dump its state.
pub(crate) fn last_words() -> Case {
    let steps = vec![
        Step { action: Action::Signal(None, Target::Main), share: None },
        step(Action::Run(0), 20),
        step(Action::Dump(Dump::Auto), 10),
    ];
    let plan = Plan { steps, last_words: 2, looks: true, ..plan(milliseconds(130)) };
    let mut case = some("last words", plan, &[from(A, "TERM"), from(A, "QUIT"), key()]);
    case.events.extend([Event::HookEnded(Some(Exit::Code(0))), Event::HookEnded(None)]);
    case
}

/// The same before the kill of a plan.
pub(crate) fn last_words_before_the_kill() -> Case {
    let steps = vec![
        step(Action::Signal(Some(Signal::TERM), Target::Main), 120),
        step(Action::Dump(Dump::Signal(Signal::ABRT)), 30),
        Step { action: Action::Kill, share: None },
    ];
    let plan = Plan { steps, last_words: 1, looks: true, ..plan(milliseconds(200)) };
    some("last words before the kill", plan, &[from(A, "TERM")])
}

/// The workload asks for more time, within the run limit, which leaves the plan less than its shares.
pub(crate) fn extensions() -> Case {
    let steps = vec![
        step(Action::Signal(Some(Signal::QUIT), Target::Main), 20),
        Step { action: Action::Signal(Some(Signal::TERM), Target::Main), share: None },
        step(Action::Wait, 5),
    ];
    let extend_max = Duration::from_millis(60);
    let run_limit = Some(Duration::from_millis(90));
    let more = [(10, true), (100, true), (40, false), (100, false)];
    let mut case = some(
        "extensions",
        Plan { steps, extend_max, run_limit, ..plan(milliseconds(30)) },
        &[from(A, "TERM")],
    );
    case.events.extend(more.map(|(ms, reads_answer)| more_time(ms, reads_answer)));
    case
}

/// Stragglers may end by themselves; during a stop, readers of the last lines of others may go on.
pub(crate) fn straggler_grace() -> Case {
    let straggler_grace = Duration::from_millis(40);
    let mut case = some(
        "straggler grace",
        Plan { straggler_grace, ..plan(milliseconds(130)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    );
    case.events.push(Event::PipeEnded);
    case
}

/// The run limit cuts the grace short; the watchdog no longer counts during it.
pub(crate) fn straggler_grace_and_run_limit() -> Case {
    let plan = Plan {
        straggler_grace: Duration::from_millis(300),
        run_limit: Some(Duration::from_millis(400)),
        watchdog: Some(Duration::from_millis(50)),
        ..plan(milliseconds(30))
    };
    let mut case = some("straggler grace and run limit", plan, &[from(A, "TERM")]);
    case.events.extend([Event::PipeEnded, Event::Alive, Event::Ailing]);
    case
}

/// Every process may end while a hook runs.
pub(crate) fn a_plan_that_ends_with_the_tree() -> Case {
    let steps = vec![
        step(Action::Run(0), 10),
        step(Action::Run(1), 10),
        step(Action::Signal(Some(Signal::TERM), Target::Main), 20),
        Step { action: Action::Kill, share: None },
    ];
    let plan = Plan { steps, straggler_grace: Duration::from_millis(15), ..plan(milliseconds(60)) };
    let mut case = some("a plan that ends with the tree", plan, &[from(A, "TERM")]);
    case.events.extend([Event::HookEnded(Some(Exit::Code(1))), Event::HookEnded(None)]);
    case.events.extend([Event::HookRemains, Event::PipeEnded]);
    case
}

pub(crate) fn watchdog() -> Case {
    let watchdog = Some(Duration::from_millis(50));
    let mut case =
        some("watchdog", Plan { watchdog, ..plan(milliseconds(30)) }, &[from(A, "TERM"), from(A, "USR1")]);
    case.events.extend([Event::Alive, Event::Ailing]);
    case
}

pub(crate) fn a_hook_after_the_end() -> Case {
    let post_stop = Some(Duration::from_millis(300));
    let mut case = some(
        "a hook after the end",
        Plan { post_stop, leave_stragglers: true, ..plan(milliseconds(30)) },
        &[from(A, "TERM"), from(A, "USR1"), key()],
    );
    case.events.extend([Event::HookEnded(Some(Exit::Code(0))), Event::HookEnded(None)]);
    case
}

fn ready(name: &'static str, ready: ReadyWhen) -> Case {
    let plan = Plan {
        ready: Some(ready),
        run_limit: Some(Duration::from_millis(400)),
        looks: true,
        ..plan(milliseconds(130))
    };
    let mut case = some(name, plan, &[from(A, "TERM"), from(A, "USR1")]);
    case.events.extend([true, false].map(|is_seen| Event::ProbeEnded { is_seen }));
    case.events.push(Event::ReadyMessage);
    case
}

pub(crate) fn ready_by_message() -> Case {
    ready("ready by message", ReadyWhen { notify: true, ..ReadyWhen::default() })
}

pub(crate) fn ready_by_probe() -> Case {
    ready("ready by probe", ReadyWhen { others: true, ..ReadyWhen::default() })
}

pub(crate) fn ready_by_either() -> Case {
    ready("ready by either", ReadyWhen { auto: true, ..ReadyWhen::default() })
}

pub(crate) fn ready_by_both() -> Case {
    ready("ready by both", ReadyWhen { notify: true, others: true, ..ReadyWhen::default() })
}

pub(crate) fn ready_by_either_and_more() -> Case {
    ready("ready by either and more", ReadyWhen { auto: true, others: true, ..ReadyWhen::default() })
}

/// What ends a run must end its start as well.
pub(crate) fn ready_in_time() -> Case {
    let plan = Plan {
        ready: Some(ReadyWhen { notify: true, auto: true, others: true }),
        watchdog: Some(Duration::from_millis(150)),
        straggler_grace: Duration::from_millis(40),
        ..plan(milliseconds(0))
    };
    let mut case = some("ready in time", plan, &[from(A, "TERM")]);
    case.events.extend([
        Event::ProbeEnded { is_seen: true },
        Event::ReadyMessage,
        Event::Alive,
        Event::Ailing,
    ]);
    case.never.push(Phase::Terminating);
    case
}

fn start_limited(name: &'static str, ready: ReadyWhen, limit: Limit, start_limit: u64) -> Case {
    let plan =
        Plan { ready: Some(ready), start_limit: Some(Duration::from_millis(start_limit)), ..plan(limit) };
    let mut case = some(name, plan, &[from(A, "TERM")]);
    case.events.extend([true, false].map(|is_seen| Event::ProbeEnded { is_seen }));
    case.events.push(Event::ReadyMessage);
    case
}

pub(crate) fn start_limit_and_message() -> Case {
    let when = ReadyWhen { notify: true, ..ReadyWhen::default() };
    let mut case = start_limited("start limit and message", when, milliseconds(30), 100);
    case.plan.extend_max = Duration::from_millis(60);
    case.events.extend([more_time(40, true), more_time(250, true), more_time(250, false)]);
    case
}

pub(crate) fn start_limit_and_all() -> Case {
    let when = ReadyWhen { notify: true, auto: true, others: true };
    start_limited("start limit and all", when, milliseconds(30), 120)
}

/// A workload that is not ready in time is killed at once.
pub(crate) fn start_limit_and_kill() -> Case {
    let when = ReadyWhen { auto: true, ..ReadyWhen::default() };
    let mut case = start_limited("start limit and kill", when, milliseconds(0), 200);
    case.plan.looks = true;
    case.never.push(Phase::Terminating);
    case
}

/// Whatever comes first begins the stop.
pub(crate) fn start_limit_among_others() -> Case {
    let when = ReadyWhen { others: true, ..ReadyWhen::default() };
    let mut case = start_limited("start limit among others", when, milliseconds(30), 120);
    case.plan.watchdog = Some(Duration::from_millis(100));
    case.plan.run_limit = Some(Duration::from_millis(180));
    case.plan.straggler_grace = Duration::from_millis(20);
    case.events.extend([Event::Alive, Event::Ailing]);
    case
}

pub(crate) fn ready_with_stragglers_left() -> Case {
    let ready = Some(ReadyWhen { others: true, ..ReadyWhen::default() });
    let plan = Plan { ready, leave_stragglers: true, ..plan(milliseconds(30)) };
    let mut case = some("ready with stragglers left", plan, &[from(A, "TERM"), key()]);
    case.events.extend([true, false].map(|is_seen| Event::ProbeEnded { is_seen }));
    case
}
