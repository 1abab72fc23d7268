//! When a server is ready.

use std::path::PathBuf;
use std::time::Duration;

use regex_lite::Regex;
use tokio::time::timeout;

use super::job::Job;
use super::load::Load;
use super::observed::{Listener, Readiness};
use super::probe::{Place, Url, ask, tcp_place};
use super::time::{ms, now_ms};
use crate::lifecycle::exit::WINDDOWN_FAILED;
use crate::os::below;
use crate::os::clock::Clock;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long the last words of one that has ended may take.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(200);
/// One try to connect.
const TRY: Duration = Duration::from_secs(2);

/// One condition.
#[derive(Clone, Debug)]
pub(super) enum Ready {
    /// A socket of its processes accepts, or it sends READY=1.
    Auto,
    /// It sends READY=1.
    Notify,
    /// A connection is accepted.
    Connect(Place),
    /// An answer from 200 to 399.
    Http(Url),
    /// A line that matches.
    Log(Regex),
    /// A file is there.
    File(PathBuf),
    /// A command succeeds.
    Command(String),
}

impl Ready {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const REMEDY: &str = "use auto, notify, tcp:[HOST:]PORT, http://HOST:PORT/PATH, unix:PATH, log:REGEX, file:PATH or cmd:COMMAND";
        if text.starts_with("http://") {
            return Url::parse(text).map(Self::Http);
        }
        match text.split_once(':').filter(|(_, rest)| !rest.is_empty()) {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "notify" => Ok(Self::Notify),
            Some(("tcp", place)) => {
                tcp_place(place, None).map(Self::Connect).ok_or_else(|| REMEDY.to_owned())
            }
            Some(("unix", path)) => Ok(Self::Connect(Place::Unix(path.to_owned()))),
            Some(("log", pattern)) => {
                let known = Regex::new(pattern);
                known
                    .map(Self::Log)
                    .map_err(|_| "that is no regular expression; try e.g. log:listening".to_owned())
            }
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("cmd", command)) => Ok(Self::Command(command.to_owned())),
            _ => Err(REMEDY.to_owned()),
        }
    }

    fn asks_for(&self) -> String {
        match self {
            Self::Auto => "a socket that accepts, or READY=1".to_owned(),
            Self::Notify => "READY=1".to_owned(),
            Self::Connect(Place::Tcp(host, port)) => format!("tcp:{host}:{port}"),
            Self::Connect(Place::Unix(path)) => format!("unix:{path}"),
            Self::Http(url) => format!("an answer at {}", url.path),
            Self::Log(pattern) => format!("a line that matches {pattern}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command(command) => format!("success of {command}"),
        }
    }
}

/// Waits until all conditions hold, the server ends, or the time is over.
pub(super) async fn wait(job: &mut Job, conditions: &[Ready], patience: Duration, clock: Clock) -> Readiness {
    let started = clock.now();
    let since = || ms(clock.now().saturating_sub(started));
    let rest = || patience.saturating_sub(clock.now().saturating_sub(started));
    let mut left: Vec<&Ready> = conditions.iter().collect();
    let mut told = Vec::new();
    let mut watching = Watching::default();
    let mut pause = FIRST_PAUSE;
    while !left.is_empty() {
        if let Some(end) = ended(job).await {
            return end;
        }
        let mut open = Vec::new();
        for condition in left {
            let mut run = job.run.clone();
            // A command that hangs keeps nobody, nor does one that waits for a server that has ended.
            let held = tokio::select! {
                held = watching.holds(job, condition, clock) => held,
                () = tokio::time::sleep(rest()) => None,
                _ = run.ended() => None,
            };
            match held {
                Some(how) => told.push(how),
                None => open.push(condition),
            }
        }
        left = open;
        if let Some(end) = ended(job).await {
            return end;
        }
        let rest = rest();
        if !left.is_empty() && rest.is_zero() {
            return Readiness::TimedOut { after_ms: since(), seen: seen(job, &left, &watching) };
        }
        if !left.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(pause.min(rest)) => pause = LONGEST_PAUSE.min(pause * 2),
                () = job.news() => {}
            }
        }
    }
    Readiness::Ready { after_ms: now_ms(clock).min(since()), how: told.join(", ") }
}

/// Told by the end of the main job, which comes at once.
async fn ended(job: &mut Job) -> Option<Readiness> {
    job.run.status()?;
    job.run.output.closed(OUTPUT_PATIENCE).await;
    let record = job.record().unwrap_or_default();
    if record.outcome.as_deref() == Some("not-started") {
        let why = job.run.output.last(1).pop().unwrap_or_default();
        let why = why.strip_prefix("winddown: ").unwrap_or(&why).to_owned();
        return Some(Readiness::NotRun { status: record.exit_status.unwrap_or(WINDDOWN_FAILED), why });
    }
    let exit = record.exit.unwrap_or_default();
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("died of SIG{signal}"),
        (None, None) => "ended".to_owned(),
    };
    Some(Readiness::Ended { how })
}

/// What the last try came to.
#[derive(Default)]
struct Watching {
    note: String,
}

impl Watching {
    /// By what it is seen, if it holds.
    async fn holds(&mut self, job: &Job, condition: &Ready, clock: Clock) -> Option<String> {
        match condition {
            Ready::Auto | Ready::Notify if job.messages.is_ready() => Some("READY=1".to_owned()),
            Ready::Notify => None,
            Ready::Auto => self.accepting(job).await,
            Ready::Connect(place) => match timeout(TRY, place.connect()).await {
                Ok(Ok(_)) => Some(condition.asks_for()),
                other => self.missing(&other.map_or_else(|_| "no answer".to_owned(), told)),
            },
            Ready::Http(url) => match timeout(TRY, ask(url)).await {
                Ok(Ok(answer)) if (200..400).contains(&answer.status().as_u16()) => {
                    Some(format!("HTTP {} at {}", answer.status().as_u16(), url.path))
                }
                Ok(Ok(answer)) => self.missing(&format!("HTTP {} at {}", answer.status().as_u16(), url.path)),
                Ok(Err(error)) => self.missing(&crate::os::reason(&error)),
                Err(_) => self.missing("no answer"),
            },
            Ready::Log(pattern) => job
                .run
                .output
                .lines()
                .iter()
                .any(|line| pattern.is_match(&line.text))
                .then(|| condition.asks_for()),
            Ready::File(path) => path.exists().then(|| condition.asks_for()),
            Ready::Command(command) => {
                let succeeds = Load::start(command, None, clock).ok()?.succeeds().await;
                succeeds.then(|| condition.asks_for())
            }
        }
    }

    fn missing(&mut self, note: &str) -> Option<String> {
        note.clone_into(&mut self.note);
        None
    }

    async fn accepting(&mut self, job: &Job) -> Option<String> {
        for listener in listeners(job) {
            let place = Place::of(&listener)?;
            match timeout(TRY, place.connect()).await {
                Ok(Ok(_)) => return Some(format!("listening on {}", listener.address)),
                _ => self.note = format!("{} does not accept", listener.address),
            }
        }
        None
    }
}

fn told(result: std::io::Result<Box<dyn super::probe::Duplex>>) -> String {
    result.err().map_or_else(String::new, |error| crate::os::reason(&error))
}

fn listeners(job: &Job) -> Vec<Listener> {
    let pids: Vec<i32> = below::tree(job.run.outer.pid).iter().map(|stat| stat.pid).collect();
    below::listeners(&pids)
}

/// What was seen, and what was asked.
fn seen(job: &Job, left: &[&Ready], watching: &Watching) -> String {
    let listeners: Vec<String> = listeners(job).into_iter().map(|listener| listener.address).collect();
    let listens = if listeners.is_empty() {
        "listens nowhere".to_owned()
    } else {
        format!("listens on {}", listeners.join(", "))
    };
    let asked: Vec<String> = left.iter().map(|ready| ready.asks_for()).collect();
    let note = if watching.note.is_empty() { String::new() } else { format!(" ({})", watching.note) };
    format!("it is alive and {listens}; missing: {}{note}", asked.join(", "))
}
