//! What a check is: a row that stands beside the function that judges it.

use std::fmt;

use super::verdict::Verdict;
use crate::check::observed::{AllRuns, Before, Observed, Record};
use crate::check::options::Options;
use crate::check::runs::scenario::Scenario;

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Profile {
    /// What a single stop shows.
    #[default]
    Quick,
    /// Also the checks that need runs of their own.
    Standard,
    /// Also situations that few servers meet.
    Full,
}

impl Profile {
    /// All profiles, the smallest first.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Full];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// The name, which never changes.
    pub id: &'static str,
    /// The smallest profile that includes the check.
    pub profile: Profile,
    /// The run that the check needs.
    pub(in crate::check) scenario: Scenario,
    /// What it checks, in one line.
    pub about: &'static str,
    /// When the check fails, why that hurts, and what to do about it.
    pub more: &'static str,
    pub(super) judge: Judge,
}

impl Check {
    /// Whether each plain run has a verdict of its own.
    pub(in crate::check) fn is_of_each_plain_run(&self) -> bool {
        self.scenario == Scenario::Plain && !matches!(self.judge, Judge::Times(_))
    }

    /// Whether it looks at the start of a run, not at its stop.
    pub(in crate::check) fn is_of_the_start(&self) -> bool {
        matches!(self.judge, Judge::Start(_))
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// The judging function, by what it needs to see.
#[derive(Clone, Copy)]
pub(super) enum Judge {
    /// A start, successful or not.
    Start(fn(&Run<'_>) -> Verdict),
    /// A stop that left a record.
    Stop(fn(&Case<'_>) -> Verdict),
    /// The start that follows a stop.
    Restart(fn(&Run<'_>) -> Verdict),
    /// All runs of the check's scenario.
    Runs(fn(&Run<'_>) -> Verdict),
    /// The times of all plain runs.
    Times(fn(&Run<'_>) -> Verdict),
}

/// One run, and what it is compared with.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) options: &'a Options,
    pub(super) all: &'a AllRuns,
    pub(super) seen: &'a Observed,
}

/// One stop with everything observed of it, and what it is compared with.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) options: &'a Options,
    pub(super) all: &'a AllRuns,
    pub(super) seen: &'a Observed,
    pub(super) before: &'a Before,
    pub(super) record: &'a Record,
}
