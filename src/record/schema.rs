//! The fields of a record, and how each is made from the facts: one definition for the collector,
//! `winddown report` and `winddown check`. `docs/record.schema.json` is the contract; a new field goes into both.
//!
//! Reading is lenient: missing fields get their default, unknown ones are skipped, and every word is a string, since
//! another version may have more words.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::fact::parts::{ActionRecord, errno_name};
pub(crate) use crate::fact::parts::{ExitRecord, ProcessRecord, SenderRecord, SurvivorRecord};
use crate::fact::{Fact, Purpose};
use crate::lifecycle::signal::Signal;
use crate::os::process::reap::Usage;
use crate::postmortem::judge::Finding;
use crate::postmortem::look::Look;
use crate::text::milliseconds;

/// Raised when a reader of the previous version would misread a record.
pub(crate) const SCHEMA: u32 = 1;

/// The whole run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) schema: u32,
    pub(crate) winddown: String,
    pub(crate) command: Vec<String>,
    pub(crate) started: String,
    pub(crate) limit: LimitRecord,
    pub(crate) main: Option<ProcessRecord>,
    pub(crate) phases: Vec<PhaseRecord>,
    pub(crate) stop: Option<StopRecord>,
    pub(crate) steps: Vec<Begun>,
    pub(crate) hooks: Vec<HookRecord>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) received: Vec<ReceivedRecord>,
    pub(crate) signals: Vec<SentRecord>,
    pub(crate) ends: Vec<EndRecord>,
    pub(crate) killed: Vec<ProcessRecord>,
    pub(crate) survivors: Vec<SurvivorRecord>,
    #[serde(deserialize_with = "readable")]
    pub(crate) looks: Vec<Look>,
    pub(crate) left_out: LeftOut,
    pub(crate) progress: Option<String>,
    pub(crate) findings: Vec<FindingRecord>,
    pub(crate) resources: Option<Resources>,
    pub(crate) log: Vec<LineRecord>,
    pub(crate) exit: Option<ExitRecord>,
    pub(crate) exit_status: Option<u8>,
    pub(crate) outcome: Option<String>,
    pub(crate) tries: Vec<TryRecord>,
    pub(crate) tries_total: usize,
}

/// One try of a run with retries. Times count from winddown's start.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TryRecord {
    pub(crate) attempt: u32,
    pub(crate) started_ms: f64,
    /// `None` if it was never ready.
    pub(crate) ready_ms: Option<f64>,
    pub(crate) ended_ms: f64,
    pub(crate) main: Option<ProcessRecord>,
    pub(crate) exit: Option<ExitRecord>,
    pub(crate) exit_status: u8,
    pub(crate) outcome: String,
    /// Why it was asked to stop, if it was.
    pub(crate) cause: Option<String>,
    /// The delay that was to follow; `None` if no further try was.
    pub(crate) next_in_ms: Option<f64>,
}

impl TryRecord {
    pub(crate) fn of(at: Duration, attempt: u32, fact: &Fact) -> Option<Self> {
        let Fact::TryEnded { outcome, main, exit, cause, status, started, ready, next } = fact else {
            return None;
        };
        Some(Self {
            attempt,
            started_ms: milliseconds(*started),
            ready_ms: ready.map(milliseconds),
            ended_ms: milliseconds(at),
            main: main.as_ref().map(ProcessRecord::from),
            exit: exit.map(ExitRecord::from),
            exit_status: *status,
            outcome: outcome.to_string(),
            cause: cause.map(|cause| cause.name().to_owned()),
            next_in_ms: next.map(milliseconds),
        })
    }
}

/// Looks have many fields, all of them required: a look of another version is better skipped as a whole.
fn readable<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Look>, D::Error> {
    let looks = Vec::<Value>::deserialize(list)?;
    Ok(looks.into_iter().filter_map(|look| serde_json::from_value(look).ok()).collect())
}

/// How much more there was than the lists have room for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LeftOut {
    pub(crate) extensions: usize,
    pub(crate) received: usize,
    pub(crate) signals: usize,
    pub(crate) ends: usize,
    pub(crate) killed: usize,
    pub(crate) survivors: usize,
    pub(crate) log: usize,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LimitRecord {
    /// `None` for no limit.
    pub(crate) ms: Option<f64>,
    pub(crate) origin: String,
}

/// Converts a whole list.
pub(crate) fn list<'a, T, Part: From<&'a T>>(all: &'a [T]) -> Vec<Part> {
    all.iter().map(Part::from).collect()
}

/// The moment at which a phase began.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PhaseRecord {
    pub(crate) phase: String,
    pub(crate) at_ms: f64,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StopRecord {
    pub(crate) at_ms: f64,
    pub(crate) cause: String,
    pub(crate) signal: Option<String>,
    pub(crate) sender: Option<SenderRecord>,
    pub(crate) deadline_ms: Option<f64>,
}

impl StopRecord {
    pub(crate) fn of(at: Duration, fact: &Fact) -> Option<Self> {
        let Fact::StopRequested { cause, sender, kill_in, .. } = fact else { return None };
        Some(Self {
            at_ms: milliseconds(at),
            cause: cause.name().to_owned(),
            signal: cause.signal().map(Signal::name),
            sender: sender.as_ref().map(SenderRecord::from),
            deadline_ms: kill_in.map(|left| milliseconds(at.saturating_add(left))),
        })
    }
}

/// A step of the plan, with the time at which it began.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Begun {
    pub(crate) at_ms: f64,
    #[serde(flatten)]
    pub(crate) step: StepRecord,
}

impl Begun {
    pub(crate) fn of(at: Duration, fact: &Fact) -> Option<Self> {
        StepRecord::of(fact).map(|step| Self { at_ms: milliseconds(at), step })
    }
}

/// What a step does, to whom, and for how long.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StepRecord {
    pub(crate) number: usize,
    pub(crate) action: String,
    pub(crate) signal: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) hook: Option<String>,
    pub(crate) share_ms: Option<f64>,
}

impl StepRecord {
    pub(crate) fn of(fact: &Fact) -> Option<Self> {
        let Fact::Step { number, action, hook, share, .. } = fact else { return None };
        let ActionRecord { action, signal, to } = action.into();
        Some(Self {
            number: *number,
            action: action.to_owned(),
            signal: signal.map(Signal::name),
            to: to.map(str::to_owned),
            hook: hook.clone(),
            share_ms: share.map(milliseconds),
        })
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HookRecord {
    pub(crate) at_ms: f64,
    #[serde(rename = "hook")]
    pub(crate) command: String,
    pub(crate) result: String,
    pub(crate) exit: Option<ExitRecord>,
}

impl HookRecord {
    pub(crate) fn of(at: Duration, fact: &Fact) -> Option<Self> {
        let (hook, result, exit) = match fact {
            Fact::HookEnded { hook, exit, .. } => (hook, "ended", Some(ExitRecord::from(*exit))),
            Fact::HookOverran { hook } => (hook, "overran", None),
            Fact::HookFailed { hook, .. } => (hook, "not-started", None),
            _ => return None,
        };
        Some(Self { at_ms: milliseconds(at), command: hook.clone(), result: result.to_owned(), exit })
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extension {
    pub(crate) at_ms: f64,
    pub(crate) time_ms: f64,
    pub(crate) granted: bool,
    pub(crate) process: Option<ProcessRecord>,
}

impl Extension {
    pub(crate) fn of(at: Duration, fact: &Fact) -> Option<Self> {
        let (time, granted, by) = match fact {
            Fact::Extended { by, requester, .. } => (by, true, requester),
            Fact::NotExtended { wanted, requester } => (wanted, false, requester),
            _ => return None,
        };
        let process = by.as_ref().map(ProcessRecord::from);
        Some(Self { at_ms: milliseconds(at), time_ms: milliseconds(*time), granted, process })
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReceivedRecord {
    pub(crate) at_ms: f64,
    pub(crate) signal: String,
    pub(crate) sender: SenderRecord,
    pub(crate) forwarded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_at_ms: Option<f64>,
}

impl ReceivedRecord {
    pub(crate) fn of(at: Duration, fact: &Fact) -> Option<Self> {
        let (signal, sender, forwarded) = match fact {
            Fact::StopRequested { cause, sender, asked_with, .. } => {
                (cause.signal()?, sender.as_ref()?, *asked_with)
            }
            Fact::Forwarded { signal, sender, forwarded, .. } => (*signal, sender, forwarded.ok()),
            Fact::Repeated { received, sender, forwarded } => (received.signal, sender, forwarded.ok()),
            Fact::KillAsked { sender } => (Signal::INT, sender, None),
            _ => return None,
        };
        Some(Self {
            at_ms: milliseconds(at),
            signal: signal.name(),
            sender: sender.into(),
            forwarded: forwarded.map(Signal::name),
            count: None,
            last_at_ms: None,
        })
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SentRecord {
    pub(crate) at_ms: f64,
    pub(crate) signal: String,
    pub(crate) target: ProcessRecord,
    pub(crate) purpose: String,
    pub(crate) result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_at_ms: Option<f64>,
}

impl SentRecord {
    pub(crate) fn of(at: Duration, fact: &Fact) -> Option<Self> {
        let Fact::Sent { sent, purpose } = fact else { return None };
        let purpose = match purpose {
            Purpose::Forward => "forward",
            Purpose::Ask => "ask",
            Purpose::Continue => "continue",
            Purpose::Dump => "dump",
            Purpose::Kill => "kill",
        };
        Some(Self {
            at_ms: milliseconds(at),
            signal: sent.signal.name(),
            target: (&sent.target).into(),
            purpose: purpose.to_owned(),
            result: sent.error.as_ref().map_or_else(|| "ok".to_owned(), errno_name),
            count: None,
            last_at_ms: None,
        })
    }
}

/// An entry that may stand for several equal ones.
pub(crate) trait Shared {
    /// Whether they differ only in time.
    fn is_like(&self, other: &Self) -> bool;
    /// Counts the other entry as well.
    fn count(&mut self, other: &Self);
}

impl Shared for ReceivedRecord {
    fn is_like(&self, other: &Self) -> bool {
        let Self { signal, sender, forwarded, at_ms: _, count: _, last_at_ms: _ } = self;
        (signal, sender, forwarded) == (&other.signal, &other.sender, &other.forwarded)
    }

    fn count(&mut self, other: &Self) {
        self.count = Some(self.count.unwrap_or(1).saturating_add(1));
        self.last_at_ms = Some(other.at_ms);
    }
}

impl Shared for SentRecord {
    fn is_like(&self, other: &Self) -> bool {
        let Self { signal, target, purpose, result, at_ms: _, count: _, last_at_ms: _ } = self;
        (signal, target, purpose, result) == (&other.signal, &other.target, &other.purpose, &other.result)
    }

    fn count(&mut self, other: &Self) {
        self.count = Some(self.count.unwrap_or(1).saturating_add(1));
        self.last_at_ms = Some(other.at_ms);
    }
}

/// A process that was reaped.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EndRecord {
    pub(crate) at_ms: f64,
    pub(crate) pid: i32,
    pub(crate) name: Option<String>,
    pub(crate) exit: ExitRecord,
}

impl EndRecord {
    pub(crate) fn of(at: Duration, fact: &Fact) -> Option<Self> {
        let Fact::Reaped { process: child, exit: how } = fact else { return None };
        let ProcessRecord { pid, name } = child.into();
        Some(Self { at_ms: milliseconds(at), pid, name, exit: (*how).into() })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FindingRecord {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) pid: i32,
    pub(crate) process: String,
    pub(crate) text: String,
    pub(crate) remedy: String,
    pub(crate) others: usize,
}

impl From<&Finding> for FindingRecord {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code.to_owned(),
            name: finding.name.to_owned(),
            pid: finding.pid,
            process: finding.process.clone(),
            text: finding.text.clone(),
            remedy: finding.remedy.clone(),
            others: finding.others,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    pub(crate) cpu_user_ms: f64,
    pub(crate) cpu_system_ms: f64,
    pub(crate) memory_peak_bytes: Option<u64>,
    pub(crate) oom_kills: Option<u64>,
}

impl Resources {
    pub(crate) fn new(usage: Usage, oom_kills: Option<u64>) -> Self {
        Self {
            cpu_user_ms: milliseconds(usage.user),
            cpu_system_ms: milliseconds(usage.system),
            memory_peak_bytes: Some(usage.peak_bytes),
            oom_kills,
        }
    }
}

/// A line of the log.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LineRecord {
    pub(crate) at_ms: f64,
    pub(crate) level: String,
    /// The number of the try, in a run with retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record that winddown wrote is read completely, and written back the same.
    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = r#"{"schema":1,"winddown":"0.1.0","command":["a","b"],"started":"T","limit":{"ms":null,"origin":"-t"},
"main":{"pid":7,"name":null},"phases":[{"phase":"starting","at_ms":0.0}],
"stop":{"at_ms":1.5,"cause":"signal","signal":"TERM","sender":{"kind":"kernel"},"deadline_ms":null},
"steps":[{"at_ms":1.0,"number":1,"action":"run","signal":null,"to":null,"hook":"x","share_ms":2.0}],
"hooks":[{"at_ms":2.0,"hook":"x","result":"ended","exit":{"code":0}}],
"extensions":[{"at_ms":2.0,"time_ms":3.0,"granted":true,"process":null}],
"received":[{"at_ms":1.5,"signal":"TERM","sender":{"kind":"process","pid":1,"uid":0,"name":null},"forwarded":null,"count":2,"last_at_ms":2.5}],
"signals":[{"at_ms":1.5,"signal":"TERM","target":{"pid":7,"name":"a"},"purpose":"ask","result":"ok"}],
"ends":[{"at_ms":3.0,"pid":7,"name":"a","exit":{"signal":"TERM"}}],"killed":[{"pid":8,"name":"c"}],
"survivors":[{"pid":9,"name":"d","reason":"why"}],"looks":[],
"left_out":{"extensions":0,"received":0,"signals":0,"ends":0,"killed":0,"survivors":0,"log":0},"progress":"frozen",
"findings":[{"code":"W09","name":"draining","pid":7,"process":"a","text":"t","remedy":"r","others":0}],
"resources":{"cpu_user_ms":0.5,"cpu_system_ms":0.0,"memory_peak_bytes":1,"oom_kills":null},
"log":[{"at_ms":1.5,"level":"info","message":"m"}],"exit":null,"exit_status":137,"outcome":"killed",
"tries":[{"attempt":1,"started_ms":0.5,"ready_ms":null,"ended_ms":3.0,"main":{"pid":7,"name":"a"},"exit":null,"exit_status":1,"outcome":"failed","cause":"silent","next_in_ms":100.0}],
"tries_total":1}"#
            .replace('\n', "");
        let read: Record = serde_json::from_str(&record).expect("a record");
        assert_eq!(serde_json::to_string(&read).expect("a text"), record);
    }

    #[test]
    fn what_another_version_has_or_lacks_does_no_harm() {
        let text = r#"{"schema": 1, "new": [1], "stop": {"cause": "a new one", "sender": {}},
            "received": [{"sender": {"kind": "new", "pid": 3}}], "signals": [{}], "steps": [{"action": "new"}],
            "ends": [{"exit": {}}], "survivors": [{"pid": 4}], "left_out": {"new": 2}}"#;
        let record: Record = serde_json::from_str(text).expect("a record");
        assert_eq!(record.stop.expect("a stop").cause, "a new one");
        assert_eq!(record.received[0].sender.process.as_ref().map(|process| process.pid), Some(3));
        assert_eq!((record.steps[0].step.action.as_str(), record.survivors[0].process.pid), ("new", 4));
    }
}
