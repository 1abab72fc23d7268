//! The configuration file: options by their names, for all servers and for each.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::UsageError;
use crate::os::reason;
use crate::text::printable;

/// Its name where no other is given.
pub(super) const FILE: &str = "winddown-check.toml";
/// No configuration is longer.
const BYTES_MAX: u64 = 1 << 20;
/// The key of the tables of servers, and that of a server's command.
const SERVER: &str = "server";
const COMMAND: &str = "command";
const COMMAND_REMEDY: &str = "use a list of words: command = [\"./server\", \"--port\", \"{port}\"]";

/// A file and its text.
#[derive(Clone, Debug)]
pub(super) struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Reads the file of `--config`.
    pub(super) fn read(path: &str) -> Result<Self, String> {
        let text = content(Path::new(path))
            .map_err(|error| format!("{}; name a file that can be read", reason(&error)))?;
        Ok(Self { path: printable(path), text })
    }

    /// Reads the file of the current directory, if there is one.
    pub(super) fn find() -> Result<Option<Self>, UsageError> {
        match content(Path::new(FILE)) {
            Ok(text) => Ok(Some(Self { path: FILE.to_owned(), text })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(UsageError::Invalid(format!(
                "check: {FILE}: {}; make it readable, or name another with --config",
                reason(&error)
            ))),
        }
    }
}

fn content(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > BYTES_MAX {
        return Err(io::Error::other("it is too long for a configuration"));
    }
    Ok(text)
}

/// Where something is in a file.
#[derive(Clone, Debug)]
pub(super) struct Position {
    path: String,
    line: usize,
    key: String,
}

impl Position {
    /// What is wrong there, in a line.
    pub(super) fn refuse(&self, why: &str) -> UsageError {
        let Self { path, line, key } = self;
        UsageError::Invalid(format!("check: {path}:{line}: {key}: {why}"))
    }
}

/// What a file says.
pub(super) struct Config {
    pub(super) path: String,
    /// For all servers.
    pub(super) all: Section,
    /// In the order of the file.
    pub(super) servers: Vec<Server>,
}

/// A server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) section: Section,
}

/// Options, and perhaps a command.
pub(super) struct Section {
    pub(super) at: Position,
    pub(super) entries: Vec<GivenOption>,
    pub(super) command: Vec<String>,
}

/// An option with its value.
#[derive(Clone)]
pub(super) struct GivenOption {
    pub(super) at: Position,
    pub(super) long: String,
    pub(super) value: GivenValue,
}

/// The value of an option.
#[derive(Clone)]
pub(super) enum GivenValue {
    Switch(bool),
    One(String),
    Several(Vec<String>),
}

impl Config {
    /// Reads the text of a file.
    pub(super) fn parse(source: &Source) -> Result<Self, UsageError> {
        let reader = Reader { source };
        let table = DeTable::parse(&source.text).map_err(|error| {
            let line = reader.line(error.span().map_or(0, |span| span.start));
            let why = error.message().lines().collect::<Vec<_>>().join(", ");
            let path = &source.path;
            UsageError::Invalid(format!(
                "check: {path}:{line}: {why}; an option is written as name = \"value\""
            ))
        })?;
        let mut servers = Vec::new();
        for (key, value) in in_order(table.get_ref()).into_iter().filter(|(key, _)| key.get_ref() == SERVER) {
            let at = reader.position(key, "");
            let tables =
                value.get_ref().as_table().ok_or_else(|| at.refuse("use a table for each: [server.NAME]"))?;
            for (name, value) in in_order(tables) {
                let at = reader.position(name, "server.");
                let table = value.get_ref().as_table();
                let table = table.ok_or_else(|| at.refuse("use a table for each: [server.NAME]"))?;
                servers.push(Server {
                    name: name.get_ref().to_string(),
                    section: reader.section(Some(&at), table)?,
                });
            }
        }
        Ok(Self { path: source.path.clone(), all: reader.section(None, table.get_ref())?, servers })
    }
}

/// A table's entries as they stand in the file.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

struct Reader<'a> {
    source: &'a Source,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.source.text.get(..offset).unwrap_or(&self.source.text);
        1 + before.matches('\n').count()
    }

    fn position(&self, key: &Spanned<toml::de::DeString<'_>>, prefix: &str) -> Position {
        let line = self.line(key.span().start);
        let key = printable(&format!("{prefix}{}", key.get_ref()));
        Position { path: self.source.path.clone(), line, key }
    }

    /// The options of a table; without a position of its own, it has that of its command.
    fn section(&self, at: Option<&Position>, table: &DeTable<'_>) -> Result<Section, UsageError> {
        let top = Position { path: self.source.path.clone(), line: 1, key: COMMAND.to_owned() };
        let mut section =
            Section { at: at.cloned().unwrap_or(top), entries: Vec::new(), command: Vec::new() };
        for (key, value) in in_order(table).into_iter().filter(|(key, _)| key.get_ref() != SERVER) {
            let (here, value) = (self.position(key, ""), value.get_ref());
            match key.get_ref().as_ref() {
                COMMAND => {
                    section.command = words(value).ok_or_else(|| here.refuse(COMMAND_REMEDY))?;
                    section.at = at.cloned().unwrap_or(here);
                }
                "servers" => return Err(here.refuse("use a table for each: [server.NAME]")),
                long => {
                    let value = text(value).map_err(|why| here.refuse(why))?;
                    section.entries.push(GivenOption { at: here, long: long.to_owned(), value });
                }
            }
        }
        Ok(section)
    }
}

/// A command: at least one word.
fn words(value: &DeValue<'_>) -> Option<Vec<String>> {
    let words = value.as_array()?.iter().map(|word| word.get_ref().as_str().map(str::to_owned));
    words.collect::<Option<Vec<_>>>().filter(|words| !words.is_empty())
}

/// A value in the words of the command line; a table as a list of `NAME=VALUE`.
fn text(value: &DeValue<'_>) -> Result<GivenValue, &'static str> {
    const USE: &str = "use \"text\", a number, true, false, or a list or table of them";
    let scalar = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(is_true) => Ok(is_true.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Err(USE),
    };
    match value {
        DeValue::Boolean(is_on) => Ok(GivenValue::Switch(*is_on)),
        DeValue::Array(list) => {
            list.iter().map(|one| scalar(one.get_ref())).collect::<Result<_, _>>().map(GivenValue::Several)
        }
        DeValue::Table(table) => {
            let pair = |(name, value): (&Spanned<_>, &Spanned<_>)| {
                Ok(format!("{}={}", name.get_ref(), scalar(value.get_ref())?))
            };
            in_order(table).into_iter().map(pair).collect::<Result<_, _>>().map(GivenValue::Several)
        }
        other => scalar(other).map(GivenValue::One),
    }
}
