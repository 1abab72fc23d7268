//! The stop plan: `--stop`, and the short forms for its usual cases.

use std::ffi::CString;
use std::time::Duration;

use super::UsageError;
use super::given::Origins;
use super::options::StopOptions;
use super::values::{stop_signal, target};
use crate::lifecycle::plan::{Action, Limit, Step, Target};
use crate::lifecycle::signal::Signal;
use crate::os::hook::Hook;

mod last_words;

/// How long a hook may last if nothing is said.
pub(super) const DEFAULT_HOOK_LIMIT: Duration = Duration::from_secs(5);

/// One step as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PlannedStep {
    what: What,
    share: Option<Duration>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Wait,
    Run(Hook),
    Signal(Signal, Option<Target>),
    Kill,
}

/// A plan in force, with its hooks and where each step comes from.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) steps: Vec<Step>,
    pub(super) hooks: Vec<Hook>,
    pub(super) origins: Vec<String>,
    /// How many steps before the kill, or at the end, are last words.
    pub(super) last_words: usize,
}

impl Planned {
    fn push(&mut self, action: Action, share: Option<Duration>, origin: String) {
        self.steps.push(Step { action, share });
        self.origins.push(origin);
    }

    fn push_hook(&mut self, hook: Hook, share: Duration, origin: String) {
        self.push(Action::Run(self.hooks.len()), Some(share), origin);
        self.hooks.push(hook);
    }
}

/// `wait 5s, run "curl -X POST localhost/drain" 3s, USR1 15s main, TERM 5s, QUIT 1s all`.
pub(super) fn stop_plan(text: &str) -> Result<Vec<PlannedStep>, String> {
    let parts = at_commas(text);
    let steps: Vec<PlannedStep> = parts.iter().map(|part| step(part)).collect::<Result<_, _>>()?;
    let last = steps.len() - 1;
    if steps.iter().take(last).any(|step| step.what == What::Kill) {
        return Err("KILL ends the plan; put it last".to_owned());
    }
    let takes_the_rest =
        |step: &&PlannedStep| step.share.is_none() && matches!(step.what, What::Wait | What::Signal(..));
    if steps.iter().filter(takes_the_rest).count() > 1 {
        return Err("only one step can take what is left; give the others a share, e.g. TERM 5s".to_owned());
    }
    Ok(steps)
}

/// At the commas outside of quotes.
fn at_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    let mut is_escaped = false;
    for letter in text.chars() {
        match letter {
            ',' if quote.is_none() && !is_escaped => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one from the start").push(letter),
        }
        match (letter, quote) {
            _ if is_escaped => {}
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if open == letter => quote = None,
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped && quote != Some('\'');
    }
    parts
}

fn step(text: &str) -> Result<PlannedStep, String> {
    let words = split(text)?;
    let Some((first, rest)) = words.split_first() else {
        return Err("a step is missing; use e.g. 'wait 5s, TERM 20s, QUIT'".to_owned());
    };
    match first.as_str() {
        "wait" => Ok(PlannedStep { what: What::Wait, share: only_share(rest)? }),
        "run" => {
            let (command, rest) = rest.split_first().ok_or("run needs a command, e.g. run './drain' 3s")?;
            Ok(PlannedStep { what: What::Run(hook(command)?), share: only_share(rest)? })
        }
        _ => signal_step(first, rest),
    }
}

fn signal_step(first: &str, rest: &[String]) -> Result<PlannedStep, String> {
    let signal = stop_signal(first)
        .map_err(|error| format!("'{first}' is neither wait, run nor a signal: {error}"))?;
    if signal == Signal::KILL {
        return if rest.is_empty() {
            Ok(PlannedStep { what: What::Kill, share: None })
        } else {
            Err("KILL goes to everybody and needs no share; write just KILL".to_owned())
        };
    }
    let (mut share_given, mut to) = (None, None);
    for word in rest {
        match target(word) {
            Ok(given) if to.is_none() => to = Some(given),
            Err(_) if share_given.is_none() => share_given = Some(share(word)?),
            _ => return Err(format!("'{word}' is one word too many; use e.g. TERM 5s all")),
        }
    }
    Ok(PlannedStep { what: What::Signal(signal, to), share: share_given })
}

fn only_share(words: &[String]) -> Result<Option<Duration>, String> {
    match words {
        [] => Ok(None),
        [word] => share(word).map(Some),
        [_, more, ..] => Err(format!("'{more}' is one word too many; quote a command, and give one share")),
    }
}

fn share(word: &str) -> Result<Duration, String> {
    super::values::share(word).map_err(|error| format!("'{word}' is no share of the limit: {error}"))
}

fn split(text: &str) -> Result<Vec<String>, String> {
    shell_words::split(text).map_err(|_| format!("a quote is not closed in {}", text.trim()))
}

/// A command in one option: words split as a shell would, and nothing else of a shell.
pub(super) fn hook(text: &str) -> Result<Hook, String> {
    let words = split(text)?;
    if words.first().is_none_or(String::is_empty) {
        return Err("a command is needed, e.g. './drain --fast'".to_owned());
    }
    let words: Result<_, _> = words.into_iter().map(CString::new).collect();
    let words = words.map_err(|_| "a command can't hold a NUL byte; leave it out".to_owned())?;
    Ok(Hook { text: text.trim().to_owned(), words })
}

/// The plan in force: `--stop`, or what the short forms stand for.
pub(super) fn planned(options: &StopOptions, limit: Limit, origins: &Origins) -> Result<Planned, UsageError> {
    let mut planned = Planned { steps: Vec::new(), hooks: Vec::new(), origins: Vec::new(), last_words: 0 };
    let to = options.to.unwrap_or_default();
    let hook_limit = options.hook_limit.unwrap_or(DEFAULT_HOOK_LIMIT);
    let limited_by =
        options.hook_limit.map_or("default hook limit".to_owned(), |_| origins.name("--hook-limit"));
    if let Some(steps) = &options.stop {
        refuse_both(options, origins)?;
        for step in steps {
            let origin = origins.name("--stop");
            match &step.what {
                What::Wait => planned.push(Action::Wait, step.share, origin),
                What::Run(hook) => {
                    let origin =
                        if step.share.is_some() { origin } else { format!("{origin}; {limited_by}") };
                    planned.push_hook(hook.clone(), step.share.unwrap_or(hook_limit), origin);
                }
                What::Signal(signal, own) => {
                    planned.push(Action::Signal(Some(*signal), own.unwrap_or(to)), step.share, origin);
                }
                What::Kill => planned.push(Action::Kill, None, origin),
            }
        }
    } else {
        if let Some(delay) = options.stop_delay {
            planned.push(Action::Wait, Some(delay), origins.name("--stop-delay"));
        }
        if let Some(hook) = &options.pre_stop {
            let half = limit.length().map_or(hook_limit, |limit| limit / 2);
            let by = if half < hook_limit { "half of the limit" } else { limited_by.as_str() };
            let origin = format!("{}; {by}", origins.name("--pre-stop"));
            planned.push_hook(hook.clone(), hook_limit.min(half), origin);
        }
        let origin = options.stop_signal.map_or("default".to_owned(), |_| origins.name("--stop-signal"));
        planned.push(Action::Signal(options.stop_signal, to), None, origin);
    }
    last_words::add(&mut planned, limit, hook_limit, options, origins)?;
    refuse_misfit(&planned.steps, limit, options, origins)?;
    Ok(planned)
}

/// The short forms are a plan themselves.
fn refuse_both(options: &StopOptions, origins: &Origins) -> Result<(), UsageError> {
    let given = [
        ("--stop-signal", options.stop_signal.is_some()),
        ("--stop-delay", options.stop_delay.is_some()),
        ("--pre-stop", options.pre_stop.is_some()),
    ];
    given.iter().find(|(_, is_given)| *is_given).map_or(Ok(()), |(name, _)| {
        Err(UsageError::Invalid(format!(
            "{} and {} can't be used together; put it into the plan as a step",
            origins.name("--stop"),
            origins.name(name)
        )))
    })
}

/// A plan has to fit into the limit, the default one too. With no time at all it is skipped.
fn refuse_misfit(
    steps: &[Step],
    limit: Limit,
    options: &StopOptions,
    origins: &Origins,
) -> Result<(), UsageError> {
    let rest = steps.iter().position(|step| step.share.is_none() && step.action != Action::Kill);
    let Some(length) = limit.length() else {
        let never_begins = rest.is_some_and(|rest| rest + 1 < steps.len());
        return if never_begins {
            Err(UsageError::Invalid(format!(
                "{}: without a time limit the step that takes what is left never ends; give it a share",
                origins.name("--stop")
            )))
        } else {
            Ok(())
        };
    };
    let shares: Vec<Duration> = steps.iter().filter_map(|step| step.share).collect();
    let sum = shares.iter().copied().fold(Duration::ZERO, Duration::saturating_add);
    if length.is_zero() || shares.is_empty() || sum < length || (sum == length && rest.is_none()) {
        return Ok(());
    }
    let told: Vec<String> = shares.iter().map(|share| format_duration(*share)).collect();
    let names = [
        ("--stop", options.stop.is_some()),
        ("--stop-delay", options.stop_delay.is_some()),
        ("--pre-stop", options.pre_stop.is_some()),
        ("--on-timeout", options.on_timeout.is_some()),
        ("--dump-signal", options.dump_signal.is_some()),
    ];
    let names = names.iter().filter(|(_, given)| *given).map(|(name, _)| origins.name(name));
    let names: Vec<String> = names.collect();
    let limit_name = if options.time_limit.is_some() {
        origins.name("--time-limit")
    } else {
        "the default time limit".to_owned()
    };
    let leaves_nothing =
        if sum == length { ", which leaves nothing for the step without a share" } else { "" };
    let sum = format_duration(sum);
    let sum = if told.len() > 1 { format!("{} = {sum}", told.join(" + ")) } else { sum };
    Err(UsageError::Invalid(format!(
        "{}: {sum} does not fit into {limit_name} of {}{leaves_nothing}; give a longer --time-limit or shorter steps",
        names.join(" and "),
        format_duration(length),
    )))
}

fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
