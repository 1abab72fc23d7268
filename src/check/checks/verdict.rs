//! The verdict of a check.

use std::fmt;

use serde::Serialize;

use crate::record::schema::Record;
use crate::text::printable;

/// A verdict in one word, in ascending order of severity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::check) enum Word {
    /// As it should be.
    Pass,
    /// There was nothing to test.
    Skip,
    /// It works, but not well.
    Warn,
    /// Whether it works could not be seen.
    Inconclusive,
    /// It does not work.
    Fail,
}

impl Word {
    /// The word in reports for programs.
    pub(in crate::check) const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) struct Verdict {
    pub(in crate::check) id: &'static str,
    pub(in crate::check) word: Word,
    /// In one line.
    pub(in crate::check) summary: String,
    /// What it rests on, and what to do, in the order in which they are read.
    pub(in crate::check) details: Vec<Detail>,
    /// In how many of the runs.
    pub(in crate::check) runs: Runs,
}

/// A line below the summary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) enum Detail {
    Evidence(String),
    Remedy(String),
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence(text) => f.write_str(text),
            Self::Remedy(text) => write!(f, "try: {text}"),
        }
    }
}

/// How many of the runs that a check looks at have failed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(in crate::check) struct Runs {
    pub(in crate::check) failed: usize,
    pub(in crate::check) of: usize,
}

impl Verdict {
    pub(in crate::check) fn new(id: &'static str, word: Word, summary: impl AsRef<str>) -> Self {
        Self { id, word, summary: printable(summary.as_ref()), details: Vec::new(), runs: Runs::default() }
    }

    pub(in crate::check) fn because(mut self, line: impl AsRef<str>) -> Self {
        self.details.push(Detail::Evidence(printable(line.as_ref())));
        self
    }

    pub(in crate::check) fn remedy(mut self, line: impl AsRef<str>) -> Self {
        self.details.push(Detail::Remedy(printable(line.as_ref())));
        self
    }

    /// Adds lines that the server or a command has printed.
    pub(in crate::check) fn said(self, lines: &[String]) -> Self {
        lines.iter().fold(self, |verdict, line| verdict.because(format!("| {line}")))
    }

    /// Adds the findings of the post-mortem, and their remedies.
    pub(in crate::check) fn explained(self, record: &Record) -> Self {
        record.findings.iter().fold(self, |verdict, finding| {
            verdict
                .because(format!("{} {}: {}", finding.code, finding.name, finding.text_with_others()))
                .remedy(&finding.remedy)
        })
    }

    /// The summary and the details.
    pub(in crate::check) fn lines(&self) -> Vec<String> {
        std::iter::once(self.summary.clone()).chain(self.details.iter().map(Detail::to_string)).collect()
    }
}

/// What several checks say in the same words is one cause: the first of each, with the ids of all.
pub(in crate::check) fn alike(verdicts: &[Verdict]) -> impl Iterator<Item = (Vec<&'static str>, &Verdict)> {
    let same = |one: &Verdict, other: &Verdict| one.word == other.word && one.summary == other.summary;
    let is_first = move |at: usize| !verdicts[..at].iter().any(|earlier| same(earlier, &verdicts[at]));
    verdicts.iter().enumerate().filter(move |(at, _)| is_first(*at)).map(move |(at, verdict)| {
        (verdicts[at..].iter().filter(|other| same(other, verdict)).map(|other| other.id).collect(), verdict)
    })
}

/// A check failed.
const FAILED: u8 = 1;
/// Nothing failed, but something could not be seen.
const INCONCLUSIVE: u8 = 3;

/// The worst of all verdicts. Skipped checks don't count, and if all are skipped, nothing was tested.
pub(in crate::check) fn overall(verdicts: &[Verdict]) -> Word {
    let tested = verdicts.iter().map(|verdict| verdict.word).filter(|word| *word != Word::Skip);
    tested.max().unwrap_or(Word::Inconclusive)
}

/// The exit status for the worst verdict.
pub(in crate::check) fn status(verdicts: &[Verdict]) -> u8 {
    match overall(verdicts) {
        Word::Fail => FAILED,
        Word::Inconclusive => INCONCLUSIVE,
        Word::Pass | Word::Skip | Word::Warn => 0,
    }
}
