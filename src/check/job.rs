//! The server under winddown's own main job, as a child of ours.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::sync::watch;

use super::catalogue::Scenario;
use super::namespace;
use super::options::Options;
use super::output::Output;
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
    pub(super) notify: Option<UnixDatagram>,
    ended: Ended,
    record: File,
}

/// All runs, so that none is left.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Vec<(Arc<Handle>, Ended)>>);

/// How the main job has ended, once it has.
type Ended = watch::Receiver<Option<ExitStatus>>;

impl Jobs {
    /// Starts the server.
    pub(super) fn start(&self, options: &Options, scenario: Scenario, clock: Clock) -> io::Result<Job> {
        let record = child::memory_file()?;
        let descriptor = child::number(&record);
        let mut command = child::command("/proc/self/exe", Some(descriptor));
        command.arg0("winddown");
        command.args(["-q", "--stop-with-parent", "--record", &format!("fd:{descriptor}")]);
        command.arg("-t").arg(format!("{}ms", options.limit.as_millis()));
        let asks_with = match scenario {
            Scenario::Int | Scenario::CtrlC => Some(Signal::INT),
            Scenario::Hup => Some(Signal::HUP),
            _ => options.signal,
        };
        if let Some(signal) = asks_with {
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
        let is_ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("WINDDOWN_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        if let Some(port) = options.port {
            command.env("PORT", port.to_string());
        }
        let (notify, socket) = notify_socket().unzip();
        match &socket {
            Some(name) => command.env("NOTIFY_SOCKET", format!("@{name}")),
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
        Ok(Job { outer, output, notify, ended, record })
    }

    /// Kills what still runs, and waits for it.
    pub(super) async fn end_all(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (outer, mut ended) in all {
            end(&outer, &mut ended).await;
        }
    }
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
        let Self { output, notify, ended, .. } = self;
        let message = async {
            match notify {
                Some(socket) => drop(socket.readable().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = output.news() => {}
            () = message => {}
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

/// A socket for `sd_notify`, and its abstract name: nothing is left of it.
fn notify_socket() -> Option<(UnixDatagram, String)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("winddown-check-{}-{count}", std::process::id());
    let socket = StdDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).ok()?).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((UnixDatagram::from_std(socket).ok()?, name))
}
