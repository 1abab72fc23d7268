//! Reads records from files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::record::Record;
use crate::cli::UsageError;
use crate::observe::log::printable;
use crate::observe::record::SCHEMA;
use crate::os::reason;

/// A file without an end must not fill the memory.
const BYTES_MAX: u64 = 256 << 20;

/// A record, and where it is from.
pub(super) struct Named {
    /// The file; of several in it `file#2`.
    pub(super) name: String,
    pub(super) record: Record,
}

/// All records of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Named>, UsageError> {
    let name = printable(&path.to_string_lossy());
    let refuse = |why: String| UsageError::Invalid(format!("report: {name}: {why}"));
    let bytes = content(path).map_err(|error| {
        refuse(format!("{}; name a file that winddown --record has written", reason(&error)))
    })?;
    let values = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
    let mut records = Vec::new();
    for value in values {
        let value = value.map_err(|error| refuse(not_a_record(&error.to_string())))?;
        records.push(record(value).map_err(refuse)?);
    }
    let several = records.len() > 1;
    let named = |(index, record)| {
        let name = if several { format!("{name}#{}", index + 1) } else { name.clone() };
        Named { name, record }
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
    let schema = schema.ok_or_else(|| not_a_record("there is no \"schema\""))?;
    if schema > u64::from(SCHEMA) {
        return Err(format!(
            "a record of schema {schema}, and this winddown knows {SCHEMA}; report it with a newer winddown"
        ));
    }
    serde_json::from_value(value).map_err(|error| not_a_record(&error.to_string()))
}

fn not_a_record(why: &str) -> String {
    format!("no record ({}); name a file that winddown --record has written", printable(why))
}
