//! `--on-timeout` and `--dump-signal`: steps at the end of the plan, for a workload that is still there.
//! They take the end of the limit; SIGKILL does not come later.

use std::time::Duration;

use super::Planned;
use crate::cli::UsageError;
use crate::cli::options::StopOptions;
use crate::cli::sources::Origins;
use crate::lifecycle::plan::{Action, Dump, Limit, Step};
use crate::lifecycle::signal::Signal;
use crate::text::in_full;

/// A thread dump is written within a second; a core of several gigabytes is not.
const DUMP_MAX: Duration = Duration::from_secs(2);
const CORE_MAX: Duration = Duration::from_secs(5);

/// Adds them after all other steps, but before a step that kills.
pub(super) fn add(
    planned: &mut Planned,
    limit: Limit,
    hook_limit: Duration,
    options: &StopOptions,
    origins: &Origins,
) -> Result<(), UsageError> {
    let dump = options.dump_signal;
    let name = match (&options.on_timeout, dump) {
        (Some(_), _) => origins.name("--on-timeout"),
        (None, Some(_)) => origins.name("--dump-signal"),
        (None, None) => return Ok(()),
    };
    let kills = planned.steps.last().is_some_and(|step| step.action == Action::Kill);
    let killing = planned.steps.pop_if(|_| kills).zip(planned.origins.pop_if(|_| kills));
    let Some(length) = length(&planned.steps, kills, limit) else {
        return Err(UsageError::Invalid(format!(
            "{name}: without a time limit its time never comes; give a --time-limit"
        )));
    };
    if !length.is_zero() {
        let for_hook = options.on_timeout.as_ref().map(|hook| (hook, hook_limit.min(length / 5)));
        let for_dump = dump.map(|dump| (dump, dump_share(dump, length)));
        let hook_share = for_hook.map_or(Duration::ZERO, |(_, share)| share);
        let needed = hook_share + for_dump.map_or(Duration::ZERO, |(_, share)| share);
        make_room(planned, needed, kills).map_err(|()| {
            let needed = in_full(needed);
            UsageError::Invalid(format!(
                "{name}: there is no room for {needed} before KILL; give the step before it a longer share"
            ))
        })?;
        if let Some((hook, share)) = for_hook {
            planned.push_hook(hook.clone(), share, origins.name("--on-timeout"));
            planned.last_words += 1;
        }
        if let Some((dump, share)) = for_dump {
            planned.push(Action::Dump(dump), Some(share), origins.name("--dump-signal"));
            planned.last_words += 1;
        }
    }
    if let Some((step, origin)) = killing {
        planned.push(step.action, step.share, origin);
    }
    Ok(())
}

/// When SIGKILL comes.
fn length(steps: &[Step], kills: bool, limit: Limit) -> Option<Duration> {
    let shares: Option<Duration> = steps.iter().map(|step| step.share).sum();
    let by_plan = shares.filter(|_| kills);
    [limit.length(), by_plan].into_iter().flatten().min()
}

fn dump_share(dump: Dump, length: Duration) -> Duration {
    if dump == Dump::Signal(Signal::ABRT) { CORE_MAX.min(length / 4) } else { DUMP_MAX.min(length / 10) }
}

/// Takes the time from the step without a share. If there is none, takes what is left after the last step, or,
/// if a kill follows, a part of the last step's share.
fn make_room(planned: &mut Planned, needed: Duration, kills: bool) -> Result<(), ()> {
    if planned.steps.iter().any(|step| step.share.is_none()) {
        return Ok(());
    }
    if !kills {
        planned.push(Action::Wait, None, "what is left".to_owned());
        return Ok(());
    }
    let share = planned.steps.last_mut().and_then(|step| step.share.as_mut()).ok_or(())?;
    *share = share.checked_sub(needed).filter(|share| !share.is_zero()).ok_or(())?;
    Ok(())
}
