//! Earlier stop times, to compare with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::check::checks::several::Times;
use crate::check::observed::Noise;
use crate::os::io::destination::Destination;
use crate::os::io::own_file::{self, FileKind};
use crate::os::machine;
use crate::os::reason;

/// The saved times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::check) struct Baseline {
    pub(in crate::check) schema: u8,
    pub(in crate::check) runs: usize,
    pub(in crate::check) median_ms: u64,
    pub(in crate::check) max_ms: u64,
    pub(in crate::check) cores: usize,
    pub(in crate::check) noise: Noise,
}

/// How to recognise a file with a baseline.
const KIND: FileKind = FileKind {
    name: "a baseline",
    may_be_stream: false,
    bytes_max: 4096,
    may_be_longer: false,
    is_it: |bytes| serde_json::from_slice::<Baseline>(bytes).is_ok(),
};

impl Baseline {
    pub(in crate::check) fn of(times: &Times) -> Self {
        let cores = machine::cores();
        Self {
            schema: 1,
            runs: times.count(),
            median_ms: times.median(),
            max_ms: times.max(),
            cores,
            noise: times.noise,
        }
    }

    pub(in crate::check) fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}; make one with --save-baseline", reason(&error)))?;
        let baseline: Self = serde_json::from_str(&text)
            .map_err(|_| "that is not a baseline; make one with --save-baseline".to_owned())?;
        if baseline.schema == 1 {
            Ok(baseline)
        } else {
            Err("it was made by another version; make a new one".to_owned())
        }
    }

    /// The file to save a baseline in.
    pub(in crate::check) fn place(text: &str) -> Result<PathBuf, String> {
        Destination::parse_file(OsString::from(text), &KIND)
    }

    pub(in crate::check) fn write(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string(self).map_err(std::io::Error::other)?;
        own_file::write(path, &KIND, format!("{text}\n").as_bytes())
    }
}
