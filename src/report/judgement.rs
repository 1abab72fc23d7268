//! How `winddown check` judges a run: not part of a record.

use crate::text::counted;

/// A test of a server as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// What the server is called.
    pub(crate) name: String,
    pub(crate) judgements: Vec<Judgement>,
}

/// One check, and what it came to.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) check: String,
    pub(crate) grade: Grade,
    pub(crate) summary: String,
    /// What it rests on, and the remedy.
    pub(crate) evidence: Vec<String>,
}

/// The better comes first.
#[cfg_attr(not(feature = "check"), expect(dead_code, reason = "only check gives grades"))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Grade {
    Passed,
    Skipped,
    Warned,
    Inconclusive,
    Failed,
}

impl Grade {
    pub(super) const fn sign(self) -> char {
        match self {
            Self::Passed => '✓',
            Self::Skipped => '–',
            Self::Warned => '◆',
            Self::Inconclusive => '?',
            Self::Failed => '✕',
        }
    }

    /// Its class in a page.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Warned => "warned",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "check-failed",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Passed => "passes",
            Self::Skipped => "skips",
            Self::Warned => "warns about",
            Self::Inconclusive => "does not show",
            Self::Failed => "fails",
        }
    }
}

/// The worst of them; a skipped one only where nothing else was judged.
pub(super) fn worst(all: &[Judgement]) -> Option<Grade> {
    let grades = || all.iter().map(|one| one.grade);
    grades().filter(|grade| *grade != Grade::Skipped).max().or_else(|| grades().max())
}

/// The names of the checks with this grade.
pub(super) fn named(all: &[Judgement], grade: Grade) -> String {
    let those = all.iter().filter(|one| one.grade == grade).map(|one| one.check.as_str());
    those.collect::<Vec<_>>().join(", ")
}

/// `✕ fails sigint, in-flight`, `✓ passes 3 checks`; nothing where nothing was judged.
pub(super) fn verdict(all: &[Judgement]) -> Option<(Grade, String)> {
    let grade = worst(all)?;
    let which = match grade {
        Grade::Passed => {
            let count = all.iter().filter(|one| one.grade == grade).count();
            counted(count, "check", "s")
        }
        _ => named(all, grade),
    };
    Some((grade, format!("{} {} {which}", grade.sign(), grade.verb())))
}
