//! All checks: the single source of `--list`, `--explain` and docs/checks.md.

use std::fmt::Write;

use super::{aborted, baseline, children, connections, inputs, left, notify, signals, start, stop, traffic};
use crate::report::filled;

pub(in crate::check) use super::baseline::BASELINE;
pub use super::check::{Check, Profile};
pub(in crate::check) use super::left::FILES;

/// The list of each file.
static LISTS: [&[Check]; 11] = [
    start::CHECKS,
    stop::CHECKS,
    left::CHECKS,
    children::CHECKS,
    traffic::CHECKS,
    baseline::CHECKS,
    connections::CHECKS,
    aborted::CHECKS,
    signals::CHECKS,
    inputs::CHECKS,
    notify::CHECKS,
];

/// All checks, in the order of the reports.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    LISTS.iter().copied().flatten()
}

/// The check with this id.
pub(crate) fn find(id: &str) -> Option<&'static Check> {
    checks().find(|check| check.id == id)
}

/// Whether it judges what probes have met.
pub(in crate::check) fn needs_probes(check: &Check) -> bool {
    [traffic::REFUSE_NEW, connections::BACKLOG].contains(check)
}

/// `--list`.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for profile in Profile::ALL {
        let _ = writeln!(text, "{}", profile.name());
        for check in checks().filter(|check| check.profile == profile) {
            let _ = writeln!(text, "  {:<15} {}", check.id, check.about);
        }
    }
    text
}

/// `--explain ID`.
pub(crate) fn explain(check: &Check) -> String {
    let head = format!("{} ({}): {}", check.id, check.profile.name(), check.about);
    format!("{}\n{}", filled(&head), filled(check.more))
}
