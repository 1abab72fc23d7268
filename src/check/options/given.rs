//! What is given for each server: on the command line, in its table of the configuration file, and at the top
//! of that file. The nearest counts.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches};

use super::config::{Config, Position, Section, Server, Source};
use super::definition::definition;
use super::layer::{Layer, Words, refuse_options_of_all};
use super::port::{Port, PortChoice};
use super::values::label;
use crate::check::checks::catalogue;
use crate::cli::usage::{self, Line, UsageError};

/// What is given for one server.
pub(super) struct Given {
    /// The nearest comes first.
    layers: Vec<Layer>,
    /// The port for the server.
    pub(super) port: Option<Port>,
    pub(super) command: Vec<OsString>,
    /// The name of its table.
    pub(super) table: Option<String>,
    /// Where the file describes the server.
    at: Option<Position>,
}

/// The result of parsing the words.
pub(super) enum GivenWords {
    Servers(Vec<Given>),
    /// A requested text: help, version, a list.
    Print(String),
}

/// What the words ask for at first sight: one server by its command, or by its table.
struct Chosen<'a> {
    sections: Vec<&'a Section>,
    command: Vec<OsString>,
    table: Option<&'a str>,
    at: Option<&'a Position>,
}

/// Reads the words, and the configuration file.
pub(super) fn read(words: &[OsString]) -> Result<GivenWords, UsageError> {
    let unread = |option: Arg| {
        let is_read = ["config", "explain"].map(Some).contains(&option.get_long());
        if is_read || !option.get_action().takes_values() {
            option
        } else {
            option.value_parser(OsStringValueParser::new())
        }
    };
    let line = match usage::read(&mut definition().mut_args(unread), words)? {
        Line::Given(matches) => matches,
        Line::Print(text) => return Ok(GivenWords::Print(text)),
    };
    if let Some(text) = line.get_one::<String>("explain") {
        return Ok(GivenWords::Print(text.clone()));
    }
    if line.get_flag("list") {
        return Ok(GivenWords::Print(catalogue::list()));
    }
    let source = line.get_one::<Source>("config").cloned();
    let source = source.map_or_else(Source::find, |source| Ok(Some(source)))?;
    let config = source.as_ref().map(Config::parse).transpose()?;
    let targets = targets(words, &line, config.as_ref())?;
    targets
        .into_iter()
        .map(|target| Given::new(words, target))
        .collect::<Result<_, _>>()
        .map(GivenWords::Servers)
}

fn targets<'a>(
    words: &[OsString],
    line: &ArgMatches,
    config: Option<&'a Config>,
) -> Result<Vec<Chosen<'a>>, UsageError> {
    let rest: Vec<OsString> = line.get_many("command").into_iter().flatten().cloned().collect();
    let is_command =
        words.get(words.len() - rest.len() - 1).is_some_and(|word| word == "--") && !rest.is_empty();
    let Some(config) = config.filter(|config| !is_command && !config.servers.is_empty()) else {
        let sections: Vec<&Section> = config.map(|config| &config.all).into_iter().collect();
        let all = sections.first().filter(|_| rest.is_empty());
        let command = all.map_or(rest.clone(), |all| all.command.iter().map(OsString::from).collect());
        return Ok(vec![Chosen { command, at: all.map(|all| &all.at), table: None, sections }]);
    };
    if let Some(entry) = config.all.entries.iter().find(|entry| entry.long == "name") {
        return Err(entry.at.refuse("each server has a name of its own here; leave this out"));
    }
    let chosen = chosen(config, &rest)?;
    if chosen.len() > 1 && line.contains_id("name") {
        return Err(UsageError::Invalid(
            "check: --name is for one server, and there are several; name one of them".to_owned(),
        ));
    }
    chosen.into_iter().map(|server| target(config, server)).collect()
}

/// The servers of these names, or all.
fn chosen<'a>(config: &'a Config, names: &[OsString]) -> Result<Vec<&'a Server>, UsageError> {
    let refuse = |why: String| Err(UsageError::Invalid(format!("check: {why}")));
    let mut seen = HashSet::new();
    let mut chosen = Vec::new();
    for name in names {
        let Some(server) = config.servers.iter().find(|server| OsStr::new(&server.name) == name) else {
            let known: Vec<&str> = config.servers.iter().map(|server| server.name.as_str()).collect();
            let (name, path, known) = (name.to_string_lossy(), &config.path, known.join(", "));
            return refuse(format!(
                "there is no server '{name}' in {path}, which has {known}; options come before the names, a command after --"
            ));
        };
        if !seen.insert(name) {
            return refuse(format!("server '{}' is named twice; leave one out", server.name));
        }
        chosen.push(server);
    }
    Ok(if chosen.is_empty() { config.servers.iter().collect() } else { chosen })
}

fn target<'a>(config: &'a Config, server: &'a Server) -> Result<Chosen<'a>, UsageError> {
    let section = &server.section;
    refuse_options_of_all(section)?;
    label(&server.name).map_err(|why| section.at.refuse(&why))?;
    let command = [&section.command, &config.all.command].into_iter().find(|command| !command.is_empty());
    let command =
        command.ok_or_else(|| section.at.refuse("it has no command; add command = [\"./server\"]"))?;
    Ok(Chosen {
        sections: vec![section, &config.all],
        command: command.iter().map(OsString::from).collect(),
        table: Some(&server.name),
        at: Some(&section.at),
    })
}

impl Given {
    /// Reads all values, with the port filled in.
    fn new(words: &[OsString], target: Chosen<'_>) -> Result<Self, UsageError> {
        let line = std::iter::once(Words::Line(words));
        let sources: Vec<Words<'_>> = line.chain(target.sections.into_iter().map(Words::Section)).collect();
        let ports = sources.iter().map(Words::port).collect::<Result<Vec<_>, _>>()?;
        let none = || UsageError::Invalid("check: --port auto: no port is free; give a number".to_owned());
        let port = ports.into_iter().flatten().next();
        let port = port.map(|port: PortChoice| port.port().ok_or_else(none)).transpose()?;
        let fill = |word: OsString| port.as_ref().map_or(word.clone(), |port| port.fill(&word));
        Ok(Self {
            layers: sources.iter().map(|source| source.layer(port.as_ref())).collect::<Result<_, _>>()?,
            command: target.command.into_iter().map(fill).collect(),
            table: target.table.map(str::to_owned),
            at: target.at.cloned(),
            port,
        })
    }

    /// The error about all that is given for this server.
    pub(super) fn refuse(&self, why: &str) -> UsageError {
        match &self.at {
            Some(at) => at.refuse(why),
            None => UsageError::Invalid(format!("check: {why}")),
        }
    }

    fn deciding(&self, long: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.decides(long))
    }

    /// The value of an option.
    pub(super) fn one<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Option<T> {
        self.deciding(long)?.one(long)
    }

    /// All values of an option that can be given several times or takes a list.
    pub(super) fn each<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Vec<T> {
        self.deciding(long).map(|layer| layer.each(long)).unwrap_or_default()
    }

    /// The values of all sources, the nearest last.
    pub(super) fn of_all<T: Clone + Send + Sync + 'static>(&self, long: &str) -> Vec<T> {
        self.layers.iter().rev().flat_map(|layer| layer.each(long)).collect()
    }

    pub(super) fn switch(&self, long: &str) -> bool {
        self.deciding(long).is_some_and(|layer| layer.switch(long))
    }
}
