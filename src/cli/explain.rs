//! `--explain-plan`: what a stop would do, where each value comes from, and how long it can last.

use std::fmt::Write as _;
use std::time::Duration;

use super::Settings;
use super::sources::Origins;
use crate::lifecycle::plan::{Action, Limit, Mapping, Plan, Step};
use crate::lifecycle::retry::policy::{CrashRate, Delay, Policy, SHORTEST_DELAY};
use crate::observe::wording;
use crate::ready::condition::Condition;
use crate::text::{counted, in_full};

/// Returns the plan in force, for people.
pub(super) fn explain(settings: &Settings, given: &Origins) -> String {
    let mut text = ready(settings, given);
    text += &start(settings, given);
    text += &stop(settings, given);
    text += &after(settings, given);
    text += &tries(settings, given);
    text + &worst_case(settings)
}

/// When the workload is ready, and who can see that.
fn ready(settings: &Settings, given: &Origins) -> String {
    if settings.ready.is_empty() {
        return String::new();
    }
    let all: Vec<String> = settings.ready.iter().map(Condition::asks_for).collect();
    let mut text = format!("ready after {} ({})\n", all.join(", "), given.name("--ready"));
    if let Some(file) = &settings.ready_file {
        let (file, origin) = (file.display(), given.name("--ready-file"));
        let _ = writeln!(text, "  {file} is there from then until a stop begins ({origin})");
    }
    if let Some(limit) = settings.plan.start_limit {
        let most = settings.plan.extend_max;
        let more = if most.is_zero() { String::new() } else { format!(", up to {} more", in_full(most)) };
        let (limit, origin) = (in_full(limit), given.name("--start-limit"));
        let _ = writeln!(text, "  stopped if it is not ready within {limit}{more} ({origin})");
    }
    text
}

/// When a stop begins, and what becomes of other signals.
fn start(settings: &Settings, given: &Origins) -> String {
    let plan = &settings.plan;
    let signals: Vec<String> = plan.stop_on.iter().map(|signal| signal.to_string()).collect();
    let signals = if signals.is_empty() { "no signal".to_owned() } else { signals.join(", ") };
    let origin = settings.origins.stop_on.as_deref().unwrap_or("default");
    let mut text = format!("a stop begins on {signals} ({origin})\n");
    let mut also = |when: String, option: &str| {
        let _ = writeln!(text, "  also {when} ({})", given.name(option));
    };
    if let (Some(run_limit), Some(at)) = (plan.run_limit, plan.time_up_at()) {
        also(format!("after {}, to be over after {}", in_full(at), in_full(run_limit)), "--run-limit");
    }
    if let Some(at) = plan.stop_after {
        also(format!("after {}", in_full(at)), "--stop-after");
    }
    if let Some(silence) = plan.watchdog {
        also(format!("{} after the last WATCHDOG=1", in_full(silence)), "--watchdog");
    }
    if settings.stop_with_parent {
        also("when winddown's parent ends".to_owned(), "--stop-with-parent");
    }
    for Mapping { from, to } in &plan.map {
        let becomes = to.map_or("is not passed on".to_owned(), |to| format!("is passed on as {to}"));
        let _ = writeln!(text, "{from} {becomes} ({})", given.name("--map"));
    }
    text
}

/// How it goes.
fn stop(settings: &Settings, given: &Origins) -> String {
    let plan = &settings.plan;
    let origins = &settings.origins;
    let mut text = format!("time limit {} ({})\n", limit(plan.limit), origins.limit);
    if plan.limit == Limit::Finite(Duration::ZERO) {
        text.push_str("  no time for any step: SIGKILL to the whole tree at once\n");
        return text;
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let share = share(step, settings);
        let (number, origin) = (index + 1, &origins.steps[index]);
        let _ = writeln!(text, "  {number}. {:<34} {share:<19} ({origin})", action(step, settings));
    }
    let ends_early = plan.steps.last().is_some_and(|step| step.action == Action::Kill);
    if !ends_early {
        let when =
            plan.limit.length().map_or("never".to_owned(), |limit| format!("after {}", in_full(limit)));
        let _ = writeln!(text, "  SIGKILL to whatever is left: {when}");
    }
    if plan.others_ask {
        let _ = writeln!(
            text,
            "  whoever sends the stop signal has asked all: winddown asks none ({})",
            given.name("--to")
        );
    }
    text
}

/// What can follow, or make it longer.
fn after(settings: &Settings, given: &Origins) -> String {
    let plan = &settings.plan;
    let origins = &settings.origins;
    let most = if plan.extend_max.is_zero() {
        "none".to_owned()
    } else {
        format!("up to {}", in_full(plan.extend_max))
    };
    let mut text = format!("extensions {most} ({})\n", origins.extend_max);
    if plan.leave_stragglers {
        let _ = writeln!(text, "stragglers are left ({})", origins.stragglers);
    } else {
        let _ = writeln!(text, "straggler grace {} ({})", in_full(plan.straggler_grace), origins.stragglers);
    }
    let _ = writeln!(text, "kill wait {} ({})", limit(plan.kill_wait), origins.kill_wait);
    if let (Some(share), Some(hook)) = (plan.post_stop, &settings.post_stop) {
        let _ = writeln!(text, "post-stop {} {} ({})", hook.text, in_full(share), origins.post_stop);
    }
    let statuses = &settings.statuses;
    if statuses.preserve {
        let _ = writeln!(text, "exit status: the command's, not 124 ({})", given.name("--preserve-status"));
    }
    for (from, to) in &statuses.remap {
        let _ = writeln!(text, "exit status: {to} for {from} ({})", given.name("--remap-exit"));
    }
    if let Some(status) = statuses.interrupted {
        let origin = given.name("--interrupted-exit");
        let _ = writeln!(text, "exit status: {status} for 0 when interrupted ({origin})");
    }
    text
}

/// When the command is started again, and how long after its end.
fn tries(settings: &Settings, given: &Origins) -> String {
    let (policy, origins) = (&settings.retry, &settings.origins);
    if !policy.retries() {
        return String::new();
    }
    let often = match policy.retries {
        Some(1) => "one more try".to_owned(),
        Some(most) => format!("up to {most} more tries"),
        None => "a further try, without end".to_owned(),
    };
    let mut text = format!("after a failure {often} ({})\n", given.name("--retry"));
    text += &schedule(policy, &origins.retry_delay);
    if policy.reset < Duration::MAX && (policy.retries.is_some() || is_growing(policy.delay)) {
        let ready = if settings.ready.is_empty() { "ran" } else { "was ready" };
        let (reset, origin) = (in_full(policy.reset), &origins.retry_reset);
        let _ =
            writeln!(text, "  count and delay start again after a try that {ready} for {reset} ({origin})");
    }
    if !policy.permanent.is_empty() {
        let all: Vec<String> = policy.permanent.iter().map(u8::to_string).collect();
        let _ = writeln!(text, "  none after status {} ({})", all.join(", "), given.name("--permanent-exit"));
    }
    if let Some(CrashRate { most, within }) = policy.max_crashes {
        let (failures, within) = (counted(most, "failure", "s"), in_full(within));
        let _ = writeln!(
            text,
            "  none after more than {failures} within {within} ({})",
            given.name("--max-crashes")
        );
    }
    text
}

const fn is_growing(delay: Delay) -> bool {
    matches!(delay, Delay::Exponential { .. })
}

/// The delays, retry by retry, until they grow no longer.
fn schedule(policy: &Policy, origin: &str) -> String {
    /// A table of more lines is not read.
    const SHOWN: u32 = 12;
    let between = |retry| [0, u32::MAX].map(|jitter| rounded(policy.delay.before(retry, jitter)));
    let longest = between(u32::MAX);
    let mut text = String::new();
    for retry in 1..=policy.retries.unwrap_or(u32::MAX).min(SHOWN) {
        let [least, most] = between(retry);
        let is_longest = [least, most] == longest;
        let is_last = is_longest || policy.retries == Some(retry);
        let number = match (is_longest, policy.retries) {
            (true, most) if most != Some(retry) && retry > 1 => format!("retry {retry} and later"),
            (true, most) if most != Some(retry) => "each retry".to_owned(),
            _ => format!("retry {retry}"),
        };
        let range =
            if least == most { in_full(least) } else { format!("{} to {}", in_full(least), in_full(most)) };
        let _ = writeln!(text, "  {number:<36} {range} later ({origin})");
        if is_last {
            break;
        }
    }
    let given = match policy.delay {
        Delay::Fixed(delay) => delay,
        Delay::Exponential { first, .. } => first,
    };
    if given < SHORTEST_DELAY {
        let _ = writeln!(text, "  a delay below {0} lasts {0}", in_full(SHORTEST_DELAY));
    }
    text
}

/// To the millisecond, as it is given.
fn rounded(delay: Duration) -> Duration {
    let half = Duration::from_micros(500);
    Duration::from_millis(u64::try_from(delay.saturating_add(half).as_millis()).unwrap_or(u64::MAX))
}

/// Durations of the plan are exact, as they were given.
fn limit(limit: Limit) -> String {
    limit.length().map_or_else(|| "infinity".to_owned(), in_full)
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
        (Some(share), _) => in_full(share),
        (None, _) if step.action == Action::Kill => String::new(),
        (None, Some(limit)) => format!("{}, the rest", in_full(limit.saturating_sub(plan.shares()))),
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
    let parts: Vec<String> = parts
        .iter()
        .filter(|(part, _)| !part.is_zero())
        .map(|(part, name)| format!("{name} {}", in_full(*part)))
        .collect();
    format!("worst case: {} ({})\n", in_full(sum), parts.join(" + "))
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
