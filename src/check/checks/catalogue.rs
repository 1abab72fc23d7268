//! All checks: the single source of `--list`, `--explain` and docs/checks.md.

use std::fmt::Write;

use super::{baseline, children, connections, inputs, left, notify, signals, start, stop, traffic};

pub(in crate::check) use super::baseline::BASELINE;
pub use super::check::{Check, Profile};
pub(in crate::check) use super::left::FILES;

/// All checks, in the order of the reports.
pub static CHECKS: [Check; 37] = [
    start::READY,
    start::HANDLER,
    stop::STOPS,
    stop::MARGIN,
    stop::EXIT_STATUS,
    left::STRAGGLERS,
    left::PORTS,
    left::FILES,
    left::OUTPUT,
    children::ZOMBIES,
    children::SHELL_WRAP,
    traffic::REFUSE_NEW,
    baseline::BASELINE,
    connections::BACKLOG,
    connections::IN_FLIGHT,
    connections::STREAM,
    connections::IDLE_CONN,
    connections::HALF_REQUEST,
    connections::SILENT_CONN,
    connections::UNDER_LOAD,
    signals::DOUBLE_TERM,
    signals::SIGINT,
    signals::CTRL_C,
    signals::STARTUP,
    signals::PID1,
    signals::KILL_RESTART,
    signals::KILL_ORPHANS,
    signals::TERM_RESTART,
    signals::SIGHUP,
    signals::SIGQUIT,
    signals::GROUP_VS_LEADER,
    signals::STOPPED,
    signals::WORKER_KILLED,
    signals::DEPENDENCY_GONE,
    signals::STDOUT_FULL,
    inputs::STDIN,
    notify::NOTIFY,
];

/// The check with this id.
pub(crate) fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// `--list`.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for profile in Profile::ALL {
        let _ = writeln!(text, "{}", profile.name());
        for check in CHECKS.iter().filter(|check| check.profile == profile) {
            let _ = writeln!(text, "  {:<15} {}", check.id, check.about);
        }
    }
    text
}

/// `--explain ID`.
pub(crate) fn explain(check: &Check) -> String {
    format!("{} ({}): {}\n\n{}\n", check.id, check.profile.name(), check.about, check.more)
}
