//! Writes a record to its destination.

use std::io;

use super::schema::Record;
use crate::os::io::destination::Destination;
use crate::os::io::own_file::FileKind;

/// What a file with a record holds.
pub(crate) const KIND: FileKind = FileKind {
    name: "a record",
    may_be_stream: true,
    bytes_max: 64 << 20,
    may_be_longer: false,
    is_it: is_one,
};

/// Whether it is a single record.
fn is_one(bytes: &[u8]) -> bool {
    // Strings inside a record can't contain these parts: their quotes would be escaped.
    const PARTS: [&str; 4] = ["\"command\":[", "\"exit_status\":", "\"phases\":[{", "\"winddown\":\""];
    str::from_utf8(bytes).is_ok_and(|text| {
        let is_object = text.starts_with('{') && text.ends_with("}\n");
        is_object && text.find('\n') == Some(text.len() - 1) && PARTS.iter().all(|part| text.contains(part))
    })
}

/// Writes the record, whole or not at all.
pub(crate) fn write(destination: &Destination, record: &Record) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(record)?;
    bytes.push(b'\n');
    destination.write_at_once(&KIND, &bytes)
}
