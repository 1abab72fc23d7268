//! The requested reports, and how to recognise a file with one, so that no other file is replaced.

use std::ffi::OsString;

use clap::builder::PossibleValue;

use crate::cli::usage::{either, named};
use crate::os::io::destination::Destination;
use crate::os::io::own_file::FileKind as Content;
use crate::report::PAGE_KIND;

/// A kind of report.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in crate::check) enum Kind {
    /// The page for people.
    Human,
    /// One JSON object with everything.
    Json,
    /// `JUnit` XML, for Jenkins, GitLab and others.
    Junit,
    /// Annotations and a job summary.
    Github,
    /// The timeline of all runs, for a browser.
    Timeline,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Human, Self::Json, Self::Junit, Self::Github, Self::Timeline];

    const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Github => "github",
            Self::Timeline => "timeline",
        }
    }

    /// Their names on the command line.
    pub(in crate::check) fn names() -> Vec<PossibleValue> {
        named(Self::ALL.map(Self::name))
    }

    /// Whether a program reads it, so that nothing else may be in it.
    pub(in crate::check) fn is_for_programs(self) -> bool {
        !matches!(self, Self::Human | Self::Github)
    }

    /// How to recognise a file with such a report.
    pub(in crate::check) const fn content(self) -> &'static Content {
        match self {
            Self::Human => &HUMAN,
            Self::Json => &JSON,
            Self::Junit => &JUNIT,
            Self::Github => &GITHUB,
            Self::Timeline => &PAGE_KIND,
        }
    }
}

/// The beginning of every page for people.
pub(in crate::check) const PAGE_HEAD: &str = "winddown check  ";
/// The name of the test suites in a `JUnit` file.
pub(in crate::check) const SUITES: &str = "winddown check";
/// A part of every GitHub annotation, as the runner reads it.
pub(in crate::check) const ANNOTATION: &str = "title=winddown check%3A ";

const STDOUT: i32 = 1;

/// At most this much is read of a file before it is replaced.
const BYTES_MAX: u64 = 64 << 20;

/// The first element of a `JUnit` file is within these bytes.
const HEAD_MAX: usize = 512;

/// A kind of file that `is_it` recognises.
const fn report(is_it: fn(&[u8]) -> bool) -> Content {
    Content {
        name: "a report of this kind",
        may_be_stream: true,
        bytes_max: BYTES_MAX,
        may_be_longer: false,
        is_it,
    }
}

const HUMAN: Content = report(|bytes| bytes.starts_with(PAGE_HEAD.as_bytes()));

const JSON: Content = report(|bytes| {
    let is_object = bytes.starts_with(b"{\"") && bytes.ends_with(b"}\n");
    let has = |part| str::from_utf8(bytes).is_ok_and(|text| text.contains(part));
    is_object && has("\"checks\":[") && has("\"limit_ms\":") && has("\"winddown\":\"")
});

const JUNIT: Content = report(|bytes| {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD_MAX)]);
    text.starts_with("<?xml") && text.contains(&format!("<testsuites name=\"{SUITES}\""))
});

const GITHUB: Content = report(|bytes| {
    let is_one = |line: &str| line.starts_with("::") && line.contains(ANNOTATION);
    str::from_utf8(bytes).is_ok_and(|text| text.lines().all(is_one))
});

/// A requested report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) struct Report {
    pub(in crate::check) kind: Kind,
    /// `None` for stdout.
    pub(in crate::check) file: Option<Destination>,
}

impl Report {
    /// `junit=FILE`, `json`.
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        let (kind, file) =
            text.split_once('=').map_or((text, None), |(kind, file)| (kind, Some(OsString::from(file))));
        let kind = Kind::ALL
            .into_iter()
            .find(|known| known.name() == kind)
            .ok_or_else(|| format!("use {}, and a file if you like: junit=FILE", either(&Kind::names())))?;
        let file = file.map(|word| Destination::parse(word, kind.content())).transpose()?;
        Ok(Self { kind, file: file.filter(|file| *file != Destination::Descriptor(STDOUT)) })
    }
}
