//! The source as code only: without comments, strings and unit tests.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// One file below `src/`.
pub(crate) struct Source {
    /// Relative to the package: `src/os/process/reap.rs`.
    pub(crate) path: String,
    /// The code; comments and the insides of strings are blank, so that lines keep their numbers.
    pub(crate) code: String,
}

/// A place in the source.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    path: String,
    line: usize,
    text: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text.trim())
    }
}

impl Source {
    /// Where a word stands; as a whole word, unless it begins or ends with something other than a letter.
    pub(crate) fn places(&self, word: &str) -> Vec<Place> {
        let found = self.code.lines().enumerate().filter(|(_, line)| has_word(line, word));
        let place = |(index, text): (usize, &str)| Place {
            path: self.path.clone(),
            line: index + 1,
            text: text.to_owned(),
        };
        found.map(place).collect()
    }

    /// Whether this is the given file, or a file in the given folder.
    pub(crate) fn is_in(&self, place: &str) -> bool {
        self.path == place || (place.ends_with('/') && self.path.starts_with(place))
    }
}

/// All of a folder except unit tests.
pub(crate) fn all(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files_below(&root.join(folder));
    let sources: Vec<Source> = files
        .iter()
        .filter(|file| !file.ends_with("tests.rs"))
        .map(|file| {
            let path = file.strip_prefix(root).expect("a file of the package").display().to_string();
            let text = fs::read_to_string(file).expect("a source file can be read");
            Source { path, code: code_of(&text) }
        })
        .collect();
    assert!(sources.len() > 10, "the source was not found");
    sources
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the source can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("its entry").path()).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    files.chain(folders.iter().flat_map(|folder| files_below(folder))).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let is_letter = |character: char| character.is_alphanumeric() || character == '_';
    let starts = word.starts_with(is_letter);
    let ends = word.ends_with(is_letter);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].ends_with(is_letter);
        let after = line[at + word.len()..].starts_with(is_letter);
        !(starts && before || ends && after)
    })
}

/// The code alone, up to the unit tests.
pub(crate) fn code_of(text: &str) -> String {
    let code = blank_out(text);
    let end = code.find("#[cfg(test)]").unwrap_or(code.len());
    code[..end].to_owned()
}

/// Turns comments and the insides of strings and characters into blanks.
fn blank_out(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = opaque_length(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        code.extend(rest[..length].chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    code
}

/// The length of the comment, string or character that begins here; zero if none does.
fn opaque_length(rest: &str, before: Option<char>) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return to(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return to(rest.find("*/").map(|at| at + 2));
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    let is_raw = rest.starts_with('r')
        && !before.is_some_and(|character| character.is_alphanumeric() && !"bc".contains(character));
    if is_raw {
        let hashes = rest[1..].chars().take_while(|character| *character == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            return to(rest[2 + hashes..].find(&end).map(|at| 2 + hashes + at + end.len()));
        }
    }
    let mut next = rest.chars().skip(1);
    let is_character = rest.starts_with('\'') && (next.next() == Some('\\') || next.next() == Some('\''));
    if is_character { quoted_length(rest, '\'') } else { 0 }
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
