//! `winddown completions`, and its scripts in real shells: a person's keys at a terminal, and the line after them.

use std::path::Path;
use std::process::Command;

use snapbox::str;

use crate::support::builder::Winddown;
use crate::support::needs::program;
use crate::support::snapshot::expect_lines;
use crate::support::{Pty, TempDir, trials};

trials![
    the_command_prints_the_files_of_the_packages,
    a_shell_without_a_script_is_refused,
    needs("bash") => bash_completes_every_command_line,
    needs("zsh") => zsh_completes_every_command_line,
    needs("fish") => fish_completes_every_command_line,
    needs("bash") => bash_leaves_a_command_to_its_own_completion,
    needs("zsh") => zsh_leaves_a_command_to_its_own_completion,
    needs("fish") => fish_leaves_a_command_to_its_own_completion,
];

/// The files of the packages.
fn folder() -> String {
    format!("{}/docs/completions", env!("CARGO_MANIFEST_DIR"))
}

fn the_command_prints_the_files_of_the_packages() {
    for (shell, file) in [("bash", "winddown.bash"), ("zsh", "_winddown"), ("fish", "winddown.fish")] {
        let ended = Winddown::new().args(["completions", shell]).run().expect_code(0);
        let file = std::fs::read(Path::new(&folder()).join(file)).expect("a script");
        assert!(ended.out_bytes() == file, "UPDATE_DOCS=1 cargo test --test docs");
    }
}

fn a_shell_without_a_script_is_refused() {
    for (words, line) in [
        (["completions"].as_slice(), str!["winddown: completions: no shell given; use bash, zsh or fish"]),
        (
            &["completions", "csh"],
            str![
                "winddown: completions: invalid value 'csh' for '[SHELL]': use bash, zsh or fish (see --help)"
            ],
        ),
    ] {
        let ended = Winddown::new().args(words).run().expect_code(125);
        assert_eq!(ended.out_bytes(), b"");
        expect_lines(&ended.err(), line);
    }
}

/// What is typed, and all that may stand in place of its last word or of the value in it.
const LINES: [(&str, &[&str]); 36] = [
    // The main job's options, and their values.
    ("--dump-s", &["--dump-signal"]),
    ("-t 5s --no-g", &["--no-guard"]),
    ("--to ", &["all", "main", "none"]),
    ("--to=", &["all", "main", "none"]),
    ("--to=a", &["all"]),
    ("--dump-signal ", &["ABRT", "QUIT", "auto", "none"]),
    ("-s QU", &["QUIT"]),
    ("--stop-on TERM,HU", &["TERM,HUP"]),
    ("--map HUP=USR1 --log-format ", &["json", "text"]),
    ("--ready not", &["notify"]),
    ("--record only", &["only.json"]),
    ("--record=only", &["only.json"]),
    ("-t 5", &[]),
    // Subcommands, with theirs.
    ("tok", &["token"]),
    ("completion", &["completions"]),
    ("token --", &["--extend", "--help", "--version", "--wait"]),
    ("completions f", &["fish"]),
    ("hel", &["help"]),
    ("help comp", &["completions"]),
    ("report only", &["only.json"]),
    ("report only.json --form", &["--format"]),
    ("report --format ", &["json", "text"]),
    ("report --explain W20", &["W20"]),
    ("check --only ready,marg", &["ready,margin"]),
    ("check --skip=zomb", &["zombies"]),
    ("check --explain W20", &["W20"]),
    ("check --profile ", &["full", "quick", "standard"]),
    ("check --report j", &["json", "junit"]),
    ("check --ready http://a:80/ --std", &["--stdin"]),
    // The command, and its files.
    ("-- unlike-an", &["unlike-any"]),
    ("--grace-period 5s unlike-an", &["unlike-any"]),
    ("--map HUP=USR1 unlike-an", &["unlike-any"]),
    ("check -- unlike-an", &["unlike-any"]),
    ("-t 5s -- unlike-any only", &["only.json"]),
    // The command's words are not ours, and a subcommand is one as the first word only.
    ("unlike-any --dump-s", &[]),
    ("-- check --onl", &[]),
];

/// A directory with `only.json` and a command of the name `unlike-any`; also winddown, since fish has completions only
/// for what it finds.
fn place() -> TempDir {
    let place = TempDir::new();
    place.write("only.json", "{}");
    place.executable("unlike-any", "#!/bin/sh\n");
    place.executable("winddown", "#!/bin/sh\n");
    place
}

/// Prints the words of the line.
const PRINT: &str = "offers() { printf 'OFF''ERS<'; printf '%s|' \"$@\"; printf '>END\\n'; }";

/// A shell at a terminal, which prints the words of a line in place of executing it.
fn shell(words: &[&str], place: &TempDir, setup: &[&str]) -> Pty {
    let mut shell = Pty::program(words);
    shell.prompt();
    // No other command has a name that begins like ours.
    let go = format!("cd {0} && PATH={0}", place.path().display());
    for line in [go.as_str(), PRINT].iter().chain(setup) {
        shell.keys(&format!("{line}\r"));
        shell.prompt();
    }
    shell
}

/// The words of a line after these keys.
fn words(shell: &mut Pty, line: &str, keys: &str) -> Vec<String> {
    // Ctrl+A goes to the start of the line.
    shell.keys(&format!("winddown {line}{keys}\x01offers \r"));
    shell.expect("OFFERS<");
    let words = shell.expect(">END").replace(['\r', '\n'], "");
    shell.prompt();
    words.split_terminator('|').map(str::to_owned).collect()
}

/// Tries every line; `offers` is what the shell would complete.
#[track_caller]
fn try_all(mut offers: impl FnMut(&str, usize) -> Vec<String>) {
    for (line, expected) in LINES {
        let last = line.rsplit(' ').next().unwrap_or_default();
        let (before, value) = last.split_at(last.find('=').map_or(0, |at| at + 1));
        // bash shows the option before the first value only, zsh and fish before each.
        let found = offers(line, expected.len()).into_iter();
        let found = found.map(|word| word.strip_prefix(before).map_or(word.clone(), str::to_owned));
        // A word to which nothing is added stays.
        let mut found: Vec<String> =
            found.filter(|word| word != value || expected.contains(&value)).collect();
        found.sort();
        assert_eq!(found, expected, "winddown {line}");
    }
}

/// The words in place of the last one of a line, in a shell at a terminal.
fn last_words(shell: &mut Pty, line: &str, keys: &str) -> Vec<String> {
    let before = line.split(' ').count();
    words(shell, line, keys).split_off(before)
}

fn bash(place: &TempDir, setup: &[&str]) -> Pty {
    let source = format!(". {}/winddown.bash", folder());
    let quiet = "bind 'set enable-bracketed-paste off'";
    shell(&["bash", "--norc", "--noprofile", "-i"], place, &[&[quiet, &source], setup].concat())
}

fn bash_completes_every_command_line() {
    let place = place();
    let mut bash = bash(&place, &[]);
    // Alt+* inserts all completions.
    try_all(|line, number| last_words(&mut bash, line, if number == 1 { "\t" } else { "\x1b*" }));
}

/// bash's part of the bash-completion package is this function, with the place of the command.
fn bash_leaves_a_command_to_its_own_completion() {
    let stub = "_command_offset() { COMPREPLY=(\"${COMP_WORDS[*]:$1}/\"); }";
    let place = place();
    let mut bash = bash(&place, &[stub]);
    for (line, command) in [
        ("-t 5s unlike-any --fl", "unlike-any --fl/"),
        ("--map HUP=USR1 -- unlike-any --fl", "unlike-any --fl/"),
        ("check --ready http://a:80/ unlike-any --fl", "unlike-any --fl/"),
    ] {
        assert_eq!(last_words(&mut bash, line, "\t").join(" "), command, "{line}");
    }
}

fn zsh(place: &TempDir, setup: &[&str]) -> Pty {
    let path = format!("fpath=({} $fpath); autoload -Uz compinit; compinit -u -D", folder());
    let all = "zle -C all-matches complete-word _generic; bindkey '^Xa' all-matches";
    let old = "zstyle ':completion:all-matches:*' old-matches only";
    let completer = "zstyle ':completion:all-matches::::' completer _all_matches";
    let lines = ["bindkey -e; unset zle_bracketed_paste", &path, all, old, completer];
    shell(&["zsh", "-f", "-i"], place, &[&lines, setup].concat())
}

fn zsh_completes_every_command_line() {
    let place = place();
    let mut zsh = zsh(&place, &[]);
    try_all(|line, number| last_words(&mut zsh, line, if number == 1 { "\t" } else { "\t\x18a" }));
}

fn zsh_leaves_a_command_to_its_own_completion() {
    let own = "_own() { _arguments '--flag[a flag]' }; compdef _own unlike-any";
    let place = place();
    let mut zsh = zsh(&place, &[own]);
    for line in ["-t 5s unlike-any --fl", "--map HUP=USR1 -- unlike-any --fl", "check unlike-any --fl"] {
        assert_eq!(last_words(&mut zsh, line, "\t"), ["--flag"], "{line}");
    }
}

/// What fish offers at the end of a command line.
fn fish(place: &TempDir, line: &str) -> Vec<String> {
    let setup = format!("set -p fish_complete_path {}; complete -c unlike-any -l flag;", folder());
    let mut fish = Command::new(program("fish").expect("it is needed"));
    fish.args(["--no-config", "-c", &format!("{setup} complete -C $argv[1]"), &format!("winddown {line}")]);
    fish.current_dir(place.path()).env("PATH", place.path());
    let output = fish.output().expect("fish");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    let offers = String::from_utf8_lossy(&output.stdout);
    offers.lines().filter_map(|offer| offer.split('\t').next()).map(str::to_owned).collect()
}

fn fish_completes_every_command_line() {
    let place = place();
    try_all(|line, _| fish(&place, line));
}

fn fish_leaves_a_command_to_its_own_completion() {
    let place = place();
    for line in ["-t 5s unlike-any --fl", "--map HUP=USR1 -- unlike-any --fl", "check unlike-any --fl"] {
        assert_eq!(fish(&place, line), ["--flag"], "{line}");
    }
}
