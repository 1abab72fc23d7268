//! The manual pages: the options come from the definitions of the command lines, the rest is written here.

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

#[cfg(feature = "check")]
mod check;
#[cfg(feature = "report")]
mod report;
mod token;
mod winddown;

/// When the texts were last revised.
const DATE: &str = "2026-12-01";
/// The longest line of a page's source.
const LINE_BYTES_MAX: usize = 80;

/// A page, and the command lines that it describes.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) definition: Command,
    examples: Vec<&'static str>,
}

/// All pages.
pub(crate) fn pages() -> Vec<Page> {
    vec![
        winddown::page(),
        #[cfg(feature = "check")]
        check::page(),
        #[cfg(feature = "report")]
        report::page(),
        token::page(),
    ]
}

impl Page {
    /// The words of each example that starts winddown.
    pub(crate) fn examples(&self) -> impl Iterator<Item = Vec<String>> {
        let commands = self.examples.iter().filter(|example| example.starts_with("winddown "));
        // check fills in the port before it reads its options.
        commands.map(|example| shell_words::split(&example.replace("{port}", "8080")).expect("words"))
    }
}

/// An example: what it is for, and the command line.
type Example = (&'static str, &'static str);

/// Puts a page together: its head, these sections, the examples, and other pages.
fn page(
    name: &'static str,
    about: &str,
    definition: Command,
    sections: &[String],
    examples: &[Example],
    others: &[(&str, &str)],
) -> Page {
    let mut head = Roff::new();
    let source = format!("winddown {}", env!("CARGO_PKG_VERSION"));
    head.control("TH", [name.to_uppercase().as_str(), "1", DATE, source.as_str(), "User Commands"]);
    head.control("SH", ["NAME"]);
    head.text([roman(format!("{name} - {about}"))]);
    let examples_part = section("EXAMPLES", |roff| {
        for (text, command) in examples {
            roff.control("PP", []);
            roff.text([roman(*text)]);
            literal(roff, command);
        }
    });
    let text = [head.render(), sections.concat(), examples_part, see_also(others)].concat();
    // `.PP` at the start of a section would be one too many.
    let text = wrapped(&text.replace(".SH EXAMPLES\n.PP\n", ".SH EXAMPLES\n"));
    Page { name, text, definition, examples: examples.iter().map(|(_, command)| *command).collect() }
}

/// Breaks the lines of a page's source between words, apart from literal text.
fn wrapped(page: &str) -> String {
    let mut wrapped = String::new();
    let mut is_literal = false;
    for line in page.lines() {
        is_literal = line == ".EX" || is_literal && line != ".EE";
        if is_literal || line.starts_with('.') {
            wrapped += line;
        } else {
            let mut bytes = 0;
            for word in line.split(' ') {
                if bytes > 0 {
                    // A full stop at the end of a line would end a sentence.
                    let fits = bytes + 1 + word.len() <= LINE_BYTES_MAX || wrapped.ends_with("e.g.");
                    wrapped.push(if fits { ' ' } else { '\n' });
                    bytes = if fits { bytes + 1 } else { 0 };
                }
                wrapped += word;
                bytes += word.len();
            }
        }
        wrapped.push('\n');
    }
    wrapped
}

fn synopsis(definition: &Command) -> String {
    let usage = definition.clone().render_usage().to_string();
    section("SYNOPSIS", |roff| {
        for (index, line) in usage.trim_start_matches("Usage: ").lines().enumerate() {
            if index > 0 {
                roff.control("br", []);
            }
            roff.text([roman(line.trim())]);
        }
    })
}

/// The options, as the definition has them. The generator would leave out the help of one that `-h` leaves out.
fn options(definition: Command) -> String {
    let man = Man::new(definition.mut_args(|option: Arg| option.hide_short_help(false)));
    let mut out = Vec::new();
    man.render_options_section(&mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("a page is text");
    // The page has the preamble once, at its top; groups of options are parts of one section.
    let (_, options) = text
        .split_once(".SH OPTIONS\n")
        .unwrap_or_else(|| text.split_at(text.find(".SH ").expect("a section")));
    format!(".SH OPTIONS\n{}", options.replace(".SH ", ".SS "))
}

/// Words between asterisks are bold.
fn words(text: &str) -> Vec<Inline> {
    let pieces = text.split('*').enumerate();
    pieces.map(|(index, piece)| if index % 2 == 0 { roman(piece) } else { bold(piece) }).collect()
}

fn section(title: &str, fill: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    fill(&mut roff);
    roff.to_roff()
}

/// A section of plain paragraphs.
fn paragraphs(title: &str, texts: &[&str]) -> String {
    section(title, |roff| {
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                roff.control("PP", []);
            }
            roff.text(words(text));
        }
    })
}

/// A section of terms, each with its meaning.
fn entries<'a>(title: &str, entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    section(title, |roff| {
        for (term, text) in entries {
            entry(roff, term, text);
        }
    })
}

fn entry(roff: &mut Roff, term: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text(words(text));
}

/// Lines as they stand.
fn literal(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.control("RS", ["4"]);
    roff.control("EX", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("EE", []);
    roff.control("RE", []);
}

fn see_also(pages: &[(&str, &str)]) -> String {
    section("SEE ALSO", |roff| {
        for (index, (page, number)) in pages.iter().enumerate() {
            let comma = if index + 1 < pages.len() { "," } else { "" };
            roff.control("BR", [*page, &format!("({number}){comma}")]);
        }
    })
}
