//! Which checks run, and how severe their failures are.

use super::check::Check;
use super::verdict::{Verdict, Word};

/// What the user chose.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Selection {
    /// The checks to run.
    pub(in crate::check) checks: Vec<&'static Check>,
    /// Checks whose failure counts as a warning.
    pub(in crate::check) warn: Vec<&'static Check>,
    /// Checks whose warning counts as a failure.
    pub(in crate::check) deny: Vec<&'static Check>,
    /// Whether every warning counts as a failure.
    pub(in crate::check) strict: bool,
}

impl Selection {
    /// Whether this check is selected.
    pub(super) fn has(&self, check: &Check) -> bool {
        self.checks.contains(&check)
    }

    /// Adjusts a verdict to the severity that the user chose.
    pub(super) fn weighed(&self, check: &Check, verdict: Verdict) -> Verdict {
        match verdict.word() {
            Word::Fail if self.warn.contains(&check) => verdict.softened(),
            Word::Warn if self.strict || self.deny.contains(&check) => verdict.hardened(),
            _ => verdict,
        }
    }
}
