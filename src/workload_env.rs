//! What the workload gets to take part in its stop: variables, a token, a socket.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::cli::Settings;
use crate::os::clock::Clock;
use crate::os::environment::{self, Entry};
use crate::os::io::notify::{Inlet, Outlet};
use crate::os::io::token::{ReadEnd, Token};
use crate::token::{
    DEADLINE_MONOTONIC_VARIABLE, DEADLINE_VARIABLE, FD_VARIABLE, SOCKET_VARIABLE, TOKEN_VARIABLE,
};

/// The time limit in milliseconds; absent if it is infinite.
const LIMIT_VARIABLE: &str = "SHUTDOWN_LIMIT_MS";
/// The number of the try, from 1.
const ATTEMPT_VARIABLE: &str = "SHUTDOWN_ATTEMPT";
const NOTIFY_VARIABLE: &str = "NOTIFY_SOCKET";
const WATCHDOG_VARIABLE: &str = "WATCHDOG_USEC";
const WATCHDOG_PID_VARIABLE: &str = "WATCHDOG_PID";

/// Variables that name the process which something is meant for. If they name winddown, the main process
/// gets its own pid instead: otherwise it would ignore the sockets passed at the start and the watchdog.
const PID_VARIABLES: [&str; 3] = ["LISTEN_PID", WATCHDOG_PID_VARIABLE, "SYSTEMD_EXEC_PID"];

/// Variables for the main process alone, not for hooks.
const NOT_FOR_HOOKS: [&str; 6] =
    [NOTIFY_VARIABLE, WATCHDOG_VARIABLE, "LISTEN_FDS", "LISTEN_FDNAMES", FD_VARIABLE, SOCKET_VARIABLE];

/// The outcome, for the hook after the end. Hooks of the plan get the deadline instead.
pub(crate) const OUTCOME_VARIABLE: &str = "SHUTDOWN_OUTCOME";
/// The main process, for hooks of the plan.
pub(crate) const MAIN_PID_VARIABLE: &str = "SHUTDOWN_MAIN_PID";
/// All processes of the workload, separated by spaces, for hooks of the plan.
pub(crate) const PIDS_VARIABLE: &str = "SHUTDOWN_PIDS";
/// The status that winddown is going to exit with, for the hook after the end.
pub(crate) const EXIT_STATUS_VARIABLE: &str = "SHUTDOWN_EXIT_STATUS";

/// The environment of the workload, and our ends of what it names.
#[derive(Debug)]
pub(crate) struct Offer {
    /// `NAME=VALUE`.
    pub(crate) environment: Vec<Entry>,
    /// `NAME=`, each to be completed with the main process's pid.
    pub(crate) pid_variables: Vec<CString>,
    /// The descriptor to inherit.
    pub(crate) read_end: Option<ReadEnd>,
    /// The socket that receives its messages.
    pub(crate) inlet: Option<Inlet>,
    /// Announces a stop.
    pub(crate) token: Option<Token>,
}

impl Offer {
    /// Opens everything that the settings ask for; fails without a free descriptor. `visible_pid` is the
    /// process that callers see.
    pub(crate) fn open(
        settings: &Settings,
        clock: &Clock,
        visible_pid: i32,
        attempt: u32,
    ) -> io::Result<Self> {
        let mut variables = limits(settings, clock);
        variables.push((ATTEMPT_VARIABLE, attempt.to_string().into()));
        let notifies = settings.notify || parent_socket().is_some();
        let may_extend = settings.token.is_some() && !settings.plan.extend_max.is_zero();
        let inlet = match (notifies || may_extend).then(Inlet::open).transpose() {
            // Only winddown's parent has asked for it: the workload can then write to the parent itself.
            Err(_) if !settings.notify && !may_extend && settings.ready.is_empty() => None,
            result => result?,
        };
        let name = inlet.as_ref().map(|inlet| inlet.name().to_owned()).unwrap_or_default();
        if notifies && inlet.is_some() {
            variables.push((NOTIFY_VARIABLE, name.clone().into()));
        }
        let mut token = settings.token.clone().map(Token::new);
        let read_end = token.as_mut().map(Token::open_pipe).transpose()?;
        if let (Some(token), Some(read_end)) = (&token, &read_end) {
            variables.push((TOKEN_VARIABLE, token.path().into()));
            variables.push((FD_VARIABLE, read_end.number().to_string().into()));
            if may_extend {
                variables.push((SOCKET_VARIABLE, name.into()));
            }
        }
        let mut pid_variables = pid_variables(visible_pid);
        if let Some(length) = settings.plan.watchdog {
            let shortest = inherited_watchdog().map_or(length, |inherited| inherited.min(length));
            variables.push((WATCHDOG_VARIABLE, shortest.as_micros().to_string().into()));
            if !pid_variables.contains(&WATCHDOG_PID_VARIABLE) {
                pid_variables.push(WATCHDOG_PID_VARIABLE);
            }
        }
        let replaced = variables.iter().map(|(name, _)| *name).chain(pid_variables.iter().copied());
        let replaced: Vec<&str> = replaced.chain(stale(token.is_some())).collect();
        Ok(Self {
            environment: environment_with(&settings.consumed, &replaced, &variables),
            pid_variables: pid_variables
                .iter()
                .filter_map(|name| CString::new(format!("{name}=")).ok())
                .collect(),
            read_end,
            inlet,
            token,
        })
    }
}

fn parent_socket() -> Option<OsString> {
    environment::value(NOTIFY_VARIABLE)
}

/// Opens the way to the notification socket of winddown's own parent, if there is one. An unreachable name
/// counts as none: the workload must not fail because of it.
pub(crate) fn outlet() -> Option<Outlet> {
    parent_socket().and_then(|name| Outlet::open(&name).ok())
}

/// Inherited variables that don't apply to this run. One with its own token also drops the outer run's.
fn stale(has_token: bool) -> impl Iterator<Item = &'static str> {
    let others = [FD_VARIABLE, SOCKET_VARIABLE];
    [LIMIT_VARIABLE].into_iter().chain(others.into_iter().filter(move |_| has_token))
}

fn inherited_watchdog() -> Option<Duration> {
    let text = std::env::var(WATCHDOG_VARIABLE).ok()?;
    Some(Duration::from_micros(text.parse().ok().filter(|length| *length > 0)?))
}

/// The names among [`PID_VARIABLES`] that name winddown.
fn pid_variables(visible_pid: i32) -> Vec<&'static str> {
    let is_ours = |name: &&str| std::env::var(name).is_ok_and(|value| value == visible_pid.to_string());
    PID_VARIABLES.into_iter().filter(is_ours).collect()
}

/// The variables for the limits that are known at the start.
fn limits(settings: &Settings, clock: &Clock) -> Vec<(&'static str, OsString)> {
    let mut variables = Vec::new();
    if let Some(length) = settings.plan.length().length() {
        variables.push((LIMIT_VARIABLE, length.as_millis().to_string().into()));
    }
    if let Some(at) = settings.plan.over_at() {
        let now = clock.now();
        variables.push((DEADLINE_VARIABLE, Clock::wall_ms(now, at).to_string().into()));
        variables.push((DEADLINE_MONOTONIC_VARIABLE, Clock::monotonic_ms(now, at).to_string().into()));
    }
    variables
}

/// The environment of hooks in the first try: winddown's own, with the limit, and without what an outer winddown may have
/// set for its own stop.
pub(crate) fn environment_for_hooks(settings: &Settings) -> Vec<Entry> {
    let limit =
        settings.plan.length().length().map(|length| (LIMIT_VARIABLE, length.as_millis().to_string().into()));
    let set_by_us = [
        LIMIT_VARIABLE,
        DEADLINE_VARIABLE,
        OUTCOME_VARIABLE,
        EXIT_STATUS_VARIABLE,
        MAIN_PID_VARIABLE,
        PIDS_VARIABLE,
    ];
    let removed: Vec<&str> = NOT_FOR_HOOKS.iter().chain(&PID_VARIABLES).copied().chain(set_by_us).collect();
    let mut environment = environment_with(&settings.consumed, &removed, limit.as_slice());
    set_attempt(&mut environment, 1);
    environment
}

/// Sets the number of the try.
pub(crate) fn set_attempt(environment: &mut Vec<Entry>, attempt: u32) {
    environment.retain(|entry| environment::name(entry) != ATTEMPT_VARIABLE.as_bytes());
    environment.extend(environment::entry(ATTEMPT_VARIABLE, attempt.to_string()));
}

/// Our own environment, without the variables for winddown and the replaced ones, and with these added.
fn environment_with(consumed: &[OsString], replaced: &[&str], variables: &[(&str, OsString)]) -> Vec<Entry> {
    let is_dropped = |entry: &&CStr| {
        let name = environment::name(entry);
        replaced.iter().any(|variable| variable.as_bytes() == name)
            || consumed.iter().any(|variable| variable.as_bytes() == name)
    };
    let inherited = environment::entries().into_iter().filter(|entry| !is_dropped(entry)).map(Cow::Borrowed);
    let added = variables.iter().filter_map(|(name, value)| environment::entry(name, value));
    inherited.chain(added).collect()
}
