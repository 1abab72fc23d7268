//! Which module imports from which other module.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// Modules by their paths, `os::tree::asking`, each with the modules it imports from. Imports from a module that
/// contains the importing one are left out: a part may use its whole.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

/// All modules.
pub(crate) fn imports(sources: &[Source]) -> Imports {
    let modules: BTreeSet<String> =
        sources.iter().map(|source| module_of(&source.path)).filter(|module| !module.is_empty()).collect();
    let mut imports = Imports::new();
    for source in sources {
        let module = module_of(&source.path);
        let parts = modules.iter().filter_map(|other| part_of(&module, other));
        let roots: Vec<&str> = ["crate", "self", "super"].into_iter().chain(parts).collect();
        let taken = paths(&source.code, &roots).into_iter().map(|path| absolute(&module, &path));
        let from = taken.filter_map(|path| nearest(&path, &modules));
        let others = from.filter(|other| *other != module && !is_part_of(&module, other));
        imports.insert(module.clone(), others.collect());
    }
    imports
}

/// Modules that import each other, directly or not.
pub(crate) fn circles(imports: &Imports) -> Vec<BTreeSet<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|module| (module.as_str(), reached(imports, module))).collect();
    let circle = |module: &&str| -> BTreeSet<&str> {
        let there = &reach[module];
        there
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(module)))
            .collect()
    };
    let circles: BTreeSet<BTreeSet<&str>> =
        reach.keys().map(circle).filter(|circle| circle.len() > 1).collect();
    circles.into_iter().collect()
}

fn reached<'a>(imports: &'a Imports, module: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[module].iter().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(imports.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

/// `os::clock` for `src/os/clock.rs`, `os::io` for `src/os/io/mod.rs`; nothing for the crate itself.
fn module_of(path: &str) -> String {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod");
    if ["lib", "main"].contains(&path) { String::new() } else { path.replace('/', "::") }
}

/// The last part of a module's path.
fn part_of<'a>(whole: &str, module: &'a str) -> Option<&'a str> {
    let name = if whole.is_empty() { module } else { module.strip_prefix(whole)?.strip_prefix("::")? };
    (!name.contains("::")).then_some(name)
}

fn is_part_of(module: &str, whole: &str) -> bool {
    module.strip_prefix(whole).is_some_and(|rest| rest.starts_with("::"))
}

/// The module to which a path leads.
fn nearest(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut path = path;
    while !modules.contains(path) {
        path = path.rsplit_once("::")?.0;
    }
    Some(path.to_owned())
}

/// A path that starts at the crate.
fn absolute(module: &str, path: &str) -> String {
    let mut place: Vec<&str> = module.split("::").filter(|word| !word.is_empty()).collect();
    for word in path.split("::") {
        match word {
            "crate" => place.clear(),
            "super" => _ = place.pop(),
            "self" => {}
            _ => place.push(word),
        }
    }
    place.join("::")
}

/// Every path in the code that begins with one of these; `use a::{b, c}` counts as two.
fn paths(code: &str, roots: &[&str]) -> Vec<String> {
    let mut paths = Vec::new();
    for root in roots {
        for (at, _) in code.match_indices(&format!("{root}::")) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|before| !before.is_alphanumeric() && !"_:".contains(before)) {
                expand(&code[at..], "", &mut paths);
            }
        }
    }
    paths
}

/// Takes one path, or a tree of paths, from the front of the code; returns the rest of the code.
fn expand<'a>(code: &'a str, start: &str, paths: &mut Vec<String>) -> &'a str {
    let end = code.find(|character: char| !character.is_alphanumeric() && !"_:".contains(character));
    let (word, mut rest) = code.split_at(end.unwrap_or(code.len()));
    let path = format!("{start}{word}");
    if !path.ends_with("::") || !rest.starts_with('{') {
        paths.push(path.trim_end_matches(':').to_owned());
        return rest;
    }
    while let Some(inner) = rest.strip_prefix(['{', ',']) {
        rest = expand(inner.trim_start(), &path, paths);
        // `as another name`.
        rest = rest.trim_start_matches(|character: char| !"{},;".contains(character));
    }
    rest.strip_prefix('}').unwrap_or(rest)
}

#[test]
fn trees_of_imports_are_read() {
    let code = "use crate::a::{b, c::{self, d as e}, f};\nlet x = super::g::H; my_crate::no; part::x()";
    let found = paths(code, &["crate", "super", "part"]);
    assert_eq!(found[..4], ["crate::a::b", "crate::a::c::self", "crate::a::c::d", "crate::a::f"]);
    assert_eq!(found[4..], ["super::g::H", "part::x"]);
    assert_eq!(absolute("os::tree::asking", "super::super::reap::x"), "os::reap::x");
    assert_eq!(absolute("os::tree", "asking::x"), "os::tree::asking::x");
    assert_eq!(absolute("", "crate::os::x"), "os::x");
}

#[test]
fn a_circle_is_found() {
    let imports: Imports = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "a")]
        .map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()])))
        .into();
    assert_eq!(circles(&imports), [BTreeSet::from(["b", "c"])]);
}
