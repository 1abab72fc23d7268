//! What a check came to.

use super::catalogue::{self, Check};
use super::options::Options;
use crate::lifecycle::exit;
use crate::observe::log::printable;
use crate::report::record::Record;

/// One word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Word {
    /// As it should be.
    Pass,
    /// There was nothing to test.
    Skip,
    /// It works, but not well.
    Warn,
    /// It could not be seen.
    Inconclusive,
    /// It does not work.
    Fail,
}

impl Word {
    /// As it is told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// One verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    /// The check.
    pub(super) id: &'static str,
    /// What it came to.
    pub(super) word: Word,
    /// In one line.
    pub(super) summary: String,
    /// What it rests on, and the remedy.
    pub(super) evidence: Vec<String>,
}

impl Verdict {
    pub(super) fn new(id: &'static str, word: Word, summary: impl AsRef<str>) -> Self {
        Self { id, word, summary: printable(summary.as_ref()), evidence: Vec::new() }
    }

    pub(super) fn because(mut self, line: impl AsRef<str>) -> Self {
        self.evidence.push(printable(line.as_ref()));
        self
    }

    /// With lines that the server or a command has printed.
    pub(super) fn said(self, lines: &[String]) -> Self {
        lines.iter().fold(self, |verdict, line| verdict.because(format!("| {line}")))
    }

    /// With what the post-mortem found, and its remedies.
    pub(super) fn explained(self, record: &Record) -> Self {
        record.findings.iter().fold(self, |verdict, finding| {
            verdict
                .because(format!("{} {}: {}", finding.code, finding.name, finding.text_with_others()))
                .because(format!("try: {}", finding.remedy))
        })
    }

    /// The summary, and what it rests on.
    pub(super) fn lines(&self) -> Vec<&str> {
        std::iter::once(&self.summary).chain(&self.evidence).map(String::as_str).collect()
    }

    /// As severe as the user wants it.
    pub(super) fn weighed(mut self, options: &Options) -> Self {
        let is_in = |list: &[&Check]| catalogue::find(self.id).is_some_and(|check| list.contains(&check));
        self.word = match self.word {
            Word::Fail if is_in(&options.warn) => Word::Warn,
            Word::Warn if options.strict || is_in(&options.deny) => Word::Fail,
            word => word,
        };
        self
    }
}

/// A check failed.
const FAILED: u8 = 1;
/// Nothing failed, but something could not be seen.
const INCONCLUSIVE: u8 = 3;

/// The exit status for all of them.
#[must_use]
pub(super) fn status(verdicts: &[Verdict]) -> u8 {
    match verdicts.iter().map(|verdict| verdict.word).max() {
        Some(Word::Fail) => FAILED,
        Some(Word::Inconclusive) => INCONCLUSIVE,
        Some(Word::Pass | Word::Skip | Word::Warn) => 0,
        None => exit::WINDDOWN_FAILED,
    }
}
