//! The server under winddown's own main job, as a child of ours.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::catalogue::Scenario;
use super::messages::Messages;
use super::namespace;
use super::options::Options;
use super::started::Started;
use super::stdin::Input;
use crate::lifecycle::plan::Target;
use crate::os::child;
use crate::os::clock::Clock;
use crate::report::record::Record;

/// One run of the server.
pub(super) struct Job {
    pub(super) run: Started,
    pub(super) messages: Messages,
    record: File,
    /// Open as long as this is.
    _stdin: Option<OwnedFd>,
}

/// All runs, so that none is left.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Vec<Started>>);

impl Jobs {
    /// Starts the server.
    pub(super) fn start(
        &self,
        options: &Options,
        scenario: Scenario,
        input: Input,
        clock: Clock,
    ) -> io::Result<Job> {
        let record = child::memory_file()?;
        let mut command = command(options, scenario, &record);
        let stdin = input.give(&mut command)?;
        let (messages, socket) = Messages::listen(clock).unzip();
        if let Some(name) = socket {
            command.env("NOTIFY_SOCKET", name);
        }
        let run = Started::start(command, clock)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(run.clone());
        Ok(Job { run, messages: messages.unwrap_or_default(), record, _stdin: stdin })
    }

    /// Kills what still runs, and waits for it.
    pub(super) async fn end_all(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for mut run in all {
            run.end_now().await;
        }
    }
}

/// The main job in front of the server.
fn command(options: &Options, scenario: Scenario, record: &File) -> Command {
    let descriptor = child::number(record);
    let mut command = child::winddown(Some(descriptor));
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
    if let Some(port) = &options.port {
        command.env("PORT", port.number.to_string());
    }
    command
}

impl Job {
    /// A line, a message, or the end.
    pub(super) async fn news(&mut self) {
        let Self { run, messages, .. } = self;
        let output = run.output.clone();
        tokio::select! {
            () = output.news() => {}
            () = messages.news() => {}
            _ = run.ended() => {}
        }
    }

    /// What was recorded; nothing before the end.
    pub(super) fn record(&mut self) -> Option<Record> {
        let mut text = String::new();
        self.record.rewind().ok()?;
        self.record.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}
