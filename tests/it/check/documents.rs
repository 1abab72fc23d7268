//! The examples in docs/ci.md work as they stand.

use super::server;
use crate::support::builder::{Winddown, winddown_path};
use crate::support::running::Ended;
use crate::support::{TempDir, trials};

trials![
    long needs("python3", "ruby") => the_file_for_github_actions_works,
    needs("python3", "ruby") => the_file_for_gitlab_works,
    needs("python3", "make") => the_makefile_works,
];

/// The code of the first block below a heading.
fn block(heading: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ci.md")).expect("the page");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let (_, code) = section.split_once("```").expect("a block");
    let (code, _) = code.split_once("```").expect("its end");
    code.split_once('\n').expect("its language").1.to_owned()
}

/// A directory in which `./server --port N` is a server that does everything right.
fn project() -> TempDir {
    let place = TempDir::new();
    place.executable("server", format!("#!/bin/sh\nexec {}\n", server("drains").join(" ")));
    std::os::unix::fs::symlink(winddown_path(), place.file("winddown")).expect("a link");
    place
}

fn run(place: &TempDir, words: &[&str]) -> Ended {
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap_or_default());
    let run = Winddown::bare().command(words).directory(place.path()).env("PATH", path);
    run.env_remove("GITHUB_STEP_SUMMARY").run().expect_nothing_left()
}

/// The commands in a file, except those that install something.
fn commands(place: &TempDir, heading: &str, path: &str) -> Vec<String> {
    let file = place.write("ci.yml", &block(heading));
    let script = format!("puts YAML.load_file(ARGV[0]){path}");
    let found = run(place, &["ruby", "-ryaml", "-e", &script, &file]).expect_code(0).out();
    let commands: Vec<String> = found.into_iter().filter(|line| !line.starts_with("cargo install")).collect();
    assert!(!commands.is_empty(), "no command in {heading}");
    commands
}

fn the_file_for_github_actions_works() {
    let place = project();
    let steps = "['jobs']['check']['steps'].map { |step| step['run'] }.compact";
    for command in commands(&place, "GitHub Actions", steps) {
        run(&place, &["env", "GITHUB_ACTIONS=true", "bash", "-e", "-c", &command]).expect_code(0);
    }
}

fn the_file_for_gitlab_works() {
    let place = project();
    for command in commands(&place, "GitLab CI", "['shutdown']['script']") {
        run(&place, &["sh", "-e", "-c", &command]).expect_code(0);
    }
    let reported = std::fs::read_to_string(place.file("shutdown.xml")).expect("what the job keeps");
    assert!(reported.contains("<testcase "), "{reported}");
}

fn the_makefile_works() {
    let place = project();
    place.write("Makefile", &block("Makefile"));
    run(&place, &["make", "check-shutdown"]).expect_code(0);
}
