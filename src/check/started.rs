//! The main job as a child of check's own, and what it prints.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::output::Output;
use crate::lifecycle::signal::Signal;
use crate::os::child::Handle;
use crate::os::clock::Clock;

/// A second INT within less counts as the same.
const BETWEEN_INTS: Duration = Duration::from_millis(250);
/// How long everything may take to end when it is killed.
const KILL_PATIENCE: Duration = Duration::from_secs(3);

/// One that has been started.
#[derive(Clone)]
pub(super) struct Started {
    pub(super) outer: Arc<Handle>,
    pub(super) output: Output,
    /// How it ended, once it has.
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Started {
    /// Starts a command, whose output is read from now on.
    pub(super) fn start(mut command: Command, clock: Clock) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let outer = Arc::new(Handle::new(child.id().cast_signed()));
        let streams = [child.stdout.take().map(Into::into), child.stderr.take().map(Into::into)];
        let output = Output::read(streams.into_iter().flatten(), clock)?;
        let (told, ended) = watch::channel(None);
        tokio::task::spawn_blocking(move || {
            let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
            let _ = told.send(Some(status));
        });
        Ok(Self { outer, output, ended })
    }

    /// Waits for the end of everything.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let ended = self.ended.wait_for(Option::is_some).await;
        ended.ok().and_then(|status| *status).unwrap_or_else(|| ExitStatus::from_raw(0))
    }

    /// How it ended, if it has.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Kills it, and waits for that: by a repeated INT, at which the main job kills at once.
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
