//! What is kept of each run, beside the reports: the server's output (`--log`) and the record (`--record`).

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::scenario::Scenario;
use crate::check::Refusal;
use crate::check::observed::Record;
use crate::check::options::Options;
use crate::check::options::archive::{LOG, LOG_HEAD};
use crate::check::options::server_test::ServerTest;
use crate::lifecycle::exit::WINDDOWN_FAILED;
use crate::os::io::destination::Destination;
use crate::os::io::own_file;
use crate::os::reason;
use crate::record;

/// The kept files of a test.
#[derive(Default)]
pub(in crate::check) struct Archive {
    log: Option<Arc<Log>>,
    records: Option<PathBuf>,
    /// What the server is called in names of files and of parts.
    name: Option<String>,
    problems: Mutex<Vec<String>>,
}

/// Which run it is.
#[derive(Clone, Copy)]
pub(in crate::check) struct RunId {
    /// Counted from 1.
    pub(in crate::check) number: usize,
    pub(in crate::check) scenario: Scenario,
}

impl Archive {
    /// One for each server. Begins the logs, which servers may share, and makes the directories.
    pub(in crate::check) fn open_all(tests: &[ServerTest]) -> Result<Vec<Self>, Refusal> {
        let mut logs = Vec::new();
        tests.iter().map(|test| Self::open(&test.options, &mut logs)).collect()
    }

    fn open(options: &Options, logs: &mut Vec<Arc<Log>>) -> Result<Self, Refusal> {
        let refuse = |option: &str, path: &PathBuf, error: &io::Error| Refusal {
            why: format!("check: {option} {}: {}", path.display(), reason(error)),
            status: WINDDOWN_FAILED,
        };
        if let Some(path) = &options.records {
            std::fs::create_dir_all(path).map_err(|error| refuse("--record", path, &error))?;
        }
        let log = |path: &PathBuf| match logs.iter().find(|log| log.path == *path) {
            Some(log) => Ok(log.clone()),
            None => Log::begin(path.clone()).map(Arc::new).map_err(|error| refuse("--log", path, &error)),
        };
        let log = options.log.as_ref().map(log).transpose()?;
        logs.extend(log.clone());
        Ok(Self {
            log,
            records: options.records.clone(),
            name: options.name.clone(),
            problems: Mutex::default(),
        })
    }

    /// The part of the log for a run.
    pub(super) fn part(&self, run: RunId) -> Option<Part> {
        let log = self.log.clone()?;
        let server = self.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        let part = Part { log, title: format!("{server}run {}, {}", run.number, run.scenario.name()) };
        part.write(b"");
        Some(part)
    }

    /// Keeps the record of a run.
    pub(super) fn keep(&self, run: RunId, record: &Record) {
        let Some(directory) = &self.records else { return };
        let server = self.name.as_ref().map(|name| format!("{}-", as_file_name(name))).unwrap_or_default();
        let path = directory.join(format!("{server}{:03}-{}.json", run.number, run.scenario.name()));
        if let Err(error) = record::write::write(&Destination::File(path.clone()), record) {
            let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
            problems.push(format!("--record {}: {}", path.display(), reason(&error)));
        }
    }

    /// What could not be kept, one line each.
    pub(in crate::check) fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        problems.extend(self.log.as_ref().and_then(|log| log.problem()));
        problems
    }
}

/// Any name as a part of a file's name.
fn as_file_name(name: &str) -> String {
    name.chars().map(|one| if one.is_alphanumeric() || "-_.".contains(one) { one } else { '_' }).collect()
}

/// The log, which several runs may write at the same time.
struct Log {
    path: PathBuf,
    written: Mutex<Written>,
}

struct Written {
    file: File,
    /// The title of the part that was written last.
    title: String,
    is_at_line_start: bool,
    problem: Option<io::Error>,
}

impl Log {
    fn begin(path: PathBuf) -> io::Result<Self> {
        let file = own_file::begin(&path, &LOG, LOG_HEAD.as_bytes())?;
        let written = Written { file, title: String::new(), is_at_line_start: true, problem: None };
        Ok(Self { path, written: Mutex::new(written) })
    }

    fn problem(&self) -> Option<String> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.problem.as_ref().map(|error| format!("--log {}: {}", self.path.display(), reason(error)))
    }
}

impl Written {
    /// Appends to a part; says which one it is where another came before.
    fn write(&mut self, title: &str, bytes: &[u8]) -> io::Result<()> {
        let mut text = Vec::new();
        if self.title != title {
            let end = if self.is_at_line_start { "" } else { "\n" };
            text.extend_from_slice(format!("{end}\n==> {title} <==\n").as_bytes());
            title.clone_into(&mut self.title);
            self.is_at_line_start = true;
        }
        // Where its pipes are full (`stdout-full`), check has filled them with zeros.
        text.extend(bytes.iter().filter(|byte| **byte != 0));
        self.is_at_line_start = text.last().map_or(self.is_at_line_start, |byte| *byte == b'\n');
        self.file.write_all(&text)
    }
}

/// The part of the log that belongs to one run.
#[derive(Clone)]
pub(in crate::check) struct Part {
    log: Arc<Log>,
    title: String,
}

impl Part {
    /// Adds what the server has printed. The first error is kept for the end of the test.
    pub(super) fn write(&self, bytes: &[u8]) {
        let mut written = self.log.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.problem.is_none() {
            written.problem = written.write(&self.title, bytes).err();
        }
    }
}
