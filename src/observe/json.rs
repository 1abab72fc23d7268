//! A fact for machines: the name of the event, and its fields.

use std::io;

use serde::Serialize;

use crate::fact::parts::errno_name;
use crate::fact::{Fact, Sender};
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::routing::Reason;
use crate::lifecycle::signal::Signal;
use crate::os::process::tree::Process;
use crate::postmortem::judge::Progress;
use crate::record::schema::{
    ExitRecord, FindingRecord, ProcessRecord, SenderRecord, StepRecord, SurvivorRecord, list,
};
use crate::text::milliseconds as ms;

/// What a program would otherwise have to parse out of the message.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum JsonEvent<'a> {
    Phase,
    Started {
        process: ProcessRecord,
    },
    NotStarted,
    Advice,
    WatchdogWaits,
    Forwarded(PassedOn),
    NotSent {
        signal: String,
        process: ProcessRecord,
        error: Option<String>,
    },
    Reaped {
        process: ProcessRecord,
        exit: ExitRecord,
    },
    MainStopped {
        process: ProcessRecord,
    },
    StopRequested {
        #[serde(flatten)]
        request: Option<StopRequest<'a>>,
    },
    Repeated(PassedOn),
    Abandoned {
        kill_in_ms: f64,
    },
    Step {
        #[serde(flatten)]
        step: Option<StepRecord>,
        count: usize,
    },
    Dumped {
        processes: Vec<ProcessRecord>,
    },
    HookEnded {
        hook: &'a str,
        exit: ExitRecord,
    },
    HookFailed {
        hook: &'a str,
        error: String,
    },
    HookOverran {
        hook: &'a str,
    },
    Extended {
        by_ms: f64,
        kill_in_ms: Option<f64>,
        process: Option<ProcessRecord>,
    },
    NotExtended {
        wanted_ms: f64,
        process: Option<ProcessRecord>,
    },
    NoGuard {
        error: String,
    },
    KillAsked {
        sender: SenderRecord,
    },
    HalfTime {
        left_ms: f64,
        there: Vec<ProcessRecord>,
    },
    InterruptOutlived {
        process: ProcessRecord,
    },
    ShellWaits {
        shell: ProcessRecord,
        child: ProcessRecord,
    },
    StragglerGrace {
        process: ProcessRecord,
        grace_ms: f64,
    },
    MainExited {
        process: ProcessRecord,
        exit: ExitRecord,
        after_ms: f64,
        asked: Vec<ProcessRecord>,
        readers: Vec<ProcessRecord>,
    },
    Killing {
        after_ms: f64,
        victims: Vec<ProcessRecord>,
    },
    PostMortem {
        progress: Option<Progress>,
        findings: Vec<FindingRecord>,
    },
    GaveUp {
        survivors: Vec<SurvivorRecord>,
    },
    KilledByOthers {
        process: Option<ProcessRecord>,
        oom_kills: Option<u64>,
        cpu_limit_ms: Option<f64>,
    },
    Ended {
        outcome: Outcome,
        process: ProcessRecord,
        exit: Option<ExitRecord>,
        took_ms: Option<f64>,
    },
    TokenFailed(Failed<'a>),
    RecordFailed(Failed<'a>),
}

/// A signal that came in, and what became of it.
#[derive(Serialize)]
pub(super) struct PassedOn {
    signal: String,
    sender: SenderRecord,
    forwarded: Option<String>,
    reason: Option<Reason>,
}

/// The beginning of a stop.
#[derive(Serialize)]
pub(super) struct StopRequest<'a> {
    cause: &'static str,
    signal: Option<String>,
    sender: Option<SenderRecord>,
    process: ProcessRecord,
    exit: Option<ExitRecord>,
    asked_with: Option<String>,
    asked: Vec<ProcessRecord>,
    kill_in_ms: Option<f64>,
    limit_origin: &'a str,
}

impl<'a> StopRequest<'a> {
    fn of(fact: &Fact, limit_origin: &'a str) -> Option<Self> {
        let Fact::StopRequested { cause, sender, main, main_exit, asked_with, asked, kill_in, .. } = fact
        else {
            return None;
        };
        Some(Self {
            cause: cause.name(),
            signal: cause.signal().map(Signal::name),
            sender: sender.as_ref().map(SenderRecord::from),
            process: main.into(),
            exit: main_exit.map(ExitRecord::from),
            asked_with: asked_with.map(Signal::name),
            asked: list(asked),
            kill_in_ms: kill_in.map(ms),
            limit_origin,
        })
    }
}

/// A file that could not be written.
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    file: &'a str,
    error: String,
}

impl PassedOn {
    fn new(signal: Signal, sender: &Sender, forwarded: Result<Signal, Reason>) -> Self {
        Self {
            signal: signal.name(),
            sender: sender.into(),
            forwarded: forwarded.ok().map(Signal::name),
            reason: forwarded.err(),
        }
    }
}

impl<'a> Failed<'a> {
    fn new(file: &'a str, error: &io::Error) -> Self {
        Self { file, error: errno_name(error) }
    }
}

/// The record of a process that may be unknown.
fn known(process: Option<&Process>) -> Option<ProcessRecord> {
    process.map(ProcessRecord::from)
}

impl<'a> JsonEvent<'a> {
    pub(super) fn of(fact: &'a Fact, limit_origin: &'a str) -> Self {
        match fact {
            Fact::Phase(_) => Self::Phase,
            Fact::Started(main) => Self::Started { process: main.into() },
            Fact::NotStarted(_) => Self::NotStarted,
            Fact::Advice(_) => Self::Advice,
            Fact::WatchdogWaits(_) => Self::WatchdogWaits,
            Fact::Forwarded { signal, sender, forwarded, .. } => {
                Self::Forwarded(PassedOn::new(*signal, sender, *forwarded))
            }
            Fact::Sent(sent, _) => Self::NotSent {
                signal: sent.signal.name(),
                process: (&sent.target).into(),
                error: sent.error.as_ref().map(errno_name),
            },
            Fact::Reaped(child, how) => Self::Reaped { process: child.into(), exit: (*how).into() },
            Fact::MainStopped(main) => Self::MainStopped { process: main.into() },
            Fact::StopRequested { .. } => {
                Self::StopRequested { request: StopRequest::of(fact, limit_origin) }
            }
            Fact::Repeated { received, sender, forwarded } => {
                Self::Repeated(PassedOn::new(received.signal, sender, *forwarded))
            }
            Fact::Abandoned { kill_in } => Self::Abandoned { kill_in_ms: ms(*kill_in) },
            Fact::Step { count, .. } => Self::Step { step: StepRecord::of(fact), count: *count },
            Fact::Dumped(targets) => Self::Dumped { processes: list(targets) },
            Fact::HookEnded { hook, exit, .. } => Self::HookEnded { hook, exit: (*exit).into() },
            Fact::HookFailed { hook, error } => Self::HookFailed { hook, error: errno_name(error) },
            Fact::HookOverran { hook } => Self::HookOverran { hook },
            Fact::Extended { by, kill_in, requester, .. } => Self::Extended {
                by_ms: ms(*by),
                kill_in_ms: kill_in.map(ms),
                process: known(requester.as_ref()),
            },
            Fact::NotExtended { wanted, requester } => {
                Self::NotExtended { wanted_ms: ms(*wanted), process: known(requester.as_ref()) }
            }
            Fact::NoGuard(error) => Self::NoGuard { error: errno_name(error) },
            Fact::KillAsked(by) => Self::KillAsked { sender: by.into() },
            Fact::HalfTime { left, there } => Self::HalfTime { left_ms: ms(*left), there: list(there) },
            Fact::InterruptOutlived(main) => Self::InterruptOutlived { process: main.into() },
            Fact::ShellWaits { shell, child } => {
                Self::ShellWaits { shell: shell.into(), child: child.into() }
            }
            Fact::Grace { main, grace } => {
                Self::StragglerGrace { process: main.into(), grace_ms: ms(*grace) }
            }
            Fact::MainExited { main, exit, after, asked, readers, .. } => Self::MainExited {
                process: main.into(),
                exit: (*exit).into(),
                after_ms: ms(*after),
                asked: list(asked),
                readers: list(readers),
            },
            Fact::Killing { after, victims } => {
                Self::Killing { after_ms: ms(*after), victims: list(victims) }
            }
            Fact::PostMortem(found) => {
                Self::PostMortem { progress: found.progress, findings: list(&found.findings) }
            }
            Fact::GaveUp { survivors, .. } => Self::GaveUp { survivors: list(survivors) },
            Fact::KilledByOthers { main, oom_kills, cpu_limit, .. } => Self::KilledByOthers {
                process: known(main.as_ref()),
                oom_kills: *oom_kills,
                cpu_limit_ms: cpu_limit.map(ms),
            },
            Fact::Ended { outcome, main, main_exit, took, .. } => Self::Ended {
                outcome: *outcome,
                process: main.into(),
                exit: main_exit.map(ExitRecord::from),
                took_ms: took.map(ms),
            },
            Fact::TokenFailed { file, error } => Self::TokenFailed(Failed::new(file, error)),
            Fact::RecordFailed { file, error } => Self::RecordFailed(Failed::new(file, error)),
        }
    }
}
