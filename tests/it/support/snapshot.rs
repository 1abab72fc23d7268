//! Compares whole pages with snapshots: files beside the test (`snapbox::file!["snapshots/NAME"]`) or texts in
//! it (`snapbox::str![]`). `SNAPSHOTS=overwrite cargo test --test it -- FILTER` renews both.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use regex_lite::Regex;
use snapbox::IntoData;

use super::running::Ended;

/// Patterns of text that varies between runs or machines, each with its placeholder.
fn placeholders() -> [(String, &'static str); 6] {
    let escaped = |path: &Path| regex_lite::escape(&path.to_string_lossy());
    [
        (format!(r"{}/winddown-test-\d+-\d+-\d+", escaped(&std::env::temp_dir())), "[DIR]"),
        (escaped(env!("CARGO_MANIFEST_DIR").as_ref()), "[ROOT]"),
        (format!("^winddown {}\n", escaped(env!("CARGO_PKG_VERSION").as_ref())), "winddown [VERSION]\n"),
        (r"\bpid \d+".to_owned(), "pid [PID]"),
        (r"\bpipe:\[\d+\]".to_owned(), "pipe:[INODE]"),
        (r"(127\.0\.0\.1|\[::1\]|localhost):\d{4,5}\b".to_owned(), "$1:[PORT]"),
    ]
}

/// Panics with the difference unless the page, with placeholders put in, equals its snapshot.
#[track_caller]
pub(crate) fn expect_page(page: &str, snapshot: impl IntoData) {
    expect_exactly(&redacted(page), snapshot);
}

/// The same without placeholders, for pages that never vary.
#[track_caller]
pub(crate) fn expect_exactly(page: &str, snapshot: impl IntoData) {
    let assert = snapbox::Assert::new().action_env(snapbox::assert::DEFAULT_ACTION_ENV);
    assert.eq(page, snapshot.into_data().raw());
}

/// The same for a few lines.
#[track_caller]
pub(crate) fn expect_lines(lines: &[String], snapshot: impl IntoData) {
    expect_page(&lines.join("\n"), snapshot);
}

/// The same for lines that contain measured times.
#[track_caller]
pub(crate) fn expect_without_times(lines: &[String], snapshot: impl IntoData) {
    let time = Regex::new(r"\b(after|in) \d+(\.\d+)?(ms|s)( \d+ms)?\b").expect("a pattern");
    expect_page(&time.replace_all(&lines.join("\n"), "$1 [TIME]"), snapshot);
}

/// The same for a run's log, where a signal that the tests have sent comes from `[TEST]`.
#[track_caller]
pub(crate) fn expect_log(log: &[String], snapshot: impl IntoData) {
    let sender = format!(r"from [^(]+ \(pid {}, uid \d+\)", std::process::id());
    let log =
        Regex::new(&sender).expect("a pattern").replace_all(&log.join("\n"), "from [TEST]").into_owned();
    let since = Regex::new(r"\b(after|stopped in|killed in) \d+(\.\d+)?(ms|s)\b").expect("a pattern");
    let left = Regex::new(r"\b\d+(\.\d+)?(ms|s) left\b").expect("a pattern");
    expect_page(&left.replace_all(&since.replace_all(&log, "$1 [TIME]"), "[TIME] left"), snapshot);
}

fn redacted(page: &str) -> String {
    placeholders().into_iter().fold(page.to_owned(), |page, (pattern, placeholder)| {
        Regex::new(&pattern).expect("a pattern").replace_all(&page, placeholder).into_owned()
    })
}

/// The output of several command lines, as one page.
#[derive(Default)]
pub(crate) struct Transcript(String);

impl Transcript {
    /// Adds the lines of a run: its stdout, then its stderr.
    pub(crate) fn add(&mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>, ended: &Ended) {
        let words = words.into_iter().map(|word| word.as_ref().to_string_lossy().into_owned());
        let found = ended.out().into_iter().chain(ended.err());
        let command = shell_words::join(words.collect::<Vec<_>>());
        for line in std::iter::once(format!("$ {}", visible(&command))).chain(found) {
            let _ = writeln!(self.0, "{line}");
        }
    }

    #[track_caller]
    pub(crate) fn expect(&self, snapshot: impl IntoData) {
        expect_page(&self.0, snapshot);
    }
}

/// The text with line feeds and escape sequences made visible.
fn visible(text: &str) -> String {
    let one = |letter: char| {
        if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() }
    };
    text.chars().map(one).collect()
}
