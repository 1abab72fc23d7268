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

/// Made only by its functions: no failure and no warning is without a remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) struct Verdict {
    pub(in crate::check) id: &'static str,
    word: Word,
    /// In one line.
    pub(in crate::check) summary: String,
    /// What it rests on, with remedies for single findings.
    details: Vec<Detail>,
    /// What to do, the last detail of all.
    remedy: Option<Detail>,
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
    fn new(id: &'static str, word: Word, summary: &str, remedy: Option<&str>) -> Self {
        Self {
            id,
            word,
            summary: printable(summary),
            details: Vec::new(),
            remedy: remedy.map(|line| Detail::Remedy(printable(line))),
            runs: Runs::default(),
        }
    }

    pub(in crate::check) fn pass(id: &'static str, summary: impl AsRef<str>) -> Self {
        Self::new(id, Word::Pass, summary.as_ref(), None)
    }

    pub(in crate::check) fn skip(id: &'static str, summary: impl AsRef<str>) -> Self {
        Self::new(id, Word::Skip, summary.as_ref(), None)
    }

    pub(in crate::check) fn inconclusive(id: &'static str, summary: impl AsRef<str>) -> Self {
        Self::new(id, Word::Inconclusive, summary.as_ref(), None)
    }

    pub(in crate::check) fn warn(
        id: &'static str,
        summary: impl AsRef<str>,
        remedy: impl AsRef<str>,
    ) -> Self {
        Self::new(id, Word::Warn, summary.as_ref(), Some(remedy.as_ref()))
    }

    pub(in crate::check) fn fail(
        id: &'static str,
        summary: impl AsRef<str>,
        remedy: impl AsRef<str>,
    ) -> Self {
        Self::new(id, Word::Fail, summary.as_ref(), Some(remedy.as_ref()))
    }

    pub(in crate::check) const fn word(&self) -> Word {
        self.word
    }

    /// What it rests on, and what to do, in the order in which they are read.
    pub(in crate::check) fn details(&self) -> impl Iterator<Item = &Detail> {
        self.details.iter().chain(&self.remedy)
    }

    pub(in crate::check) fn because(mut self, line: impl AsRef<str>) -> Self {
        self.details.push(Detail::Evidence(printable(line.as_ref())));
        self
    }

    /// What to do in this case, in place of a general remedy.
    pub(in crate::check) fn remedy(self, line: impl AsRef<str>) -> Self {
        Self { remedy: Some(Detail::Remedy(printable(line.as_ref()))), ..self }
    }

    /// Adds lines that the server or a command has printed.
    pub(in crate::check) fn said(self, lines: &[String]) -> Self {
        lines.iter().fold(self, |verdict, line| verdict.because(format!("| {line}")))
    }

    /// Adds the findings of the post-mortem, each with its remedy.
    pub(in crate::check) fn explained(mut self, record: &Record) -> Self {
        for finding in &record.findings {
            let text = format!("{} {}: {}", finding.code, finding.name, finding.text_with_others());
            self = self.because(text);
            self.details.push(Detail::Remedy(printable(&finding.remedy)));
        }
        self
    }

    /// The findings of the post-mortem with their remedies, in place of a general one.
    pub(in crate::check) fn explained_by(self, record: &Record) -> Self {
        let is_remedied = record.findings.iter().any(|finding| !finding.remedy.is_empty());
        let remedy = if is_remedied { None } else { self.remedy.clone() };
        Self { remedy, ..self.explained(record) }
    }

    /// The same of another check, in other words.
    pub(in crate::check) fn of(self, id: &'static str, summary: impl AsRef<str>) -> Self {
        Self { id, summary: printable(summary.as_ref()), ..self }
    }

    /// The same, where it does not show what it should; the details are left out where another check shows them.
    pub(in crate::check) fn proves_nothing(self, shown_elsewhere: bool) -> Self {
        let inconclusive = Self { word: Word::Inconclusive, ..self };
        if shown_elsewhere {
            Self { details: Vec::new(), remedy: None, ..inconclusive }
        } else {
            inconclusive
        }
    }

    /// A failure that counts as a warning.
    pub(super) fn softened(self) -> Self {
        let word = if self.word == Word::Fail { Word::Warn } else { self.word };
        Self { word, ..self }
    }

    /// A warning that counts as a failure.
    pub(super) fn hardened(self) -> Self {
        let word = if self.word == Word::Warn { Word::Fail } else { self.word };
        Self { word, ..self }
    }

    /// The summary and the details.
    pub(in crate::check) fn lines(&self) -> Vec<String> {
        std::iter::once(self.summary.clone()).chain(self.details().map(Detail::to_string)).collect()
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

/// The exit status for several servers.
pub(in crate::check) fn worst_status(statuses: impl Iterator<Item = u8>) -> u8 {
    let statuses: Vec<u8> = statuses.collect();
    [FAILED, INCONCLUSIVE].into_iter().find(|status| statuses.contains(status)).unwrap_or_default()
}

/// The exit status for the worst verdict.
pub(in crate::check) fn status(verdicts: &[Verdict]) -> u8 {
    match overall(verdicts) {
        Word::Fail => FAILED,
        Word::Inconclusive => INCONCLUSIVE,
        Word::Pass | Word::Skip | Word::Warn => 0,
    }
}
