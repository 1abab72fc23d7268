//! Everything that the documents name exists: each test, each file, each link.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders at which paths in documents start, apart from links.
const PLACES: [&str; 8] =
    ["src/", "tests/", "docs/", "benches/", "packaging/", "examples/", "scripts/", ".ci/"];

struct Document {
    path: PathBuf,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<Document> {
    let folder =
        |place: PathBuf| fs::read_dir(place).expect("a folder").map(|entry| entry.expect("a file").path());
    let paths = folder(root().to_owned()).chain(folder(root().join("docs")));
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let read = |path: PathBuf| Document { text: fs::read_to_string(&path).expect("a text"), path };
    let documents: Vec<Document> = paths.map(read).collect();
    assert!(documents.len() > 5, "the documents were not found");
    documents
}

/// The texts between backticks, within a line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.starts_with("    "));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The targets of links, without those outside the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).filter(|target| !target.contains("://"))
}

/// Whether this is the name of a test of `tests/it/`, such as `stop::a_test`.
fn is_test_name(word: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    word.contains("::") && !word.starts_with("std::") && word.split("::").all(is_name)
}

/// Whether a document has this heading, in the form that links use.
fn has_heading(document: &str, anchor: &str) -> bool {
    let heading = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    document.lines().filter(|line| line.starts_with('#')).any(|line| heading(line) == anchor)
}

#[test]
fn every_test_that_is_named_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        for word in quoted(&document.text).filter(|word| is_test_name(word)) {
            let (file, name) = word.rsplit_once("::").expect("a test name");
            let file = root().join("tests/it").join(file.replace("::", "/")).with_extension("rs");
            let code = fs::read_to_string(file).unwrap_or_default();
            if !code.contains(&format!("fn {name}()")) {
                missing.push(format!("{}: {word}", document.path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn every_file_that_is_named_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        let is_path = |word: &&str| PLACES.iter().any(|place| word.starts_with(place));
        for word in quoted(&document.text).filter(is_path) {
            let path = word.split_whitespace().next().unwrap_or_default();
            if !root().join(path).exists() {
                missing.push(format!("{}: {word}", document.path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no such file:\n{}", missing.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        for target in links(&document.text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() {
                document.path.clone()
            } else {
                document.path.parent().expect("a folder").join(path)
            };
            let text = fs::read_to_string(&path).unwrap_or_default();
            if !path.exists() || !(anchor.is_empty() || has_heading(&text, anchor)) {
                broken.push(format!("{}: {target}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_index_links_every_page() {
    let documents = documents();
    let place = root().join("docs/README.md");
    let index = documents.iter().find(|document| document.path == place).expect("the index");
    let linked: Vec<&str> =
        links(&index.text).map(|target| target.split('#').next().unwrap_or_default()).collect();
    let pages = documents.iter().filter(|document| document.path.parent() == index.path.parent());
    let names = pages.filter_map(|page| page.path.file_name()?.to_str()).filter(|name| *name != "README.md");
    let missing: Vec<&str> = names.filter(|name| !linked.contains(name)).collect();
    assert!(missing.is_empty(), "docs/README.md does not link {missing:?}");
}
