//! The server under winddown's main job, which is a child of check.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

use super::archive::{Archive, RunId};
use super::messages::Messages;
use super::namespace;
use super::scenario::Scenario;
use super::started::StartedProgram;
use super::stdin::Input;
use crate::check::options::Options;
use crate::check::options::ready::Ready;
use crate::lifecycle::plan::Target;
use crate::os::clock::Clock;
use crate::os::process::subprocess;
use crate::record::schema::Record;

/// One run of the server.
pub(super) struct Job {
    pub(super) run: StartedProgram,
    pub(super) messages: Messages,
    record: File,
    /// Kept open as long as the run goes on.
    _stdin: Option<OwnedFd>,
}

/// The main jobs that were started, until all are ended.
#[derive(Default)]
struct Programs {
    started: Vec<StartedProgram>,
    are_ended: bool,
}

/// All runs, so that an interrupt can end them, and what is kept of them.
#[derive(Default)]
pub(in crate::check) struct Jobs {
    programs: Mutex<Programs>,
    pub(in crate::check) archive: Archive,
}

impl Jobs {
    pub(in crate::check) fn new(archive: Archive) -> Self {
        Self { programs: Mutex::default(), archive }
    }

    /// Starts the server.
    pub(super) fn start(&self, options: &Options, run: RunId, input: Input, clock: Clock) -> io::Result<Job> {
        let record = subprocess::memory_file()?;
        let mut command = command(options, run.scenario, &record);
        let stdin = input.give(&mut command)?;
        let (messages, socket) = Messages::listen(clock).unzip();
        if let Some(name) = socket {
            command.env("NOTIFY_SOCKET", name);
        }
        let lines = options.ready.iter().filter_map(|condition| match condition {
            Ready::Log(pattern) => Some(pattern.clone()),
            Ready::Seen(_) => None,
        });
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if programs.are_ended {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let run = StartedProgram::start(command, lines, self.archive.part(run), clock)?;
        programs.started.push(run.clone());
        drop(programs);
        Ok(Job { run, messages: messages.unwrap_or_default(), record, _stdin: stdin })
    }

    /// Kills what still runs, and waits for its end. Nothing starts any more.
    pub(in crate::check) async fn end_all(&self) {
        let programs = Programs { are_ended: true, ..Programs::default() };
        let all =
            std::mem::replace(&mut *self.programs.lock().unwrap_or_else(PoisonError::into_inner), programs);
        let mut ends = JoinSet::new();
        for mut run in all.started {
            ends.spawn(async move { run.end_now().await });
        }
        ends.join_all().await;
    }
}

/// The command line of the main job, with the server as its command.
fn command(options: &Options, scenario: Scenario, record: &File) -> Command {
    let descriptor = subprocess::number(record);
    let mut command = subprocess::winddown(Some(descriptor));
    command.args(["--record", &format!("fd:{descriptor}")]);
    command.arg("-t").arg(format!("{}ms", options.limit.as_millis()));
    if let Some(signal) = scenario.signal().or(options.signal) {
        command.args(["-s", &signal.name()]);
    }
    if options.to == Some(Target::All) {
        command.args(["--to", "all"]);
    }
    command.arg("--");
    if scenario == Scenario::Pid1 {
        command.args(namespace::prefix());
    }
    command.args(&options.command);
    command.envs(options.variables.iter().map(|variable| (&variable.name, &variable.value)));
    if let Some(directory) = &options.directory {
        command.current_dir(directory);
    }
    if let Some(port) = &options.port {
        command.env("PORT", port.number.to_string());
    }
    command
}

impl Job {
    /// Waits for output, a message, or the end.
    pub(super) async fn news(&mut self) {
        let Self { run, messages, .. } = self;
        let output = run.output.clone();
        tokio::select! {
            () = output.news() => {}
            () = messages.news() => {}
            _ = run.ended() => {}
        }
    }

    /// The record; none before the end.
    pub(super) fn record(&mut self) -> Option<Record> {
        let mut text = String::new();
        self.record.rewind().ok()?;
        self.record.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}
