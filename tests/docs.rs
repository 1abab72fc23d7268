//! The parts of docs/ that are generated from the code: the manual pages, the completions, and the
//! tables of options, checks and causes. `UPDATE_DOCS=1 cargo test --test docs` renews them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

#[cfg(feature = "check")]
#[path = "docs/checks.rs"]
mod checks;
#[path = "docs/definition.rs"]
mod definition;
#[path = "docs/man/mod.rs"]
mod man;
#[path = "docs/table.rs"]
mod table;

const OPTIONS: &str = "options.md";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Compares a file of docs/ with its generated content, or renews it.
fn expect(name: &str, content: &str) {
    let file = docs().join(name);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(file.parent().expect("a file in docs/")).expect("its directory");
        fs::write(&file, content).expect("docs/ can be written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == content, "docs/{name} is not up to date: UPDATE_DOCS=1 cargo test --test docs");
}

#[test]
fn the_manual_pages_are_up_to_date() {
    for page in man::pages() {
        expect(&format!("man/{}.1", page.name), &page.text);
    }
}

/// Renews the part of a page between two marks.
fn with_part(name: &str, mark: &str, part: &str) -> String {
    let page = fs::read_to_string(docs().join(name)).expect("a page");
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->\n"));
    let (before, rest) = page.split_once(&begin).expect("its begin is marked");
    let (_, after) = rest.split_once(&end).expect("its end is marked");
    format!("{before}{begin}{part}{end}{after}")
}

#[test]
fn the_table_of_causes_is_up_to_date() {
    let mut table = "| code | cause | how it comes about | what to do |\n|---|---|---|---|\n".to_owned();
    for cause in winddown::postmortem::causes::CAUSES {
        let (code, name, title) = (cause.code, cause.name, cause.title);
        let _ = writeln!(table, "| {code} `{name}` | {title} | {} | {} |", cause.explanation, cause.remedy);
    }
    expect("post-mortem.md", &with_part("post-mortem.md", "causes", &table));
}

#[test]
fn the_table_of_options_is_up_to_date() {
    expect(OPTIONS, &table::page());
}

#[test]
fn the_table_of_the_readme_is_up_to_date() {
    expect("../README.md", &with_part("../README.md", "options", &table::short()));
}

#[cfg(feature = "check")]
#[test]
fn the_page_of_checks_is_up_to_date() {
    expect("checks.md", &checks::page());
}

/// Exactly: whoever copies from the page gets what `tests/it/checkpoint.rs` runs.
#[test]
fn the_page_on_checkpoints_shows_its_files() {
    let page = fs::read_to_string(docs().join("checkpoint.md")).expect("a page");
    for entry in fs::read_dir(docs().with_file_name("examples/checkpoint")).expect("a directory").flatten() {
        let indent = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
        let file = fs::read_to_string(entry.path()).expect("a text");
        let shown: String = file.lines().map(indent).collect();
        assert!(
            page.contains(&shown),
            "docs/checkpoint.md does not show {} as it is",
            entry.path().display()
        );
    }
}

/// The scripts name every part, and not every build has all.
#[cfg(all(feature = "check", feature = "completions", feature = "report"))]
#[test]
fn the_completions_are_up_to_date_and_valid() {
    use winddown::completions::{InteractiveShell, script};
    for (name, shell, program) in [
        ("completions/winddown.bash", InteractiveShell::Bash, "bash"),
        ("completions/_winddown", InteractiveShell::Zsh, "zsh"),
        ("completions/winddown.fish", InteractiveShell::Fish, "fish"),
    ] {
        expect(name, &script(shell));
        if let Some(output) = run(program, &["-n", "/dev/stdin"], &script(shell)) {
            assert!(output.status.success(), "{program}: {}", text(&output.stderr));
        }
    }
}

/// Runs a program that may be missing, unless everything must be tested.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    match try_run(program, arguments, input) {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            assert!(env::var_os("WINDDOWN_TEST_ALL").is_none(), "{program} is not installed");
            println!("not checked: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn try_run(program: &str, arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    child.stdin.take().expect("a pipe").write_all(input.as_bytes())?;
    child.wait_with_output()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Not even advice on style.
#[test]
fn the_linter_of_manual_pages_is_silent() {
    for page in man::pages() {
        let Some(output) = run("mandoc", &["-T", "lint"], &page.text) else { return };
        assert_eq!(text(&output.stdout) + &text(&output.stderr), "", "{}", page.name);
    }
}

/// As a reader sees it.
fn rendered(page: &str) -> Option<String> {
    let output = run("mandoc", &["-T", "utf8", "-O", "width=200"], page)?;
    let mut plain = String::new();
    for character in text(&output.stdout).chars() {
        // Bold is overstruck: each character, a backspace, and the character again.
        if character == '\u{8}' {
            let _ = plain.pop();
        } else {
            plain.push(character);
        }
    }
    Some(plain)
}

#[test]
fn each_manual_page_has_its_options_and_sections() {
    for page in man::pages() {
        let Some(plain) = rendered(&page.text) else { return };
        for option in page.definition.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(plain.contains(&format!("--{option}")), "{}: --{option} is missing", page.name);
        }
        for section in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT"]
        {
            assert!(plain.lines().any(|line| line == section), "{}: {section} is missing", page.name);
        }
    }
}

#[test]
fn the_examples_of_the_manual_pages_are_understood() {
    for page in man::pages() {
        let others = man::pages();
        let mut count = 0;
        for words in page.examples() {
            count += 1;
            let subcommand = words.get(1).map(|word| format!("winddown-{word}"));
            let of = others.iter().find(|page| Some(page.name) == subcommand.as_deref());
            let (of, rest) = of.map_or((&others[0], &words[..]), |page| (page, &words[1..]));
            // What it asks for is no error of the words.
            if let Err(error) = of.definition.clone().try_get_matches_from(rest) {
                assert!(!error.use_stderr(), "{words:?}: {error}");
            }
        }
        assert!(count > 2, "{}: {count} examples", page.name);
    }
}

/// Every `SHUTDOWN_` variable in the code.
fn variables_of_the_workload() -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let code = fs::read_to_string(entry).unwrap_or_default();
            for (at, _) in code.match_indices("\"SHUTDOWN_") {
                names.extend(code[at + 1..].split('"').next().map(str::to_owned));
            }
        }
    }
    names
}

#[test]
fn the_manual_page_has_every_variable() {
    let pages = man::pages();
    let Some(page) = rendered(&pages[0].text) else { return };
    let (_, environment) = page.split_once("\nENVIRONMENT\n").expect("the section");
    let names = variables_of_the_workload();
    assert!(names.contains("SHUTDOWN_TOKEN"), "{names:?}");
    for variable in definition::options_and_variables().into_iter().map(|(_, variable)| variable).chain(names)
    {
        assert!(environment.contains(&variable), "{variable} is missing");
    }
}
