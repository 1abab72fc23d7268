//! Where the output and the records of all runs are kept: the words of `--log` and `--record`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::os::io::destination::Destination;
use crate::os::io::own_file::FileKind;

/// The beginning of every log.
pub(in crate::check) const LOG_HEAD: &str = "winddown check --log: what the server printed\n";

/// How to recognise a log, however long it is.
pub(in crate::check) const LOG: FileKind = FileKind {
    name: "a log of check",
    may_be_stream: false,
    bytes_max: LOG_HEAD.len() as u64,
    may_be_longer: true,
    is_it: |bytes| bytes == LOG_HEAD.as_bytes(),
};

/// The file for the output.
pub(super) fn log(text: &str) -> Result<PathBuf, String> {
    Destination::parse_file(OsString::from(text), &LOG)
}

/// The directory for the records, which need not exist yet.
pub(super) fn records(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if text.is_empty() || (path.exists() && !path.is_dir()) {
        return Err("a directory is needed; each run has a file of its own in it".to_owned());
    }
    Ok(path.to_owned())
}
