//! `--explain-plan`: what a stop would do, where each value comes from, and how long it can last.

use std::fmt::Write as _;
use std::time::Duration;

use super::Settings;
use crate::lifecycle::plan::{Action, Limit, Plan, Step};
use crate::observe::wording::{self, limit};
use crate::text::{in_full, short};

/// Returns the plan in force, for people.
pub(super) fn explain(settings: &Settings) -> String {
    let plan = &settings.plan;
    let origins = &settings.origins;
    let mut text = format!("time limit {} ({})\n", limit(plan.limit), origins.limit);
    if plan.limit == Limit::Finite(Duration::ZERO) {
        text.push_str("  no time for any step: SIGKILL to the whole tree at once\n");
    } else {
        for (index, step) in plan.steps.iter().enumerate() {
            let share = share(step, settings);
            let _ = writeln!(
                text,
                "  {}. {:<34} {share:<14} ({})",
                index + 1,
                action(step, settings),
                origins.steps[index]
            );
        }
        let ends_early = plan.steps.last().is_some_and(|step| step.action == Action::Kill);
        if !ends_early {
            let when =
                plan.limit.length().map_or("never".to_owned(), |limit| format!("after {}", short(limit)));
            let _ = writeln!(text, "  SIGKILL to whatever is left: {when}");
        }
    }
    let most = if plan.extend_max.is_zero() {
        "none".to_owned()
    } else {
        format!("up to {}", short(plan.extend_max))
    };
    let _ = writeln!(text, "extensions {most} ({})", origins.extend_max);
    if plan.leave_stragglers {
        let _ = writeln!(text, "stragglers are left ({})", origins.stragglers);
    } else {
        let _ = writeln!(text, "straggler grace {} ({})", short(plan.straggler_grace), origins.stragglers);
    }
    let _ = writeln!(text, "kill wait {} ({})", limit(plan.kill_wait), origins.kill_wait);
    if let (Some(share), Some(hook)) = (plan.post_stop, &settings.post_stop) {
        let _ = writeln!(text, "post-stop {} {} ({})", hook.text, short(share), origins.post_stop);
    }
    if let Some(run_limit) = plan.run_limit {
        let _ = writeln!(text, "run limit {} ({})", short(run_limit), origins.run_limit);
    }
    text.push_str(&worst_case(settings));
    text
}

fn action(step: &Step, settings: &Settings) -> String {
    match step.action {
        Action::Wait => "wait".to_owned(),
        Action::Run(hook) => format!("run {}", settings.hooks[hook].text),
        Action::Dump(dump) => wording::dump(dump),
        Action::Signal(signal, to) => {
            let name = signal.map_or("the signal received".to_owned(), |signal| signal.to_string());
            format!("{name} to {}", to.name())
        }
        Action::Kill => "SIGKILL to the whole tree".to_owned(),
    }
}

fn share(step: &Step, settings: &Settings) -> String {
    let plan = &settings.plan;
    match (step.share, plan.limit.length()) {
        (Some(share), _) => short(share),
        (None, _) if step.action == Action::Kill => String::new(),
        (None, Some(limit)) => format!("{}, the rest", short(limit.saturating_sub(plan.shares()))),
        (None, None) => "no end".to_owned(),
    }
}

/// The longest time from the stop request to the end of winddown.
fn worst_case(settings: &Settings) -> String {
    let plan = &settings.plan;
    let (Some((longest, name)), Some(kill_wait)) = (longest(plan), plan.kill_wait.length()) else {
        return "worst case: no end\n".to_owned();
    };
    let post_stop = plan.post_stop.unwrap_or_default();
    let parts = [
        (longest, name),
        (plan.extend_max, "extensions"),
        (kill_wait, "kill wait"),
        (post_stop, "post-stop"),
    ];
    let sum = parts.iter().fold(Duration::ZERO, |sum, (part, _)| sum.saturating_add(*part));
    let told: Vec<String> = parts
        .iter()
        .filter(|(part, _)| !part.is_zero())
        .map(|(part, name)| format!("{name} {}", in_full(*part)))
        .collect();
    format!("worst case: {} ({})\n", in_full(sum), told.join(" + "))
}

/// The longest time from the stop request to SIGKILL, without extensions, and what limits it.
fn longest(plan: &Plan) -> Option<(Duration, &'static str)> {
    let kills = plan.steps.split_last().is_some_and(|(last, others)| {
        last.action == Action::Kill && others.iter().all(|step| step.share.is_some())
    });
    let limit = plan.limit.length();
    match limit {
        None if kills => Some((plan.shares(), "steps")),
        Some(limit) if kills && plan.shares() < limit => Some((plan.shares(), "steps")),
        _ => limit.map(|limit| (limit, "time limit")),
    }
}
