//! Runs every command in docs/tutorial.md and docs/checkpoint.md, and compares its output with the page.
//! `SNAPSHOTS=overwrite` writes the output into the page.

use std::fs;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

use crate::support::builder::{Winddown, winddown_path};
use crate::support::{TempDir, trials};

trials![
    long timed needs("bash", "python3") => the_tutorial_works_as_it_stands,
    timed needs("bash") => the_page_on_checkpoints_works_as_it_stands,
];

const INDENT: &str = "    ";
const PROMPT: &str = "    $ ";

/// A command of the page, and the lines that follow it in the same block.
struct Step {
    command: String,
    output: Vec<String>,
    /// The lines of the page that hold the output.
    lines: std::ops::Range<usize>,
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{name}.md"))
}

fn steps(lines: &[&str]) -> Vec<Step> {
    let commands = lines.iter().enumerate().filter_map(|(at, line)| Some((at, line.strip_prefix(PROMPT)?)));
    let step = |(at, command): (usize, &str)| {
        let of_block = |line: &&&str| line.starts_with(INDENT) && !line.starts_with(PROMPT);
        let mut count = lines[at + 1..].iter().take_while(|line| of_block(line) || line.is_empty()).count();
        while count > 0 && lines[at + count].is_empty() {
            count -= 1;
        }
        let output = lines[at + 1..=at + count].iter().map(|line| line.strip_prefix(INDENT).unwrap_or(line));
        Step {
            command: command.to_owned(),
            output: output.map(str::to_owned).collect(),
            lines: at + 1..at + 1 + count,
        }
    };
    commands.map(step).collect()
}

/// A line without the parts that vary between runs: numbers with their units, bars, and how busy the machine was.
fn redacted(line: &str) -> Option<String> {
    match line.split_whitespace().next() {
        // How busy the machine was, and the letters that the probes happened to have.
        Some("machine" | "." | "E" | "R" | "x" | "H") => None,
        Some(word @ ("stop" | "probes")) => Some(word.to_owned()),
        _ => {
            let number = Regex::new(r"[0-9]+([.:-][0-9]+)*(ms|s)?\b").expect("a pattern");
            let text = number.replace_all(line, "N");
            Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}

fn all_redacted(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| redacted(line)).collect()
}

fn the_tutorial_works_as_it_stands() {
    works_as_it_stands("tutorial");
}

fn the_page_on_checkpoints_works_as_it_stands() {
    works_as_it_stands("checkpoint");
}

/// The page with the files of its directory below `examples`.
fn works_as_it_stands(name: &str) {
    let place = TempDir::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    for entry in fs::read_dir(from).expect("examples").flatten() {
        place.install(entry.file_name().to_str().expect("a text"), entry.path());
    }
    place.install("winddown", winddown_path());
    let text = fs::read_to_string(page(name)).expect("a page");
    let mut lines: Vec<&str> = text.lines().collect();
    let found: Vec<(Step, Vec<String>)> = steps(&lines)
        .into_iter()
        .filter(|step| !step.command.starts_with("cd "))
        .map(|step| {
            let output = printed(&place, &step.command);
            (step, output)
        })
        .collect();
    if std::env::var_os("SNAPSHOTS").is_some_and(|how| how == "overwrite") {
        let indented: Vec<Vec<String>> =
            found.iter().map(|(_, output)| output.iter().map(|line| indented(line)).collect()).collect();
        for ((step, _), output) in found.iter().zip(&indented).rev() {
            lines.splice(step.lines.clone(), output.iter().map(String::as_str));
        }
        return fs::write(page(name), lines.join("\n") + "\n").expect("the page is written");
    }
    for (step, output) in found {
        let differs = all_redacted(&step.output) != all_redacted(&output);
        assert!(
            !differs,
            "$ {}\nprinted\n{}\nand the page has\n{}",
            step.command,
            output.join("\n"),
            step.output.join("\n")
        );
    }
}

fn indented(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!("{INDENT}{line}") }
}

/// The output of a command, with stderr, in a directory that has the files.
fn printed(place: &TempDir, command: &str) -> Vec<String> {
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").expect("a PATH"));
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port();
    let ended = Winddown::new()
        .binary("/bin/bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .directory(place.path())
        .env("PATH", path)
        .env("PORT", port.to_string())
        .run()
        .expect_nothing_left();
    ended.out()
}
