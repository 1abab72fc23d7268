//! The user's own load, beside a stop.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};

use super::probe::Place;
use crate::os::child;

/// How long it may go on after the stop.
const PATIENCE: Duration = Duration::from_secs(30);
const LAST_LINES: usize = 10;

/// Runs the command that takes away what the server depends on, up to its end.
pub(super) async fn break_it(command: &str) -> Result<(), &'static str> {
    let mut shell = child::shell(command);
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    let status = spawn_blocking(move || shell.status());
    match tokio::time::timeout(PATIENCE, status).await {
        Ok(Ok(Ok(status))) if status.success() => Ok(()),
        Ok(_) => Err("the command of --break failed"),
        Err(_) => Err("the command of --break did not end within 30 s"),
    }
}

/// The command under way.
pub(super) struct Load(JoinHandle<std::io::Result<Output>>);

impl Load {
    /// Starts it, with `$URL` and `$PORT` of the server.
    pub(super) fn start(command: &str, place: Option<&Place>) -> Self {
        let mut shell = child::shell(command);
        if let Some(Place::Tcp(host, port)) = place {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            shell.env("PORT", port.to_string()).env("URL", format!("http://{host}:{port}/"));
        }
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(spawn_blocking(move || shell.output()))
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// Whether it succeeded, and its last lines; nothing if it does not end.
    pub(super) async fn finish(self) -> Option<(bool, Vec<String>)> {
        let output = tokio::time::timeout(PATIENCE, self.0).await.ok()?.ok()?.ok()?;
        let text = [output.stdout, output.stderr].concat();
        let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].to_vec();
        Some((output.status.success(), last))
    }
}
