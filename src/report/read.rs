//! Reads records from files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::clients::Clients;
use super::judgement::Judgement;
use crate::cli::UsageError;
use crate::os::reason;
use crate::record::schema::{Record, SCHEMA};
use crate::text::printable;

/// An endless file must not fill the memory.
const BYTES_MAX: u64 = 256 << 20;

/// A record, and where it comes from.
#[derive(Debug)]
pub(crate) struct Named {
    /// The file; `file#2` if the file has several records. For a run of check its scenario.
    pub(crate) name: String,
    /// What it is compared with, if it is not for the way in which it was stopped.
    pub(crate) kind: Option<String>,
    /// What was done in it, in a few words.
    pub(crate) about: String,
    pub(crate) record: Record,
    pub(crate) clients: Clients,
    pub(crate) judgements: Vec<Judgement>,
}

impl Named {
    fn new(name: String, record: Record) -> Self {
        let (clients, judgements) = (Clients::default(), Vec::new());
        Self { name, kind: None, about: String::new(), record, clients, judgements }
    }
}

/// All records of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Named>, UsageError> {
    let name = printable(&path.to_string_lossy());
    let bytes = content(path).map_err(|error| {
        refusal(&name, &format!("{}; name a file written by winddown --record", reason(&error)))
    })?;
    parse(&name, &bytes)
}

fn refusal(name: &str, why: &str) -> UsageError {
    UsageError::Invalid(format!("report: {name}: {why}"))
}

/// The records in these bytes, which come from a file of this name.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Named>, UsageError> {
    let refuse = |why: String| refusal(name, &why);
    let values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let mut records = Vec::new();
    for value in values {
        let value = value.map_err(|error| refuse(not_a_record(&error.to_string())))?;
        records.push(record(value).map_err(refuse)?);
    }
    let several = records.len() > 1;
    let named = |(index, record)| {
        let name = if several { format!("{name}#{}", index + 1) } else { name.to_owned() };
        Named::new(name, record)
    };
    if records.is_empty() {
        return Err(refuse(not_a_record("it is empty")));
    }
    Ok(records.into_iter().enumerate().map(named).collect())
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(path)?) };
    source.by_ref().take(BYTES_MAX).read_to_end(&mut bytes)?;
    if source.read(&mut [0])? == 0 { Ok(bytes) } else { Err(io::Error::other("it is longer than 256 MB")) }
}

fn record(value: Value) -> Result<Record, String> {
    let schema = value.get("schema").and_then(Value::as_u64);
    let schema = schema.ok_or_else(|| not_a_record("it has no \"schema\""))?;
    if schema > u64::from(SCHEMA) {
        return Err(format!(
            "the record has schema {schema}, and this winddown reads up to {SCHEMA}; use a newer winddown"
        ));
    }
    serde_json::from_value(value).map_err(|error| not_a_record(&error.to_string()))
}

fn not_a_record(why: &str) -> String {
    format!("not a record ({}); name a file written by winddown --record", printable(why))
}
