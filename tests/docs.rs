//! The parts of docs/ that are generated from the code: the manual pages, the completions, and the
//! tables of options, checks and causes. `UPDATE_DOCS=1 cargo test --test docs` renews them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use clap_complete::Shell;

#[cfg(feature = "check")]
#[path = "docs/checks.rs"]
mod checks;
#[path = "docs/definition.rs"]
mod definition;
#[path = "docs/man.rs"]
mod man;
#[path = "docs/table.rs"]
mod table;

const BASH: &str = "completions/winddown.bash";
const ZSH: &str = "completions/_winddown";
const FISH: &str = "completions/winddown.fish";
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

fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition::for_completions(), "winddown", &mut script);
    String::from_utf8(script).expect("a script is text")
}

/// clap doesn't know about commands within a command line: after `winddown ls` it would offer winddown's
/// own options.
fn bash() -> String {
    let own = completion(Shell::Bash);
    let (functions, _) = own.split_once("\nif [[ \"${BASH_VERSINFO").expect("the script ends in its use");
    let ours = include_str!("docs/completion.bash");
    let with_value = definition::options_with_value().join(" | ");
    format!("{functions}{}", ours.replace("@OPTIONS_WITH_VALUE@", &with_value))
}

/// `-A "-*"`: no options of winddown after the first word that is not an option.
fn zsh() -> String {
    let script = completion(Shell::Zsh);
    let call = "_arguments \"${_arguments_options[@]}\" :";
    assert!(script.contains(call), "the script looks as expected");
    script.replacen(call, "_arguments \"${_arguments_options[@]}\" -A \"-*\" :", 1)
}

fn fish() -> String {
    let own = completion(Shell::Fish)
        .replace("complete -c winddown ", "complete -c winddown -n __winddown_no_command ");
    let ours = include_str!("docs/completion.fish");
    ours.replace("@OPTIONS@", &definition::options_for_fish().join(" ")) + &own
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

#[test]
fn the_completion_for_bash_is_up_to_date() {
    expect(BASH, &bash());
}

#[test]
fn the_completion_for_zsh_is_up_to_date() {
    expect(ZSH, &zsh());
}

#[test]
fn the_completion_for_fish_is_up_to_date() {
    expect(FISH, &fish());
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

fn assert_accepts(shell: &str, script: &str) {
    if let Some(output) = run(shell, &["-n", "/dev/stdin"], script) {
        assert!(output.status.success(), "{shell}: {}", text(&output.stderr));
    }
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

#[test]
fn completions_are_valid_scripts() {
    assert_accepts("bash", &bash());
    assert_accepts("zsh", &zsh());
    assert_accepts("fish", &fish());
}

#[test]
fn fish_completes_options_and_then_commands() {
    let script = "source -; for line in $argv; echo \"<$line>\"; complete -C \"winddown $line\"; end";
    let lines = ["--to ", "-t 1s --stop", "prin", "--to=all -- prin", "printf --time"];
    let Some(output) = run("fish", &[&["--no-config", "-c", script, "--"], &lines[..]].concat(), &fish())
    else {
        return;
    };
    let offers = text(&output.stdout);
    let offered = |line: &str, word: &str| {
        let start = offers.find(&format!("<{line}>\n")).expect("the line was tried");
        let mut offers = offers[start..].lines().skip(1).take_while(|line| !line.starts_with('<'));
        offers.any(|offer| offer.split('\t').next() == Some(word))
    };
    assert_eq!(text(&output.stderr), "");
    assert!(offered("--to ", "all"), "{offers}");
    assert!(offered("-t 1s --stop", "--stop-signal"), "{offers}");
    assert!(offered("prin", "printf"), "{offers}");
    assert!(offered("--to=all -- prin", "printf"), "{offers}");
    assert!(!offered("printf --time", "--time-limit"), "{offers}");
}

/// The words that bash offers at the end of this command line without the bash-completion package.
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let script = "eval \"$(cat)\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                  _winddown_or_command winddown \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; \
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = run("bash", &[&["--norc", "-c", script, "bash"], words].concat(), &bash())?;
    assert_eq!(text(&output.stderr).replace("compopt: not currently executing completion function", ""), "");
    Some(text(&output.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_options_and_then_commands() {
    let offers = |words: &[&str], word: &str| {
        offered(words).is_none_or(|offered| offered.iter().any(|offer| offer == word))
    };
    assert!(offers(&["winddown", "--time"], "--time-limit"));
    assert!(offers(&["winddown", "-t", "1s", "--stop"], "--stop-signal"));
    assert!(offers(&["winddown", "--to", ""], "all"));
    assert!(offers(&["winddown", "--to", "="], "all"));
    assert!(offers(&["winddown", "--to", "=", "a"], "all"));
    assert!(offers(&["winddown", "-s", "QU"], "QUIT"));
    assert!(offers(&["winddown", "prin"], "printf"));
    assert!(offers(&["winddown", "-t", "1s", "prin"], "printf"));
    assert!(offers(&["winddown", "--to", "=", "all", "--", "prin"], "printf"));
    assert!(!offers(&["winddown", "printf", "--time"], "--time-limit"));
    assert!(!offers(&["winddown", "--", "--time"], "--time-limit"));
}
