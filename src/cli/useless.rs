//! Options that would do nothing, or undo each other: refused, with the remedy, rather than ignored.

use super::UsageError;
use super::options::RunOptions;
use super::sources::Origins;
use crate::lifecycle::plan::Limit;
use crate::os::io::destination::Destination;

/// Refuses the first useless option.
pub(super) fn refuse(
    options: &RunOptions,
    limit: Limit,
    parent_takes_messages: bool,
    origins: &Origins,
) -> Result<(), UsageError> {
    let stop = &options.stop;
    let takes_messages = options.takes_messages() || parent_takes_messages;
    let extends = options.extend_max.is_some_and(|most| !most.is_zero());
    let ends = options.stop_after.or(options.run_limit);
    let is_same_file = matches!((&options.token, &options.record), (Some(token), Some(Destination::File(file))) if token == file);
    let useless = [
        (options.quiet && options.verbose, "--verbose", "is the opposite of --quiet; leave one of them out"),
        (
            extends && options.token.is_none() && !takes_messages,
            "--extend-max",
            "does nothing without --token or --notify, with which COMMAND asks for more time",
        ),
        (
            extends && limit == Limit::Infinite && options.start_limit.is_none(),
            "--extend-max",
            "does nothing without a time limit, which it would extend; leave it out",
        ),
        (
            stop.hook_limit.is_some() && !stop.has_hook_without_share(),
            "--hook-limit",
            "does nothing without --pre-stop, --post-stop, --on-timeout or a `run` without a share",
        ),
        (
            stop.to.is_some() && !stop.asks_whom_it_says(),
            "--to",
            "does nothing if each step of --stop names whom it asks; leave it out",
        ),
        (
            options.stop_after.is_some() && options.run_limit.is_some(),
            "--stop-after",
            "does not go with --run-limit, which asks earlier, so that all is over by then; leave one of them out",
        ),
        (
            options.preserve_status && options.stop_after.is_none() && options.run_limit.is_none(),
            "--preserve-status",
            "does nothing without --stop-after or --run-limit; leave it out",
        ),
        (
            options.leave_stragglers && options.retry.retries(),
            "--leave-stragglers",
            "does not go with --retry: what is left would run beside the next try; leave one of them out",
        ),
        (is_same_file, "--record", "is the same file as --token; give another one"),
        (
            options.ready_file.is_some() && options.ready.is_empty(),
            "--ready-file",
            "does nothing without --ready, which says when COMMAND is ready",
        ),
        (
            options.start_limit.is_some() && options.ready.is_empty(),
            "--start-limit",
            "does nothing without --ready, which says when COMMAND is ready",
        ),
        (
            ends.is_some() && options.start_limit.map(Limit::Finite) >= ends,
            "--start-limit",
            "does nothing if --run-limit or --stop-after comes first; give a shorter one",
        ),
        (
            options.ready_file.is_some() && options.ready_file == options.token,
            "--ready-file",
            "is the same file as --token; give another one",
        ),
        (
            matches!((&options.ready_file, &options.record), (Some(ready), Some(Destination::File(file))) if ready == file),
            "--ready-file",
            "is the same file as --record; give another one",
        ),
    ];
    let found = useless.into_iter().chain(options.retry.useless()).find(|(is_useless, ..)| *is_useless);
    found.map_or(Ok(()), |(_, option, why)| {
        Err(UsageError::Invalid(format!("{} {why}", origins.name(option))))
    })
}
