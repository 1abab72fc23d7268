//! The given options, as plain values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::plan::steps::PlannedStep;
use super::retry::RetryOptions;
use super::sources::GivenOptions;
use super::table::KILL_WITH_PARENT;
use super::values::To;
use crate::lifecycle::plan::{Dump, Limit, Mapping, ReadyWhen};
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::Format;
use crate::os::io::destination::Destination;
use crate::os::process::hook::Hook;
use crate::ready::condition::Condition;

/// How a stop goes.
#[derive(Debug)]
pub(super) struct StopOptions {
    pub(super) time_limit: Option<Limit>,
    pub(super) stop_signal: Option<Signal>,
    pub(super) to: Option<To>,
    pub(super) stop: Option<Vec<PlannedStep>>,
    pub(super) stop_delay: Option<Duration>,
    pub(super) pre_stop: Option<Hook>,
    pub(super) post_stop: Option<Hook>,
    pub(super) hook_limit: Option<Duration>,
    pub(super) kill_wait: Option<Limit>,
    pub(super) dump_signal: Option<Dump>,
    pub(super) on_timeout: Option<Hook>,
}

impl StopOptions {
    /// Whether `--hook-limit` applies to a hook.
    pub(super) fn has_hook_without_share(&self) -> bool {
        let short_forms = [&self.pre_stop, &self.post_stop, &self.on_timeout];
        short_forms.into_iter().any(Option::is_some)
            || self.stop.iter().flatten().any(PlannedStep::has_hook_without_share)
    }

    /// Whether a step asks processes without naming them, so that `--to` applies.
    pub(super) fn asks_whom_it_says(&self) -> bool {
        self.stop.as_ref().is_none_or(|steps| steps.iter().any(PlannedStep::asks_anybody))
    }
}

/// All given options.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches, each independent of the others")]
pub(super) struct RunOptions {
    pub(super) stop: StopOptions,
    pub(super) retry: RetryOptions,
    pub(super) run_limit: Option<Limit>,
    pub(super) stop_after: Option<Limit>,
    pub(super) preserve_status: bool,
    pub(super) leave_stragglers: bool,
    pub(super) straggler_grace: Option<Duration>,
    pub(super) stop_with_parent: bool,
    pub(super) kill_with_parent: bool,
    pub(super) no_guard: bool,
    pub(super) stop_on: Option<SignalSet>,
    pub(super) map: Vec<Mapping>,
    pub(super) remap_exit: Vec<(u8, u8)>,
    pub(super) interrupted_exit: Option<u8>,
    pub(super) token: Option<PathBuf>,
    pub(super) extend_max: Option<Duration>,
    pub(super) ready: Vec<Condition>,
    pub(super) ready_file: Option<PathBuf>,
    pub(super) start_limit: Option<Duration>,
    pub(super) notify: bool,
    pub(super) watchdog: Option<Duration>,
    pub(super) log_format: Option<Format>,
    pub(super) verbose: bool,
    pub(super) quiet: bool,
    pub(super) record: Option<Destination>,
    pub(super) command: Vec<OsString>,
}

impl RunOptions {
    /// What the workload has to do before it counts as ready.
    pub(super) fn readiness(&self) -> Option<ReadyWhen> {
        let is_message = |condition: &Condition| matches!(condition, Condition::Notify | Condition::Auto);
        let readiness = ReadyWhen {
            notify: self.ready.contains(&Condition::Notify),
            auto: self.ready.contains(&Condition::Auto),
            others: !self.ready.iter().all(is_message),
        };
        (!self.ready.is_empty()).then_some(readiness)
    }

    /// Whether the workload gets a socket for its messages by an option.
    pub(super) fn takes_messages(&self) -> bool {
        let by_ready = self.readiness().is_some_and(|ready| ready.notify || ready.auto);
        self.notify || self.watchdog.is_some() || by_ready
    }

    /// Reads each option from the command line, or from its variable.
    pub(super) fn of(given: &GivenOptions) -> Self {
        Self {
            stop: StopOptions {
                time_limit: given.one("time-limit"),
                stop_signal: given.one("stop-signal"),
                to: given.one("to"),
                stop: given.one("stop"),
                stop_delay: given.one("stop-delay"),
                pre_stop: given.one("pre-stop"),
                post_stop: given.one("post-stop"),
                hook_limit: given.one("hook-limit"),
                kill_wait: given.one("kill-wait"),
                dump_signal: given.one::<Option<Dump>>("dump-signal").flatten(),
                on_timeout: given.one("on-timeout"),
            },
            retry: RetryOptions::of(given),
            run_limit: given.one("run-limit"),
            stop_after: given.one("stop-after"),
            preserve_status: given.switch("preserve-status"),
            leave_stragglers: given.switch("leave-stragglers"),
            straggler_grace: given.one("straggler-grace"),
            stop_with_parent: given.switch("stop-with-parent"),
            kill_with_parent: cfg!(feature = "check") && given.switch(KILL_WITH_PARENT),
            no_guard: given.switch("no-guard"),
            stop_on: given.one("stop-on"),
            map: given.many("map"),
            remap_exit: given.many("remap-exit"),
            interrupted_exit: given.one("interrupted-exit"),
            token: given.one("token"),
            extend_max: given.one("extend-max"),
            ready: given.many("ready"),
            ready_file: given.one("ready-file"),
            start_limit: given.one("start-limit"),
            notify: given.switch("notify"),
            watchdog: given.one("watchdog"),
            log_format: given.one("log-format"),
            verbose: given.switch("verbose"),
            quiet: given.switch("quiet"),
            record: given.one("record"),
            command: given.words("command"),
        }
    }
}
