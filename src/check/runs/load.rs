//! The user's commands, each with every process that it starts.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use super::started::StartedProgram;
use crate::lifecycle::signal::Signal;
use crate::os::clock::Clock;
use crate::os::process::subprocess;
use crate::ready::http::Url;

/// How long a command may run on after the stop.
const PATIENCE: Duration = Duration::from_secs(30);
const LAST_LINES: usize = 10;
/// How long the rest of its output may take after its end.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(200);

/// Runs the command that takes away what the server depends on, and waits for its end.
pub(in crate::check) async fn break_it(command: &str, clock: Clock) -> Result<(), &'static str> {
    let broken = async { Ok::<_, io::Error>(Load::start(command, None, clock)?.succeeds().await) };
    match tokio::time::timeout(PATIENCE, broken).await {
        Ok(Ok(true)) => Ok(()),
        Ok(_) => Err("the command of --break failed"),
        Err(_) => Err("the command of --break did not end within 30 s"),
    }
}

/// A running command; dropping it kills it.
pub(in crate::check) struct Load(StartedProgram);

impl Load {
    /// Starts it, with `$URL` and `$PORT` of the server.
    pub(in crate::check) fn start(command: &str, url: Option<&Url>, clock: Clock) -> io::Result<Self> {
        let mut shell = subprocess::shell(command);
        if let Some((url, port)) = url.and_then(|url| Some((url, url.place.port()?))) {
            shell.env("PORT", port.to_string()).env("URL", url.text());
        }
        StartedProgram::start(shell, std::iter::empty(), None, clock).map(Self)
    }

    /// Whether it has ended.
    pub(in crate::check) fn is_over(&self) -> bool {
        self.0.status().is_some()
    }

    /// Waits for the end; returns whether the command succeeded.
    pub(in crate::check) async fn succeeds(mut self) -> bool {
        self.0.ended().await.success()
    }

    /// Its exit status and its last lines; none if it does not end in time.
    pub(in crate::check) async fn finish(mut self) -> Option<(ExitStatus, Vec<String>)> {
        let status = tokio::time::timeout(PATIENCE, self.0.ended()).await.ok()?;
        self.0.output.closed(OUTPUT_PATIENCE).await;
        Some((status, self.0.output.last(LAST_LINES)))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if !self.is_over() {
            // Its time limit is 0: winddown kills it with every process that it has started.
            self.0.outer.signal(Signal::TERM);
        }
    }
}
