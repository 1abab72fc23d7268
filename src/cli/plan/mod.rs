//! The stop plan in force: `--stop`, or the short forms for its usual cases.

use std::time::Duration;

use super::UsageError;
use super::options::StopOptions;
use super::sources::Origins;
use super::values::To;
use crate::lifecycle::plan::{Action, Limit, Step, Target};
use crate::os::process::hook::Hook;
use crate::text::in_full;

mod last_words;
mod shell_syntax;
pub(super) mod steps;

use steps::What;

/// How long a hook may last by default.
pub(super) const DEFAULT_HOOK_LIMIT: Duration = Duration::from_secs(5);

/// The plan in force, with its hooks and the origin of each step.
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

/// Returns the plan in force: `--stop`, or what the short forms stand for.
pub(super) fn planned(options: &StopOptions, limit: Limit, origins: &Origins) -> Result<Planned, UsageError> {
    let mut planned = Planned { steps: Vec::new(), hooks: Vec::new(), origins: Vec::new(), last_words: 0 };
    let to = options.to.map_or(Target::Main, To::target);
    let hook_limit = options.hook_limit.unwrap_or(DEFAULT_HOOK_LIMIT);
    let limited_by =
        options.hook_limit.map_or("default hook limit".to_owned(), |_| origins.name("--hook-limit"));
    // Whom a step asks that does not say so itself.
    let asks = |origin: String| match options.to {
        Some(To::Ask(_)) => format!("{origin}; {}", origins.name("--to")),
        _ => origin,
    };
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
                    let origin = if own.is_some() { origin } else { asks(origin) };
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
        planned.push(Action::Signal(options.stop_signal, to), None, asks(origin));
    }
    last_words::add(&mut planned, limit, hook_limit, options, origins)?;
    refuse_misfit(&planned.steps, limit, options, origins)?;
    Ok(planned)
}

/// Refuses `--stop` together with a short form, which is a plan itself.
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

/// A plan must fit into the limit, also into the default one. With no time at all, it is skipped.
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
    let lengths: Vec<String> = shares.iter().map(|share| in_full(*share)).collect();
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
    let sum = in_full(sum);
    let sum = if lengths.len() > 1 { format!("{} = {sum}", lengths.join(" + ")) } else { sum };
    Err(UsageError::Invalid(format!(
        "{}: {sum} does not fit into {limit_name} of {}{leaves_nothing}; give a longer --time-limit or shorter steps",
        names.join(" and "),
        in_full(length),
    )))
}
