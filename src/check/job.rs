//! The server under winddown's own main job, as a child of ours.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::catalogue::Scenario;
use super::messages::Messages;
use super::namespace;
use super::options::Options;
use super::output::Output;
use super::stdin::Input;
use crate::lifecycle::plan::Target;
use crate::lifecycle::signal::Signal;
use crate::os::child::{self, Handle};
use crate::os::clock::Clock;
use crate::report::record::Record;

/// A second INT within less counts as the same.
const BETWEEN_INTS: Duration = Duration::from_millis(250);
/// How long everything may take to end when it is killed.
const KILL_PATIENCE: Duration = Duration::from_secs(3);

/// One run of the server.
pub(super) struct Job {
    pub(super) outer: Arc<Handle>,
    pub(super) output: Output,
    pub(super) messages: Messages,
    ended: Ended,
    record: File,
    /// Open as long as this is.
    _stdin: Option<OwnedFd>,
}

/// All runs, so that none is left.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Vec<(Arc<Handle>, Ended)>>);

/// How the main job has ended, once it has.
type Ended = watch::Receiver<Option<ExitStatus>>;

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
        match socket {
            Some(name) => command.env("NOTIFY_SOCKET", name),
            None => command.env_remove("NOTIFY_SOCKET"),
        };
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let outer = Arc::new(Handle::new(child.id().cast_signed()));
        let streams = [child.stdout.take().map(Into::into), child.stderr.take().map(Into::into)];
        let output = Output::read(streams.into_iter().flatten(), clock)?;
        let (told, ended) = watch::channel(None);
        tokio::task::spawn_blocking(move || {
            let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
            let _ = told.send(Some(status));
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((Arc::clone(&outer), ended.clone()));
        Ok(Job { outer, output, messages: messages.unwrap_or_default(), ended, record, _stdin: stdin })
    }

    /// Kills what still runs, and waits for it.
    pub(super) async fn end_all(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (outer, mut ended) in all {
            end(&outer, &mut ended).await;
        }
    }
}

/// The main job in front of the server.
fn command(options: &Options, scenario: Scenario, record: &File) -> Command {
    let descriptor = child::number(record);
    let mut command = child::command("/proc/self/exe", Some(descriptor));
    command.arg0("winddown");
    command.args(["-q", "--stop-with-parent", "--record", &format!("fd:{descriptor}")]);
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
    let is_ours = |name: &OsStr| name.to_string_lossy().starts_with("WINDDOWN_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    if let Some(port) = &options.port {
        command.env("PORT", port.number.to_string());
    }
    command
}

/// By a repeated INT, at which the main job kills at once.
async fn end(outer: &Handle, ended: &mut Ended) {
    for _ in 0..2 {
        if ended.borrow().is_some() {
            return;
        }
        outer.signal(Signal::INT);
        let _ = tokio::time::timeout(BETWEEN_INTS, ended.wait_for(Option::is_some)).await;
    }
    if tokio::time::timeout(KILL_PATIENCE, ended.wait_for(Option::is_some)).await.is_err() {
        outer.signal(Signal::KILL);
    }
}

impl Job {
    /// Waits for the end of everything.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let ended = self.ended.wait_for(Option::is_some).await;
        ended.ok().and_then(|status| *status).unwrap_or_else(|| ExitStatus::from_raw(0))
    }

    /// A line, a message, or the end.
    pub(super) async fn news(&mut self) {
        let Self { output, messages, ended, .. } = self;
        tokio::select! {
            () = output.news() => {}
            () = messages.news() => {}
            _ = ended.wait_for(Option::is_some) => {}
        }
    }

    /// How it ended, if it has.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Kills it, and waits for that.
    pub(super) async fn end_now(&mut self) {
        end(&self.outer, &mut self.ended).await;
    }

    /// What was recorded; nothing before the end.
    pub(super) fn record(&mut self) -> Option<Record> {
        let mut text = String::new();
        self.record.rewind().ok()?;
        self.record.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}
