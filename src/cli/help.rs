//! Help: made from the definition of a command line, as wide as the terminal.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use crate::os::io::sink;
use crate::text::wrapped;

const STDOUT: i32 = 1;
/// Longer lines are hard to read.
const MOST_COLUMNS: usize = 100;
/// Two columns need this much room for the second one.
const LEAST_ROOM: usize = 30;
/// The space between a name and its meaning, and where that begins on a line of its own.
const GAP: usize = 2;
const BELOW: usize = 6;

/// How wide help is.
pub(super) fn columns() -> usize {
    sink::columns(STDOUT).min(MOST_COLUMNS)
}

/// Whether `--help` asks for it, rather than `-h`.
pub(super) fn is_long(words: &[OsString]) -> bool {
    words.iter().find(|word| *word == "-h" || *word == "--help").is_some_and(|word| word == "--help")
}

/// Adds the options that print something about winddown.
pub(crate) fn with_options(command: Command) -> Command {
    let option = |long: &'static str, short, action, text: &'static str| {
        Arg::new(long).long(long).short(short).action(action).help(text)
    };
    let is_grouped = command.get_arguments().any(|option| option.get_help_heading().is_some());
    command
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .next_help_heading(is_grouped.then_some("Help"))
        .arg(option(
            "help",
            'h',
            ArgAction::Help,
            "Print help: what matters most (-h), or all of it (--help)",
        ))
        .arg(option("version", 'V', ArgAction::Version, "Print the version"))
}

/// The help of a command line. In the texts after the options a tab separates two columns.
pub(super) fn page(definition: &mut Command, is_long: bool, columns: usize) -> String {
    definition.build();
    let mut page = Page { columns, text: String::new() };
    page.part(&definition.get_about().map(ToString::to_string).unwrap_or_default());
    page.part(&definition.render_usage().to_string());
    let options: Vec<&Arg> = definition.get_arguments().filter(|option| is_shown(option, is_long)).collect();
    for options in options.chunk_by(|one, other| heading(one, is_long) == heading(other, is_long)) {
        page.part(
            &(heading(options[0], is_long).to_owned()
                + ":"
                + &options.iter().map(|option| row(option)).collect::<String>()),
        );
    }
    page.part(&definition.get_after_help().map(ToString::to_string).unwrap_or_default());
    let more = definition.get_after_long_help().filter(|_| is_long);
    page.part(&more.map(ToString::to_string).unwrap_or_default());
    page.text
}

fn is_shown(option: &Arg, is_long: bool) -> bool {
    !option.is_hide_set() && (is_long || !option.is_hide_short_help_set())
}

/// All options are one group in the short help.
fn heading(option: &Arg, is_long: bool) -> &str {
    let group = option.get_help_heading().filter(|_| is_long);
    group.unwrap_or(if option.is_positional() { "Arguments" } else { "Options" })
}

/// An option and its meaning.
fn row(option: &Arg) -> String {
    let short = option.get_short().map(|short| format!("-{short}, "));
    let short = short.unwrap_or_else(|| if option.is_positional() { "" } else { "    " }.to_owned());
    format!("\n  {short}{option}\t{}", option.get_help().map(ToString::to_string).unwrap_or_default())
}

/// What is printed.
struct Page {
    columns: usize,
    text: String,
}

impl Page {
    /// A part of the page, after a blank line. Lines with a tab that follow each other are a table.
    fn part(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let lines: Vec<&str> = text.lines().collect();
        for lines in lines.chunk_by(|one, other| one.contains('\t') == other.contains('\t')) {
            let rows: Vec<(&str, &str)> = lines.iter().filter_map(|line| line.split_once('\t')).collect();
            if rows.is_empty() {
                for line in lines {
                    self.line(line);
                }
            } else {
                self.table(&rows);
            }
        }
    }

    /// A line, at its own indentation.
    fn line(&mut self, line: &str) {
        let text = line.trim_start();
        self.put(line.len() - text.len(), text);
    }

    fn put(&mut self, indent: usize, text: &str) {
        for line in wrapped(text, self.columns.saturating_sub(indent)) {
            let indent = if line.is_empty() { 0 } else { indent };
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    /// Two columns, or one below the other where the terminal is narrow.
    fn table(&mut self, rows: &[(&str, &str)]) {
        let widest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        let second = widest + GAP;
        for (name, meaning) in rows {
            if second + LEAST_ROOM > self.columns {
                self.line(name);
                self.put(BELOW, meaning);
                continue;
            }
            for (index, line) in wrapped(meaning, self.columns - second).iter().enumerate() {
                let name = if index == 0 { name } else { "" };
                let _ = writeln!(self.text, "{name:second$}{line}");
            }
        }
    }
}
