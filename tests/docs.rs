//! The parts of docs/ that are generated from the code: the manual pages, the completions, and the
//! tables of options, checks and causes. `UPDATE_DOCS=1 cargo test --test docs` renews them.

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
#[path = "docs/man.rs"]
mod man;
#[path = "docs/table.rs"]
mod table;

const MAN: &str = "man/winddown.1";
#[cfg(feature = "check")]
const MAN_CHECK: &str = "man/winddown-check.1";
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
fn the_manual_page_is_up_to_date() {
    expect(MAN, &man::page());
}

#[cfg(feature = "check")]
#[test]
fn the_manual_page_of_check_is_up_to_date() {
    expect(MAN_CHECK, &man::check());
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

#[cfg(feature = "check")]
#[test]
fn the_page_of_checks_is_up_to_date() {
    expect("checks.md", &checks::page());
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

#[test]
fn the_manual_page_renders_without_complaints() {
    assert_renders(&man::page());
}

#[cfg(feature = "check")]
#[test]
fn the_manual_page_of_check_renders_without_complaints() {
    assert_renders(&man::check());
}

fn assert_renders(page: &str) {
    let Some(output) = run("mandoc", &["-T", "lint", "-W", "warning"], page) else { return };
    let complaints = text(&output.stdout) + &text(&output.stderr);
    // The page is renewed with each version, so it needs no date.
    let others: Vec<&str> = complaints.lines().filter(|line| !line.contains("missing date")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn the_manual_page_names_every_option_and_variable() {
    let Some(output) = run("mandoc", &["-T", "utf8", "-O", "width=200"], &man::page()) else { return };
    let page: String = text(&output.stdout);
    // Bold is overstruck: each character, a backspace, and the character again.
    let mut plain = String::new();
    for character in page.chars() {
        if character == '\u{8}' {
            let _ = plain.pop();
        } else {
            plain.push(character);
        }
    }
    for (option, variable) in definition::options_and_variables() {
        assert!(plain.contains(&option), "{option} is missing");
        assert!(plain.contains(&variable), "{variable} is missing");
    }
    for section in ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES"] {
        assert!(plain.lines().any(|line| line == section), "{section} is missing");
    }
}
