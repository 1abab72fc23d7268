//! How the parts of a fact are written, in the record and in the JSON log.

use std::io;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::{Sender, Survivor};
use crate::lifecycle::cause::{Cause, Received};
use crate::lifecycle::event::NoRetry;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::plan::{Action, Dump};
use crate::lifecycle::routing::Reason;
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::process::tree::{Process, Sent};
use crate::text::milliseconds;

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

/// What a step does, and to whom.
#[derive(Serialize)]
pub(crate) struct ActionRecord {
    pub(crate) action: &'static str,
    pub(crate) signal: Option<Signal>,
    pub(crate) to: Option<&'static str>,
}

impl From<&Action> for ActionRecord {
    fn from(action: &Action) -> Self {
        let (action, signal, to) = match *action {
            Action::Wait => ("wait", None, None),
            Action::Run(_) => ("run", None, None),
            Action::Signal(signal, to) => ("signal", signal, Some(to.name())),
            Action::Dump(Dump::Auto) => ("dump", None, None),
            Action::Dump(Dump::Signal(signal)) => ("dump", Some(signal), None),
            Action::Kill => ("kill", None, None),
        };
        Self { action, signal, to }
    }
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// Each of these is written as its record.
macro_rules! written_as {
    ($($part:ty => $record:ty),*) => {$(
        impl Serialize for $part {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$record>::from(self).serialize(serializer)
            }
        }
    )*};
}

written_as! {
    Process => ProcessRecord, Sender => SenderRecord, Survivor => SurvivorRecord, Action => ActionRecord
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ExitRecord::from(*self).serialize(serializer)
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Cause", 2)?;
        fields.serialize_field("cause", self.name())?;
        fields.serialize_field("signal", &self.signal())?;
        fields.end()
    }
}

impl Serialize for Sent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Sent", 3)?;
        fields.serialize_field("signal", &self.signal)?;
        fields.serialize_field("process", &self.target)?;
        fields.serialize_field("error", &self.error.as_ref().map(errno_name))?;
        fields.end()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn forwarded<S: Serializer>(
    forwarded: &Result<Signal, Reason>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("Forwarded", 2)?;
    fields.serialize_field("forwarded", &forwarded.ok())?;
    fields.serialize_field("reason", &forwarded.err())?;
    fields.end()
}

pub(super) fn its_signal<S: Serializer>(received: &Received, serializer: S) -> Result<S::Ok, S::Error> {
    received.signal.serialize(serializer)
}

pub(super) fn errno<S: Serializer>(error: &io::Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&errno_name(error))
}

/// A duration, or none.
pub(super) fn ms<T: Copy + Into<Option<Duration>>, S: Serializer>(
    time: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let time: Option<Duration> = (*time).into();
    time.map(milliseconds).serialize(serializer)
}

pub(crate) fn no_retry<S: Serializer>(why: &NoRetry, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(why.name())
}
