//! For any words: every parser accepts them, or refuses them in one line, and reads back what it wrote.
//! `PROPTEST_CASES=100000 cargo test --test properties` tries more of them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use winddown::cli::{self, Request, SettingOrigins, Settings};
use winddown::lifecycle::event::Event;
use winddown::lifecycle::exit::Exit;
use winddown::lifecycle::machine::Machine;
use winddown::lifecycle::plan::{Action, Limit};
use winddown::lifecycle::signal::Signal;

use strategies::{
    bytes, duration, event, forwardable_signals, limit, nearly_a_plan, option, plan, value_that_is_set,
    variables, word,
};

#[path = "properties/strategies.rs"]
mod strategies;

/// Options that take a value, and switches.
const WITH_VALUE: [&str; 16] = [
    "time-limit",
    "stop-signal",
    "to",
    "stop",
    "stop-delay",
    "pre-stop",
    "post-stop",
    "hook-limit",
    "run-limit",
    "stop-after",
    "kill-wait",
    "stop-on",
    "map",
    "remap-exit",
    "log-format",
    "record",
];
const SUBCOMMANDS: [&str; 4] = ["check", "report", "token", "help"];
const SWITCHES: [&str; 4] = ["leave-stragglers", "no-guard", "verbose", "quiet"];

fn variable(option: &str) -> OsString {
    format!("WINDDOWN_{}", option.to_uppercase().replace('-', "_")).into()
}

fn os(text: &str) -> OsString {
    OsString::from(text)
}

/// The outcome as text that can be compared; a refusal must be one line.
fn outcome(
    words: &[OsString],
    variables: &[(OsString, OsString)],
    is_pid_1: bool,
) -> Result<Settings, String> {
    match cli::parse(words, variables, is_pid_1) {
        Ok(Request::Run(settings)) => Ok(*settings),
        Ok(Request::Print(text)) => Err(text),
        Ok(_) => Err("another command".to_owned()),
        Err(error) => {
            let line = error.to_string();
            // A line break in the value itself is for the log to escape.
            let given = words.iter().chain(variables.iter().flat_map(|(name, value)| [name, value]));
            let breaks = |word: &OsString| word.as_bytes().contains(&b'\n');
            assert!(!line.contains('\n') || given.into_iter().any(breaks), "not one line: {line:?}");
            assert!(!line.is_empty(), "refused without a reason");
            Err(line)
        }
    }
}

fn with_option(option: &str, value: &OsStr) -> Result<Settings, String> {
    let mut word = os(&format!("--{option}="));
    word.push(value);
    outcome(&[os("winddown"), word, os("true")], &[], false)
}

fn with_variable(option: &str, value: &OsStr) -> Result<Settings, String> {
    outcome(&[os("winddown"), os("true")], &[(variable(option), value.to_owned())], false)
}

fn limit_of(text: &str) -> Result<Limit, String> {
    with_option("time-limit", OsStr::new(text)).map(|settings| settings.plan.limit)
}

fn same_in_its_variable(option: &str, value: &OsStr) -> Result<(), TestCaseError> {
    let effect = |mut settings: Settings| {
        settings.consumed.clear();
        settings.origins = SettingOrigins::default();
        format!("{settings:?}")
    };
    match (with_option(option, value), with_variable(option, value)) {
        (Ok(one), Ok(other)) => prop_assert_eq!(effect(one), effect(other)),
        (Err(_), Err(line)) => {
            let name = variable(option);
            prop_assert!(line.contains(&*name.to_string_lossy()), "{:?} is not named: {}", name, line);
        }
        (one, other) => prop_assert!(false, "{:?} but {:?}", one, other),
    }
    Ok(())
}

fn fits_what_was_given(
    settings: &Settings,
    words: &[OsString],
    variables: &[(OsString, OsString)],
) -> Result<(), TestCaseError> {
    prop_assert!(!settings.command.is_empty());
    prop_assert!(words[1..].ends_with(&settings.command), "the command was given like that");
    let own = &words[1..words.len() - settings.command.len()];
    prop_assert!(own.first().is_none_or(|word| word.as_bytes().starts_with(b"-")), "{:?} is no option", own);
    for consumed in &settings.consumed {
        let is_ours = WITH_VALUE.iter().chain(&SWITCHES).any(|option| variable(option) == *consumed);
        prop_assert!(is_ours && variables.iter().any(|(name, _)| name == consumed), "{:?}", consumed);
    }
    if let Some(run_limit) = settings.plan.run_limit {
        prop_assert!(settings.plan.limit < Limit::Finite(run_limit), "no time to stop within the run limit");
    }
    Ok(())
}

/// Escapes a word for double quotes.
fn quoted(word: &str) -> String {
    let special = |letter: char| matches!(letter, '"' | '\\' | '$' | '`');
    word.chars()
        .map(|letter| if special(letter) { format!("\\{letter}") } else { letter.to_string() })
        .collect()
}

/// The properties of settings that the machine relies on.
fn holds_together(settings: &Settings) -> Result<(), TestCaseError> {
    let plan = &settings.plan;
    prop_assert!(!plan.steps.is_empty());
    let rests = plan.steps.iter().filter(|step| step.share.is_none() && step.action != Action::Kill);
    prop_assert!(rests.count() <= 1, "two steps take what is left: {:?}", plan.steps);
    for (index, step) in plan.steps.iter().enumerate() {
        prop_assert!(step.share.is_none_or(|share| !share.is_zero()), "{:?}", step);
        prop_assert!(step.action != Action::Kill || index + 1 == plan.steps.len(), "{:?}", plan.steps);
        if let Action::Run(hook) = step.action {
            prop_assert!(hook < settings.hooks.len() && step.share.is_some(), "{:?}", step);
        }
    }
    let fits = plan.limit.length().is_none_or(|limit| limit.is_zero() || plan.shares() <= limit);
    prop_assert!(fits, "{:?} within {:?}", plan.steps, plan.limit);
    for hook in settings.hooks.iter().chain(&settings.post_stop) {
        prop_assert!(hook.words.first().is_some_and(|word| !word.is_empty()), "{:?}", hook);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Durations are exact, and a thousand years do not overflow.
    #[test]
    fn a_duration_is_read_as_it_was_written(
        seconds in prop_oneof![0..100_u64, 0..=40_000_000_000_u64],
        nanoseconds in 0..1_000_000_000_u32,
    ) {
        let duration = Duration::new(seconds, nanoseconds);
        prop_assume!(duration.is_zero() || duration >= Duration::from_millis(1));
        // The formatter would write months, too.
        let rest = humantime::format_duration(Duration::new(seconds % 86_400, nanoseconds));
        let text = format!("{}d {rest}", seconds / 86_400);
        prop_assert_eq!(limit_of(&text), Ok(Limit::Finite(duration)), "{}", text);
        let text = text.replace(' ', "");
        prop_assert_eq!(limit_of(&text), Ok(Limit::Finite(duration)), "{}", text);
    }

    #[test]
    fn plain_seconds_are_exact(
        seconds in any::<u64>(),
        small in 0..100_000_u64,
        nanoseconds in 0..1_000_000_000_u32,
    ) {
        prop_assert_eq!(limit_of(&seconds.to_string()), Ok(Limit::Finite(Duration::from_secs(seconds))));
        prop_assume!(small > 0 || nanoseconds == 0 || nanoseconds >= 1_000_000);
        let fraction = format!("{small}.{nanoseconds:09}");
        prop_assert_eq!(limit_of(&fraction), Ok(Limit::Finite(Duration::new(small, nanoseconds))));
    }

    #[test]
    fn a_signal_is_read_in_every_spelling(
        number in prop_oneof![1..=31_i32, 34..=64],
        upper in any::<bool>(),
        prefix in any::<bool>(),
    ) {
        let signal = Signal::new(number).expect("a signal");
        let name = if prefix { signal.to_string() } else { signal.name() };
        let name = if upper { name } else { name.to_lowercase() };
        prop_assert_eq!(name.parse(), Ok(signal));
        prop_assert_eq!(number.to_string().parse(), Ok(signal));
    }

    #[test]
    fn signals_and_maps_are_read_as_they_were_written(
        chosen in subsequence(forwardable_signals(), 1..12),
    ) {
        let names: Vec<String> = chosen.iter().map(|signal| signal.name()).collect();
        let settings = with_option("stop-on", OsStr::new(&names.join(","))).expect("a list of signals");
        prop_assert_eq!(settings.plan.stop_on, chosen.iter().copied().collect());
        let pairs: Vec<(Signal, Signal)> = chosen.iter().copied().zip(chosen.iter().rev().copied()).collect();
        let text: Vec<String> = pairs.iter().map(|(from, to)| format!("{from}={}", to.number())).collect();
        let settings = with_option("map", OsStr::new(&text.join(","))).expect("a map");
        for (from, to) in pairs {
            prop_assert_eq!(settings.plan.forwarded(from), Some(to));
        }
    }

    #[test]
    fn statuses_are_read_as_they_were_written(
        pairs in prop::collection::vec((any::<u8>(), any::<u8>()), 1..8),
    ) {
        let text: Vec<String> = pairs.iter().map(|(from, to)| format!("{from}={to}")).collect();
        let settings = with_option("remap-exit", OsStr::new(&text.join(","))).expect("a map");
        prop_assert_eq!(settings.statuses.remap, pairs);
    }

    /// Any plan is refused, or it fits and has the steps that were written.
    #[test]
    fn any_plan_is_understood_or_refused(
        text in prop_oneof![3 => nearly_a_plan(), 1 => bytes()],
        option in select(&["stop", "pre-stop", "post-stop"][..]),
        limit in prop_oneof![Just(None), limit().prop_map(Some)],
        is_pid_1 in any::<bool>(),
    ) {
        let mut word = os(&format!("--{option}="));
        word.push(&text);
        let mut words = vec![os("winddown"), word, os("true")];
        if let Some(limit) = limit {
            let length = limit.length().map(|length| humantime::format_duration(length).to_string());
            words.insert(1, os(&format!("--time-limit={}", length.unwrap_or_else(|| "infinity".to_owned()))));
        }
        if let Ok(settings) = outcome(&words, &[], is_pid_1) {
            holds_together(&settings)?;
            words.insert(1, os("--explain-plan"));
            prop_assert!(matches!(cli::parse(&words, &[], is_pid_1), Ok(Request::Print(_))));
        }
    }

    /// Steps are read as written, whatever a command contains.
    #[test]
    fn a_plan_is_read_as_it_was_written(
        commands in prop::collection::vec("[^\0']{1,12}", 1..5),
        shares in prop::collection::vec(1..100_u64, 5),
    ) {
        let runs = commands.iter().zip(&shares).map(|(word, share)| format!("run \"'{}'\" {share}ms", quoted(word)));
        let plan = runs.chain(["TERM".to_owned()]).collect::<Vec<_>>().join(", ");
        let settings = with_option("stop", OsStr::new(&plan));
        prop_assert!(settings.is_ok(), "{}: {:?}", plan, settings);
        let settings = settings.expect("a plan");
        prop_assert_eq!(settings.plan.steps.len(), commands.len() + 1);
        for ((hook, step), (word, share)) in
            settings.hooks.iter().zip(&settings.plan.steps).zip(commands.iter().zip(&shares))
        {
            prop_assert_eq!(hook.words.len(), 1);
            prop_assert_eq!(hook.words[0].to_str(), Ok(word.as_str()));
            prop_assert_eq!(step.share, Some(Duration::from_millis(*share)));
        }
    }

    #[test]
    fn a_value_means_the_same_in_its_variable(
        option in select(&WITH_VALUE[..]),
        value in value_that_is_set(),
    ) {
        same_in_its_variable(option, &value)?;
    }

    #[test]
    fn any_command_line_is_understood_or_refused(
        words in prop::collection::vec(word(), 0..6),
        variables in variables(),
        has_name in prop::bool::weighted(0.95),
        is_pid_1 in any::<bool>(),
    ) {
        let name = has_name.then(|| os("winddown"));
        let words: Vec<OsString> = name.into_iter().chain(words.into_iter().flatten()).collect();
        if let Ok(settings) = outcome(&words, &variables, is_pid_1) {
            fits_what_was_given(&settings, &words, &variables)?;
            prop_assert!(!(is_pid_1 && settings.guard), "PID 1 needs no guard");
        }
    }

    /// None of the workload's words is taken for an option of winddown.
    #[test]
    fn the_command_is_what_follows_our_own_options(
        options in prop::collection::vec(option(), 0..4),
        separated in any::<bool>(),
        first in bytes(),
        rest in prop::collection::vec(word(), 0..4),
    ) {
        let is_option = first.is_empty() || first.as_bytes().starts_with(b"-");
        let is_subcommand = options.is_empty() && SUBCOMMANDS.iter().any(|word| first == *word);
        let separator = (separated || is_option || is_subcommand).then(|| os("--"));
        let command: Vec<OsString> = [first].into_iter().chain(rest.into_iter().flatten()).collect();
        let words = [os("winddown")].into_iter().chain(options.into_iter().flatten()).chain(separator);
        let words: Vec<OsString> = words.chain(command.iter().cloned()).collect();
        match outcome(&words, &[], false) {
            Ok(settings) => {
                fits_what_was_given(&settings, &words, &[])?;
                prop_assert_eq!(settings.command, command);
            }
            Err(line) => prop_assert!(line.contains("does not fit"), "{}", line),
        }
    }

    #[test]
    fn a_variable_of_nearly_the_name_is_not_ours(
        option in select(&WITH_VALUE[..]),
        rest in "[A-Z_]{1,3}",
        value in bytes(),
    ) {
        let mut name = variable(option);
        name.push(rest);
        let settings = outcome(&[os("winddown"), os("true")], &[(name, value)], false);
        prop_assert_eq!(settings.map(|settings| settings.consumed), Ok(Vec::new()));
    }

    /// Infinite times do not overflow, and the run ends.
    #[test]
    fn the_machine_takes_any_events_at_any_time(
        plan in plan(),
        events in prop::collection::vec((event(), duration()), 0..40),
    ) {
        let mut machine = Machine::new(plan);
        let (mut now, mut effects) = (Duration::ZERO, Vec::new());
        for (event, pause) in events {
            now = now.saturating_add(pause);
            let phase = machine.phase();
            machine.handle(now, event, &mut effects);
            machine.finish(now, &mut effects);
            prop_assert!(machine.phase() >= phase);
        }
        machine.handle(now, Event::Started, &mut effects);
        machine.handle(now, Event::MainExited(Exit::Code(0)), &mut effects);
        machine.handle(now, Event::TreeEmpty, &mut effects);
        machine.finish(now, &mut effects);
        machine.handle(now, Event::HookEnded(None), &mut effects);
        prop_assert!(machine.is_stopped());
    }
}
