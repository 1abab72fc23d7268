//! Commands of the user's, each with everything that it starts.

use std::io;
use std::time::Duration;

use super::probe::Place;
use super::started::Started;
use crate::lifecycle::signal::Signal;
use crate::os::child;
use crate::os::clock::Clock;

/// How long it may go on after the stop.
const PATIENCE: Duration = Duration::from_secs(30);
const LAST_LINES: usize = 10;
/// After its end all of its output is there.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(200);

/// Runs the command that takes away what the server depends on, up to its end.
pub(super) async fn break_it(command: &str, clock: Clock) -> Result<(), &'static str> {
    let broken = async { Ok::<_, io::Error>(Load::start(command, None, clock)?.succeeds().await) };
    match tokio::time::timeout(PATIENCE, broken).await {
        Ok(Ok(true)) => Ok(()),
        Ok(_) => Err("the command of --break failed"),
        Err(_) => Err("the command of --break did not end within 30 s"),
    }
}

/// A command under way; killed when nobody waits for it any more.
pub(super) struct Load(Started);

impl Load {
    /// Starts it, with `$URL` and `$PORT` of the server.
    pub(super) fn start(command: &str, place: Option<&Place>, clock: Clock) -> io::Result<Self> {
        let mut shell = child::shell(command);
        if let Some(place @ Place::Tcp(_, port)) = place {
            shell.env("PORT", port.to_string()).env("URL", format!("http://{}/", place.host()));
        }
        Started::start(shell, clock).map(Self)
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.status().is_some()
    }

    /// Waits for its end: whether that is a success.
    pub(super) async fn succeeds(mut self) -> bool {
        self.0.ended().await.success()
    }

    /// Whether it succeeded, and its last lines; nothing if it does not end.
    pub(super) async fn finish(mut self) -> Option<(bool, Vec<String>)> {
        let status = tokio::time::timeout(PATIENCE, self.0.ended()).await.ok()?;
        self.0.output.closed(OUTPUT_PATIENCE).await;
        Some((status.success(), self.0.output.last(LAST_LINES)))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if !self.is_over() {
            // Its limit is 0: it is killed, with all that it has started.
            self.0.outer.signal(Signal::TERM);
        }
    }
}
