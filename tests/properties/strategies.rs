//! Strategies for words, values, plans and events.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use winddown::lifecycle::cause::{Reach, Received};

use winddown::lifecycle::event::{Event, Extend};
use winddown::lifecycle::exit::Exit;
use winddown::lifecycle::plan::{Action, AtParentsEnd, Limit, Plan, ReadyWhen, Step, Target};
use winddown::lifecycle::signal::{Origin, Signal};

use crate::{SWITCHES, WITH_VALUE, os, variable};

/// Any bytes that a word can have: all but NUL, which ends it.
pub(crate) fn bytes() -> impl Strategy<Value = OsString> {
    prop::collection::vec(1_u8.., 0..12).prop_map(OsString::from_vec)
}

/// Text that is a value, or nearly one.
pub(crate) fn nearly_a_value() -> impl Strategy<Value = OsString> {
    let texts = prop_oneof![
        "[0-9.]{0,24}",
        "[0-9]{18,30}(\\.[0-9]{0,3})?",
        "[1-9][0-9]{0,2}(ms|s|m|h)",
        "([0-9]{1,20} ?(ns|us|ms|s|m|h|days|weeks|months|y)? ?){1,4}",
        "(SIG|sig)?(RTMIN|RTMAX|TERM|INT|KILL|rtmin)[+-]?[0-9]{0,3}",
        "([A-Z0-9+]{0,8}[=,]){0,4}[A-Z0-9]{0,4}",
        "(fd:|/dev/fd/|/)?[0-9a-z.-]{0,6}",
        "(infinity|main|all|text|json|1|0|on|off)",
        "\\PC{0,8}",
    ];
    texts.prop_map(OsString::from)
}

/// Steps of a stop plan, or nearly.
pub(crate) fn nearly_a_plan() -> impl Strategy<Value = OsString> {
    let step = prop_oneof![
        4 => "(wait|run ./a|run '[a-c, ]{1,4}'|TERM|SIGUSR1|RTMIN\\+1|15)( (all|main))?( [1-9]{1,2}(ms|s)?)?",
        1 => "(WAIT|run|KILL|STOP|drain)?( (all|main|0|soon|infinity|5s)){0,3}",
        1 => "[a-z'\"\\\\ #$,]{0,8}",
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec(step, 0..5).prop_map(|steps| os(&steps.join(",")))
}

pub(crate) fn value() -> impl Strategy<Value = OsString> {
    prop_oneof![3 => nearly_a_value(), 1 => nearly_a_plan(), 1 => bytes()]
}

/// An empty variable counts as unset.
pub(crate) fn value_that_is_set() -> impl Strategy<Value = OsString> {
    value().prop_map(|value| if value.is_empty() { os("0") } else { value })
}

/// An option of winddown with a valid value.
pub(crate) fn option() -> impl Strategy<Value = Vec<OsString>> {
    let options = vec![
        &["-t", "5"][..],
        &["-t5s"],
        &["--time-limit=1m"],
        &["-s", "QUIT"],
        &["--map", "HUP="],
        &["--kill-wait", "infinity"],
        &["--remap-exit=1=2"],
        &["-vt5"],
        &["--to", "all"],
        &["--leave-stragglers"],
        &["--run-limit", "3s"],
    ];
    select(options).prop_map(|words| words.iter().copied().map(os).collect())
}

/// A word of a command line: an option, in one or two parts, or something else.
pub(crate) fn word() -> impl Strategy<Value = Vec<OsString>> {
    let long = || (select(&WITH_VALUE[..]), value());
    let joined = long().prop_map(|(option, value)| {
        let mut word = os(&format!("--{option}="));
        word.push(value);
        vec![word]
    });
    let apart = long().prop_map(|(option, value)| vec![os(&format!("--{option}")), value]);
    let switch = select(&SWITCHES[..]).prop_map(|switch| vec![os(&format!("--{switch}"))]);
    let others = vec!["--", "-", "-t", "-s", "-v", "-q", "-vq", "-t5", "-h", "-V", "--time", "check", "true"];
    let other = select(others).prop_map(|word| vec![os(word)]);
    prop_oneof![2 => joined, 2 => apart, 1 => switch, 2 => other, 1 => bytes().prop_map(|word| vec![word])]
}

pub(crate) fn variables() -> impl Strategy<Value = Vec<(OsString, OsString)>> {
    let known: Vec<&str> = WITH_VALUE.into_iter().chain(SWITCHES).collect();
    let known = select(known).prop_map(variable);
    let other = select(
        &["PATH", "WINDDOWN_", "WINDDOWN_TIME", "WINDDOWN_TO_ALL", "WINDDOWN_KILL_WAITS", "winddown_to", ""]
            [..],
    )
    .prop_map(os);
    prop::collection::vec((prop_oneof![4 => known, 1 => other, 1 => bytes()], value()), 0..4)
}

pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    let short = (0..3_000_000_000_u64).prop_map(Duration::from_nanos);
    prop_oneof![4 => short, 1 => any::<u64>().prop_map(Duration::from_secs), 1 => Just(Duration::MAX)]
}

pub(crate) fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![4 => duration().prop_map(Limit::Finite), 1 => Just(Limit::Infinite)]
}

pub(crate) fn forwardable_signals() -> Vec<Signal> {
    (1..=64).filter_map(Signal::new).filter(|signal| signal.is_forwardable()).collect()
}

pub(crate) fn any_signal() -> impl Strategy<Value = Signal> {
    (1..=64).prop_map(|number| Signal::new(number).expect("a signal"))
}

/// Up to three steps with shares, and a last one.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let target = prop_oneof![Just(Target::Main), Just(Target::All)];
    let signal = (prop::option::of(any_signal()), target.clone());
    let action = prop_oneof![
        Just(Action::Wait),
        (0..3_usize).prop_map(Action::Run),
        signal.prop_map(|(signal, to)| Action::Signal(signal, to)),
    ];
    let step = (action, duration()).prop_map(|(action, share)| Step { action, share: Some(share) });
    let last = prop_oneof![
        4 => (prop::option::of(any_signal()), target).prop_map(|(signal, to)| Action::Signal(signal, to)),
        1 => Just(Action::Kill),
    ];
    (prop::collection::vec(step, 0..4), last).prop_map(|(mut steps, last)| {
        steps.push(Step { action: last, share: None });
        steps
    })
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let limits = (limit(), limit(), prop::option::of(duration()));
    let others = (prop::option::of(duration()), duration(), prop::option::of(duration()), duration());
    let at_parents_end = prop_oneof![Just(AtParentsEnd::Ask), Just(AtParentsEnd::Kill)];
    (any::<bool>(), at_parents_end, limits, steps(), others).prop_map(
        |(leave_stragglers, at_parents_end, (limit, kill_wait, run_limit), steps, others)| Plan {
            stop_after: run_limit.is_none().then_some(others.1),
            looks: true,
            last_words: 0,
            limit,
            steps,
            stop_on: [Signal::TERM, Signal::INT].into_iter().collect(),
            map: Vec::new(),
            run_limit,
            ready: others.0.map(|_| ReadyWhen { notify: true, ..ReadyWhen::default() }),
            start_limit: others.0,
            watchdog: others.2,
            extend_max: others.1,
            kill_wait,
            post_stop: others.2,
            leave_stragglers,
            at_parents_end,
            others_ask: false,
            straggler_grace: others.3,
        },
    )
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let origin = prop_oneof![Just(Origin::Kernel), (0..3).prop_map(|pid| Origin::Process { pid, uid: 0 })];
    let signal = prop_oneof![any_signal(), Just(Signal::INT), Just(Signal::TERM)];
    let reach = select(vec![Reach::Winddown, Reach::Group, Reach::Everyone, Reach::Copy, Reach::Own]);
    let received = (signal, origin, reach, any::<(bool, bool)>()).prop_map(
        |(signal, origin, reach, (hangup, from_tree))| {
            Event::Signal(Received { signal, origin, reach, hangup, from_tree })
        },
    );
    let others = vec![
        Event::Started,
        Event::MainStopped,
        Event::MainExited(Exit::Code(0)),
        Event::Remains,
        Event::TreeEmpty,
        Event::HookRemains,
        Event::PipeEnded,
        Event::Abandoned,
        Event::ParentEnded,
        Event::HookEnded(None),
        Event::HookEnded(Some(Exit::Code(0))),
        Event::Alive,
        Event::ReadyMessage,
        Event::Ailing,
        Event::Extend(Extend { by: Duration::from_secs(1), reads_answer: true }),
        Event::Tick,
    ];
    prop_oneof![received, select(others)]
}
