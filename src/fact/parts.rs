//! How the parts of a fact are written, in the record and in the JSON log.

use std::io;

use serde::{Deserialize, Serialize};

use super::{Sender, Survivor};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::Origin;
use crate::os::process::tree::Process;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ProcessRecord {
    pub(crate) pid: i32,
    /// Not known for every process.
    pub(crate) name: Option<String>,
}

impl From<&Process> for ProcessRecord {
    fn from(process: &Process) -> Self {
        let name = Some(process.name.clone()).filter(|name| !name.is_empty());
        Self { pid: process.pid, name }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SenderRecord {
    pub(crate) kind: String,
    /// `None` if the kernel sent it.
    #[serde(flatten)]
    pub(crate) process: Option<Sending>,
}

/// A process that sent a signal.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sending {
    pub(crate) pid: i32,
    #[serde(default)]
    pub(crate) uid: u32,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

impl From<&Sender> for SenderRecord {
    fn from(sender: &Sender) -> Self {
        match sender.origin {
            Origin::Kernel => Self { kind: "kernel".to_owned(), process: None },
            Origin::Process { pid, uid } => Self {
                kind: "process".to_owned(),
                process: Some(Sending { pid, uid, name: sender.name.clone() }),
            },
        }
    }
}

/// Either a code or a signal.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ExitRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<String>,
}

impl From<Exit> for ExitRecord {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self { code: Some(code.into()), signal: None },
            Exit::Signal(signal) => Self { code: None, signal: Some(signal.name()) },
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SurvivorRecord {
    #[serde(flatten)]
    pub(crate) process: ProcessRecord,
    pub(crate) reason: String,
}

impl From<&Survivor> for SurvivorRecord {
    fn from(survivor: &Survivor) -> Self {
        Self { process: (&survivor.process).into(), reason: survivor.reason.clone() }
    }
}

/// `ENOSPC`.
pub(crate) fn errno_name(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| format!("{errno:?}"))
}
