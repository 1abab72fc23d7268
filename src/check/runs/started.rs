//! A main job as a child of check, and what it prints.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use regex_lite::Regex;
use tokio::sync::watch;

use super::archive::Part;
use super::output::Output;
use crate::lifecycle::signal::Signal;
use crate::os::clock::Clock;
use crate::os::process::subprocess::Handle;

/// The main job takes a second SIGINT within less as the same request.
const BETWEEN_INTS: Duration = Duration::from_millis(250);
/// How long it may take until every process has ended by SIGKILL.
const KILL_PATIENCE: Duration = Duration::from_secs(3);

/// A main job that has been started.
#[derive(Clone)]
pub(super) struct StartedProgram {
    pub(super) outer: Arc<Handle>,
    pub(super) output: Output,
    /// Its exit status, once it has ended.
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl StartedProgram {
    /// Starts a command, and reads its output from now on, in which it looks for the awaited patterns.
    pub(super) fn start(
        mut command: Command,
        awaited: impl Iterator<Item = Regex>,
        log: Option<Part>,
        clock: Clock,
    ) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let outer = Arc::new(Handle::new(child.id().cast_signed()));
        let streams = [child.stdout.take().map(Into::into), child.stderr.take().map(Into::into)];
        let output = Output::read(streams.into_iter().flatten(), awaited, log, clock)?;
        let (sender, ended) = watch::channel(None);
        tokio::task::spawn_blocking(move || {
            let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
            let _ = sender.send(Some(status));
        });
        Ok(Self { outer, output, ended })
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let ended = self.ended.wait_for(Option::is_some).await;
        ended.ok().and_then(|status| *status).unwrap_or_else(|| ExitStatus::from_raw(0))
    }

    /// Its exit status, if it has ended.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Kills the workload and waits for the end: at a second SIGINT the main job kills at once.
    pub(super) async fn end_now(&mut self) {
        for _ in 0..2 {
            if self.status().is_some() {
                return;
            }
            self.outer.signal(Signal::INT);
            let _ = tokio::time::timeout(BETWEEN_INTS, self.ended()).await;
        }
        if tokio::time::timeout(KILL_PATIENCE, self.ended()).await.is_err() {
            self.outer.signal(Signal::KILL);
        }
    }
}
