//! The record: one JSON object that tells the whole run. Its schema is `docs/record.schema.json`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::log::{Level, milliseconds};
use super::{Fact, Purpose, Sender, Survivor};
use crate::lifecycle::event::Cause;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::plan::{Action, Dump, Limit, Target};
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::cgroup;
use crate::os::clock::Clock;
use crate::os::descriptor::Sink;
use crate::os::reap::Usage;
use crate::os::tree::Process;
use crate::os::whole_file;
use crate::postmortem::look::Look;

/// Raised when a reader of the last version would misunderstand the next.
pub(crate) const SCHEMA: u32 = 1;

/// A list gets no longer by what a storm can bring: beyond that equal signals that were received or
/// forwarded share an entry, and other things are left out.
const ENTRIES_MAX: usize = 1000;

/// So far back an equal one is looked for: there are fewer kinds of forwarded signals than that.
const LOOK_BACK: usize = 256;

/// Where the record goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// `fd:N`: one write that does not wait.
    Descriptor(RawFd),
    /// A temporary file and a rename where it is or can be a regular file, else as a descriptor.
    File(PathBuf),
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The record of a run, as far as it has come.
#[derive(Debug)]
pub struct Record {
    destination: Destination,
    object: Value,
    /// As the control group counted them when the run began.
    oom_kills: Option<u64>,
}

/// What is known when the run is over.
#[derive(Debug, Default)]
pub struct End<'a> {
    /// Who had to be killed.
    pub killed: Vec<&'a Process>,
    /// What was seen during the stop.
    pub looks: &'a [Look],
    /// What the workload has used, if it was started.
    pub usage: Option<Usage>,
    /// winddown's own.
    pub exit_status: u8,
}

impl Record {
    /// An empty record of a run that starts now.
    #[must_use]
    pub fn new(
        destination: Destination,
        command: &[OsString],
        limit: Limit,
        origin: &str,
        clock: &Clock,
    ) -> Self {
        let command: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
        let started = humantime::format_rfc3339_millis(clock.started_wall()).to_string();
        let object = json!({
            "schema": SCHEMA,
            "winddown": env!("CARGO_PKG_VERSION"),
            "command": command,
            "started": started,
            "limit": { "ms": limit.length().map(milliseconds), "origin": origin },
            "main": null,
            "phases": [{ "phase": "starting", "at_ms": 0.0 }],
            "stop": null,
            "steps": [],
            "hooks": [],
            "extensions": [],
            "received": [],
            "signals": [],
            "ends": [],
            "killed": [],
            "survivors": [],
            "looks": [],
            "progress": null,
            "findings": [],
            "resources": null,
            "log": [],
            "exit": null,
            "exit_status": null,
            "outcome": null,
        });
        Self { destination, object, oom_kills: cgroup::oom_kills() }
    }

    /// Takes one fact that happened at this time since the start.
    pub fn tell(&mut self, at: Duration, fact: &Fact) {
        let at_ms = milliseconds(at);
        match fact {
            Fact::Phase(phase) => self.push("phases", json!({ "phase": phase, "at_ms": at_ms })),
            Fact::Started(main) => self.object["main"] = process(main),
            Fact::StopRequested { cause: why, sender: by, kill_in, asked_with, .. } => {
                if let (Cause::Signal(received), Some(by)) = (why, by) {
                    self.received(at_ms, received.signal, by, *asked_with);
                }
                self.object["stop"] = json!({
                    "at_ms": at_ms,
                    "cause": cause(*why),
                    "signal": if let Cause::Signal(received) = why { Some(signal(received.signal)) } else { None },
                    "sender": by.as_ref().map(sender),
                    "deadline_ms": kill_in.map(|left| milliseconds(at.saturating_add(left))),
                });
            }
            Fact::Sent(sent, purpose) => {
                let result = sent.error.as_ref().map_or_else(|| "ok".to_owned(), errno_name);
                let name = signal(sent.signal);
                let target = process(&sent.target);
                let is_forwarded = *purpose == Purpose::Forward;
                let purpose = purpose_name(*purpose);
                let entry = json!({ "at_ms": at_ms, "signal": name, "target": target, "purpose": purpose, "result": result });
                self.push_signal("signals", entry, is_forwarded);
            }
            Fact::Forwarded { signal: by_name, sender: by, forwarded } => {
                self.received(at_ms, *by_name, by, *forwarded);
            }
            Fact::Repeated { received, sender: by, forwarded } => {
                self.received(at_ms, received.signal, by, *forwarded);
            }
            Fact::KillAsked(by) => self.received(at_ms, Signal::INT, by, None),
            Fact::Reaped(child, how) => {
                let entry =
                    json!({ "at_ms": at_ms, "pid": child.pid, "name": name(child), "exit": exit(*how) });
                self.push_at_most("ends", entry);
            }
            Fact::PostMortem(found) if cfg!(feature = "postmortem") => {
                self.object["progress"] = json!(found.progress);
                self.object["findings"] = json!(found.findings);
            }
            Fact::Step { .. } => {
                let mut entry = step(fact);
                entry["at_ms"] = json!(at_ms);
                self.push("steps", entry);
            }
            Fact::HookEnded { .. } | Fact::HookFailed { .. } | Fact::HookOverran { .. } => {
                let (hook, result, how) = hook(fact);
                let entry = json!({ "at_ms": at_ms, "hook": hook, "result": result, "exit": how.map(exit) });
                self.push("hooks", entry);
            }
            Fact::Extended { by, requester, .. } => self.extension(at_ms, *by, true, requester.as_ref()),
            Fact::NotExtended { wanted, requester } => {
                self.extension(at_ms, *wanted, false, requester.as_ref());
            }
            Fact::GaveUp { survivors: list, .. } => self.object["survivors"] = survivors(list),
            Fact::Ended { outcome, main, main_exit, .. } => {
                self.object["main"] = process(main);
                self.object["exit"] = json!(main_exit.map(exit));
                self.object["outcome"] = json!(outcome);
            }
            _ => {}
        }
    }

    /// Takes the lines that a fact has come to in the log.
    pub fn log(&mut self, at: Duration, told: Option<&(Level, Vec<String>)>) {
        let Some((level, lines)) = told else { return };
        for message in lines {
            let entry = json!({ "at_ms": milliseconds(at), "level": level.name(), "message": message });
            self.push_at_most("log", entry);
        }
    }

    fn received(&mut self, at_ms: f64, received: Signal, by: &Sender, forwarded: Option<Signal>) {
        let entry = json!({
            "at_ms": at_ms, "signal": signal(received), "sender": sender(by), "forwarded": forwarded.map(signal),
        });
        self.push_signal("received", entry, true);
    }

    fn extension(&mut self, at_ms: f64, time: Duration, is_granted: bool, by: Option<&Process>) {
        let entry = json!({
            "at_ms": at_ms, "time_ms": milliseconds(time), "granted": is_granted, "process": by.map(process),
        });
        self.push_at_most("extensions", entry);
    }

    fn push_signal(&mut self, list: &str, entry: Value, may_share: bool) {
        if !(may_share && self.is_full(list) && self.add_to_equal(list, &entry)) {
            self.push(list, entry);
        }
    }

    fn push_at_most(&mut self, list: &str, entry: Value) {
        if !self.is_full(list) {
            self.push(list, entry);
        }
    }

    fn is_full(&self, list: &str) -> bool {
        self.object[list].as_array().is_some_and(|list| list.len() >= ENTRIES_MAX)
    }

    fn push(&mut self, list: &str, entry: Value) {
        if let Some(list) = self.object[list].as_array_mut() {
            list.push(entry);
        }
    }

    /// Counts a signal with the latest one that is equal but for the time; false if there is none.
    fn add_to_equal(&mut self, list: &str, entry: &Value) -> bool {
        const FIELDS: [&str; 6] = ["signal", "target", "purpose", "result", "sender", "forwarded"];
        let is_equal = |one: &&mut Value| FIELDS.iter().all(|field| one.get(field) == entry.get(field));
        let latest = self.object[list].as_array_mut().into_iter().flat_map(|all| all.iter_mut().rev());
        let Some(one) = latest.take(LOOK_BACK).find(is_equal) else { return false };
        one["count"] = json!(one["count"].as_u64().unwrap_or(1) + 1);
        one["last_at_ms"] = entry["at_ms"].clone();
        true
    }

    /// Completes the record of a run that was not started.
    pub fn not_started(&mut self) {
        self.object["outcome"] = json!(Outcome::NotStarted);
    }

    /// Completes the record and writes it.
    ///
    /// # Errors
    /// When it can't be written, or not in one piece.
    pub fn write(&mut self, end: &End<'_>) -> io::Result<()> {
        let mut killed = end.killed.clone();
        killed.sort_by_key(|process| process.pid);
        self.object["killed"] = killed.into_iter().map(process).collect();
        self.object["exit_status"] = json!(end.exit_status);
        if cfg!(feature = "postmortem") {
            self.object["looks"] = json!(end.looks);
        }
        self.object["resources"] = json!(end.usage.map(|usage| self.resources(usage)));
        let text = format!("{}\n", self.object);
        match &self.destination {
            Destination::Descriptor(number) => write_once(*number, text.as_bytes()),
            Destination::File(path) => write_file(path, text.as_bytes()),
        }
    }

    fn resources(&self, usage: Usage) -> Value {
        let oom_kills =
            cgroup::oom_kills().zip(self.oom_kills).map(|(now, before)| now.saturating_sub(before));
        json!({
            "cpu_user_ms": milliseconds(usage.user),
            "cpu_system_ms": milliseconds(usage.system),
            "memory_peak_bytes": usage.peak_bytes,
            "oom_kills": oom_kills,
        })
    }

    /// Where it goes.
    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }
}

fn write_once(number: RawFd, bytes: &[u8]) -> io::Result<()> {
    let sink = Sink::inherited(number).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
    match sink.write(bytes) {
        Ok(length) if length == bytes.len() => Ok(()),
        Ok(length) => Err(io::Error::other(format!("only {length} of {} bytes were taken", bytes.len()))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other("there is no room, its reader does not keep up"))
        }
        Err(error) => Err(error),
    }
}

/// A reader sees the old file or the whole new one, never a part.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return write_special(path, bytes);
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| followed(path));
    whole_file::write(&target, bytes, |file| {
        if let Some(old) = &old {
            keep_access(file, old);
        }
    })
}

/// A FIFO, a device: there is nothing to rename.
fn write_special(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    match OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Ok(special) => write_once(special.as_raw_fd(), bytes),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            Err(io::Error::other("nobody reads from it"))
        }
        Err(error) => Err(error),
    }
}

/// Where a link leads that has nothing at its end yet.
fn followed(path: &Path) -> PathBuf {
    const LINKS_MAX: usize = 40;
    let next = |link: &PathBuf| {
        let place = fs::read_link(link).ok()?;
        Some(link.parent().unwrap_or(Path::new("/")).join(place))
    };
    let links = std::iter::successors(Some(path.to_owned()), next);
    links.take(LINKS_MAX).last().unwrap_or_else(|| path.to_owned())
}

/// Whoever could read the old file can read the new one, and nobody else. Another owner needs
/// rights that we may not have.
fn keep_access(file: &File, old: &fs::Metadata) {
    let _ = std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()));
    let _ = file.set_permissions(old.permissions());
}

pub(super) fn errno_name(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| format!("{errno:?}"))
}

const fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Forward => "forward",
        Purpose::Ask => "ask",
        Purpose::Continue => "continue",
        Purpose::Dump => "dump",
        Purpose::Kill => "kill",
    }
}

/// A step of the plan: what it does, to whom, and for how long.
pub(super) fn step(fact: &Fact) -> Value {
    let Fact::Step { number, action, hook, share, .. } = fact else { return Value::Null };
    let (what, sent, to) = match action {
        Action::Wait => ("wait", None, None),
        Action::Run(_) => ("run", None, None),
        Action::Signal(sent, to) => ("signal", sent.map(signal), Some(to)),
        Action::Dump(Dump::Auto) => ("dump", None, None),
        Action::Dump(Dump::Signal(sent)) => ("dump", Some(signal(*sent)), None),
        Action::Kill => ("kill", None, None),
    };
    let to = to.map(|to| if *to == Target::All { "all" } else { "main" });
    json!({
        "number": number, "action": what, "signal": sent, "to": to, "hook": hook, "share_ms": share.map(milliseconds),
    })
}

/// A hook, what has become of it, and its exit if it had one of its own.
fn hook(fact: &Fact) -> (&str, &'static str, Option<Exit>) {
    match fact {
        Fact::HookEnded { hook, exit } => (hook, "ended", Some(*exit)),
        Fact::HookOverran { hook } => (hook, "overran", None),
        Fact::HookFailed { hook, .. } => (hook, "not-started", None),
        _ => ("", "", None),
    }
}

pub(super) fn signal(signal: Signal) -> String {
    signal.name()
}

pub(crate) const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Signal(received) if received.hangup => "hangup",
        Cause::Signal(_) => "signal",
        Cause::RunLimit => "run-limit",
        Cause::MainExited => "main-exited",
        Cause::Abandoned => "winddown-killed",
        Cause::ParentEnded => "parent-ended",
        Cause::Silent => "silent",
    }
}

/// A name is not known of every process.
pub(super) fn process(process: &Process) -> Value {
    json!({ "pid": process.pid, "name": name(process) })
}

fn name(process: &Process) -> Option<&str> {
    Some(process.name.as_str()).filter(|name| !name.is_empty())
}

pub(super) fn processes(list: &[Process]) -> Value {
    list.iter().map(process).collect()
}

pub(super) fn survivors(list: &[Survivor]) -> Value {
    let entry = |survivor: &Survivor| json!({ "pid": survivor.process.pid, "name": name(&survivor.process), "reason": survivor.reason });
    list.iter().map(entry).collect()
}

pub(super) fn exit(exit: Exit) -> Value {
    match exit {
        Exit::Code(code) => json!({ "code": code }),
        Exit::Signal(signal) => json!({ "signal": signal.name() }),
    }
}

pub(super) fn sender(sender: &Sender) -> Value {
    match sender.origin {
        Origin::Kernel => json!({ "kind": "kernel" }),
        Origin::Process { pid, uid } => {
            json!({ "kind": "process", "pid": pid, "uid": uid, "name": sender.name })
        }
    }
}
