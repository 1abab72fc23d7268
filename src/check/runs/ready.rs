//! Waits until a server is ready.

use std::time::Duration;

use super::job::Job;
use super::load::Load;
use super::strangers::Strangers;
use crate::check::observed::Readiness;
use crate::check::options::Options;
use crate::check::options::ready::Ready;
use crate::check::time::{ms, now_ms};
use crate::lifecycle::exit::WINDDOWN_FAILED;
use crate::os::clock::Clock;
use crate::os::inspect;
use crate::os::listening;
use crate::ready::condition::Condition;
use crate::ready::look::{FIRST_PAUSE, LONGEST_PAUSE};

/// How long the last lines of a server that has ended may take.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(200);

/// Waits until all conditions hold, the server ends, or the time is up.
pub(super) async fn wait(job: &mut Job, options: &Options, strangers: &Strangers, clock: Clock) -> Readiness {
    let patience = options.ready_timeout;
    let started = clock.now();
    let since = || ms(clock.now().saturating_sub(started));
    let rest = || patience.saturating_sub(clock.now().saturating_sub(started));
    let mut left: Vec<&Ready> = options.ready.iter().collect();
    let mut proofs = Vec::new();
    let mut watching = Watching { strangers, note: String::new() };
    let mut pause = FIRST_PAUSE;
    while !left.is_empty() {
        if let Some(end) = ended(job).await {
            return end;
        }
        let mut open = Vec::new();
        for condition in left {
            let mut run = job.run.clone();
            // A command that hangs delays neither the timeout nor the end of the server.
            let held = tokio::select! {
                held = watching.holds(job, condition, clock) => held,
                () = tokio::time::sleep(rest()) => None,
                _ = run.ended() => None,
            };
            match held {
                Some(how) => proofs.push(how),
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
    Readiness::Ready { after_ms: now_ms(clock).min(since()), how: proofs.join(", ") }
}

/// How the server ended, if it has: the main job ends with it.
async fn ended(job: &mut Job) -> Option<Readiness> {
    job.run.status()?;
    job.run.output.closed(OUTPUT_PATIENCE).await;
    let record = job.record().unwrap_or_default();
    if record.outcome.as_deref() == Some("not-started") && record.main.is_none() {
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

/// Whose answers do not count, and why the last attempt failed.
struct Watching<'a> {
    strangers: &'a Strangers,
    note: String,
}

impl Watching<'_> {
    /// What shows that a condition holds, if it does.
    async fn holds(&mut self, job: &Job, condition: &Ready, clock: Clock) -> Option<String> {
        let condition = match condition {
            Ready::Log(pattern) => return job.run.output.has_come(pattern).then(|| condition.asks_for()),
            Ready::Seen(condition) => condition,
        };
        match condition {
            Condition::Auto | Condition::Notify if job.messages.is_ready() => Some("READY=1".to_owned()),
            Condition::Command(command) => {
                let succeeds = Load::start(command, None, clock).ok()?.succeeds().await;
                succeeds.then(|| condition.asks_for())
            }
            _ => match self.strangers.holds(condition, &tree(job)).await {
                Ok(how) => Some(how),
                Err(note) => {
                    self.note = note.unwrap_or_else(|| std::mem::take(&mut self.note));
                    None
                }
            },
        }
    }
}

/// The pids of the server's tree, and of the two winddown processes above it.
pub(super) fn tree(job: &Job) -> Vec<i32> {
    let outer = job.run.outer.pid;
    std::iter::once(outer).chain(inspect::tree(outer).iter().map(|stat| stat.pid)).collect()
}

/// What was seen, and what is missing.
fn seen(job: &Job, left: &[&Ready], watching: &Watching<'_>) -> String {
    let tree = tree(job);
    let listeners: Vec<String> =
        listening::listeners(&tree).into_iter().map(|listener| listener.address).collect();
    let listens = match inspect::in_another_network(&tree) {
        _ if !listeners.is_empty() => format!("listens on {}", listeners.join(", ")),
        Some(stat) => {
            let who = format!("{} (pid {})", stat.name, stat.pid);
            format!("{who} is in another network namespace, where its listeners can't be seen")
        }
        None => "listens nowhere".to_owned(),
    };
    let asked: Vec<String> = left.iter().map(|ready| ready.asks_for()).collect();
    let note = if watching.note.is_empty() { String::new() } else { format!(" ({})", watching.note) };
    format!("the server is alive and {listens}; missing: {}{note}", asked.join(", "))
}
