//! What is reported about a run: the one stream of facts that feeds the log and the record.

use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::lifecycle::cause::{Cause, Received};
use crate::lifecycle::event::NoRetry;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::{Action, Limit};
use crate::lifecycle::routing::Reason;
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::process::tree::{Process, Sent};
use crate::postmortem::judge::PostMortem;
use level::Level;

pub mod level;
pub(crate) mod parts;

/// A sender, with a name that is read after the signal has been acted on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sender {
    /// Where the signal came from.
    pub(crate) origin: Origin,
    /// The name of the process; `None` if it is gone, or if /proc does not show it.
    pub(crate) name: Option<String>,
    /// The process no longer exists.
    pub(crate) is_gone: bool,
}

/// Why a signal was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To pass on a signal that winddown received.
    Forward,
    /// To ask the process to stop.
    Ask,
    /// To continue a stopped process.
    Continue,
    /// To make the process dump its state.
    Dump,
    /// To kill.
    Kill,
}

/// A process that outlived SIGKILL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Survivor {
    /// Which one.
    pub(crate) process: Process,
    /// Why, as far as is known.
    pub(crate) reason: String,
}

/// Something that happened, with names and numbers for people. Serialized, it is the event of a line of the JSON log:
/// what a program would otherwise have to parse out of the message.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Fact {
    /// The run entered this phase. It has no line.
    #[serde(skip)]
    Phase(Phase),
    /// A try of a run that may have several. It has no line.
    #[serde(skip)]
    Try { attempt: u32 },
    /// The main process was started.
    Started { process: Process },
    /// The workload is ready.
    Ready {
        #[serde(rename = "process")]
        main: Process,
        /// What shows it.
        how: String,
        /// The time since the start of this try.
        #[serde(rename = "after_ms", serialize_with = "parts::ms")]
        after: Duration,
    },
    /// The workload was not ready within its start limit.
    NotReady {
        #[serde(rename = "process")]
        main: Process,
        /// The limit, with what the workload has asked for.
        #[serde(rename = "within_ms", serialize_with = "parts::ms")]
        within: Duration,
        /// Where it accepts connections.
        listens_on: Vec<String>,
        /// Whether there can be no other such address.
        #[serde(skip)]
        sees_all: bool,
        /// The conditions that do not hold, with what was seen instead.
        missing: String,
        /// What its processes do, for people.
        #[serde(skip)]
        doing: Vec<String>,
    },
    /// The command could not be started.
    NotStarted {
        #[serde(skip)]
        why: String,
    },
    /// A setting is probably not what the user meant.
    Advice {
        #[serde(skip)]
        text: String,
    },
    /// The watchdog's time, which starts at the workload's first message.
    WatchdogWaits {
        #[serde(skip)]
        length: Duration,
    },
    /// A signal was received for the workload.
    Forwarded {
        signal: Signal,
        sender: Sender,
        /// The signal that the main process got, or why it got none.
        #[serde(flatten, serialize_with = "parts::forwarded")]
        forwarded: Result<Signal, Reason>,
        /// It would be a stop request if winddown had not been started with it ignored.
        #[serde(skip)]
        was_ignored: bool,
    },
    /// A signal was sent. Only a failure has a line.
    #[serde(rename = "not-sent")]
    Sent {
        #[serde(flatten)]
        sent: Sent,
        /// Why it was sent.
        #[serde(skip)]
        purpose: Purpose,
    },
    /// A child was reaped.
    Reaped { process: Process, exit: Exit },
    /// The main process was stopped, and not from a terminal.
    MainStopped { process: Process },
    /// A stop began.
    StopRequested {
        #[serde(flatten)]
        cause: Cause,
        /// The sender, if a signal is the cause.
        sender: Option<Sender>,
        #[serde(rename = "process")]
        main: Process,
        /// How it ended, if that is the cause.
        #[serde(rename = "exit")]
        main_exit: Option<Exit>,
        /// The signal that the main process was asked with, if winddown asked it.
        asked_with: Option<Signal>,
        /// The other processes that were asked.
        asked: Vec<Process>,
        /// The time until SIGKILL.
        #[serde(rename = "kill_in_ms", serialize_with = "parts::ms")]
        kill_in: Option<Duration>,
        /// The main process ended at once, and left a process in a session of its own.
        #[serde(skip)]
        in_background: bool,
    },
    /// A further stop request.
    Repeated {
        #[serde(rename = "signal", serialize_with = "parts::its_signal")]
        received: Received,
        sender: Sender,
        /// The signal that the main process got, or why it got none.
        #[serde(flatten, serialize_with = "parts::forwarded")]
        forwarded: Result<Signal, Reason>,
    },
    /// winddown itself was killed during a stop; SIGKILL comes soon.
    Abandoned {
        #[serde(rename = "kill_in_ms", serialize_with = "parts::ms")]
        kill_in: Duration,
    },
    /// A step of the stop plan began.
    Step {
        /// From 1.
        number: usize,
        #[serde(flatten)]
        action: Action,
        hook: Option<String>,
        /// How long it may last.
        #[serde(rename = "share_ms", serialize_with = "parts::ms")]
        share: Option<Duration>,
        /// How many steps there are.
        count: usize,
    },
    /// These processes were made to dump their state.
    Dumped { processes: Vec<Process> },
    /// A hook ended.
    HookEnded {
        hook: String,
        exit: Exit,
        /// Why it could not be executed, if it could not.
        #[serde(skip)]
        why_not: Option<String>,
    },
    /// A hook could not be started.
    HookFailed {
        hook: String,
        #[serde(serialize_with = "parts::errno")]
        error: io::Error,
    },
    /// A hook was killed: its share was over.
    HookOverran { hook: String },
    /// The deadline was moved for the workload.
    Extended {
        #[serde(rename = "by_ms", serialize_with = "parts::ms")]
        by: Duration,
        /// The request was for more than there is.
        #[serde(skip)]
        is_last: bool,
        /// The time until the start limit runs out, if that was moved.
        #[serde(rename = "start_ends_in_ms", serialize_with = "parts::ms")]
        start_ends_in: Option<Duration>,
        #[serde(rename = "kill_in_ms", serialize_with = "parts::ms")]
        kill_in: Option<Duration>,
        #[serde(rename = "process")]
        requester: Option<Process>,
    },
    /// The workload asked for more time than it may have.
    NotExtended {
        /// How much from now.
        #[serde(rename = "wanted_ms", serialize_with = "parts::ms")]
        wanted: Duration,
        #[serde(rename = "process")]
        requester: Option<Process>,
    },
    /// The second process could not be started.
    NoGuard {
        #[serde(serialize_with = "parts::errno")]
        error: io::Error,
    },
    /// Ctrl+C again.
    KillAsked { sender: Sender },
    /// Half of the limit has passed.
    HalfTime {
        #[serde(rename = "left_ms", serialize_with = "parts::ms")]
        left: Duration,
        there: Vec<Process>,
    },
    /// The main process is still there a second after Ctrl+C.
    InterruptOutlived { process: Process },
    /// A shell waits for a foreground child that was not asked.
    ShellWaits { shell: Process, child: Process },
    /// The main process ended by itself; the stragglers may do so, too.
    StragglerGrace {
        #[serde(rename = "process")]
        main: Process,
        /// How long the stragglers have for that.
        #[serde(rename = "grace_ms", serialize_with = "parts::ms")]
        grace: Duration,
    },
    /// The main process ended during a stop.
    MainExited {
        #[serde(rename = "process")]
        main: Process,
        exit: Exit,
        /// The time since the stop request.
        #[serde(rename = "after_ms", serialize_with = "parts::ms")]
        after: Duration,
        /// The processes that were asked now.
        asked: Vec<Process>,
        /// The processes that may still read the last lines of others.
        readers: Vec<Process>,
        /// Only a hook is left.
        #[serde(skip)]
        is_last: bool,
    },
    /// SIGKILL was sent.
    Killing {
        /// The time since the stop request.
        #[serde(rename = "after_ms", serialize_with = "parts::ms")]
        after: Duration,
        /// The processes that got it.
        victims: Vec<Process>,
    },
    /// Why processes had to be killed.
    PostMortem(PostMortem),
    /// Processes outlived SIGKILL.
    GaveUp {
        /// How long winddown waited after SIGKILL.
        #[serde(skip)]
        waited: Duration,
        survivors: Vec<Survivor>,
    },
    /// The main process or another one died of a SIGKILL that winddown did not send.
    KilledByOthers {
        /// The main process, if it died.
        #[serde(rename = "process")]
        main: Option<Process>,
        /// How many processes the kernel has OOM-killed meanwhile, if it says.
        oom_kills: Option<u64>,
        /// That number is for the whole machine, not for the control group.
        #[serde(skip)]
        of_machine: bool,
        /// The CPU time limit that it used up.
        #[serde(rename = "cpu_limit_ms", serialize_with = "parts::ms")]
        cpu_limit: Option<Duration>,
    },
    /// A try is over. Only one that another one follows has a line.
    #[serde(rename = "try-failed")]
    TryEnded {
        outcome: Outcome,
        /// The main process; `None` if it could not be started.
        #[serde(rename = "process")]
        main: Option<Process>,
        exit: Option<Exit>,
        /// Why the workload was asked to stop, if it was.
        #[serde(skip)]
        cause: Option<Cause>,
        /// As winddown's own.
        status: u8,
        /// The times since winddown's start; `None` if it was never ready.
        #[serde(rename = "started_ms", serialize_with = "parts::ms")]
        started: Duration,
        #[serde(rename = "ready_ms", serialize_with = "parts::ms")]
        ready: Option<Duration>,
        /// The delay before the next try, if one follows.
        #[serde(rename = "next_in_ms", serialize_with = "parts::ms")]
        next: Option<Duration>,
    },
    /// Why no try follows one that has failed.
    NoFurtherTry {
        #[serde(rename = "reason", serialize_with = "parts::no_retry")]
        why: NoRetry,
        /// The sender, if a signal is why.
        sender: Option<Sender>,
    },
    /// The run is over.
    Ended {
        /// In one word.
        outcome: Outcome,
        #[serde(rename = "process")]
        main: Process,
        #[serde(rename = "exit")]
        main_exit: Option<Exit>,
        /// The time since the stop request, if there was one.
        #[serde(rename = "took_ms", serialize_with = "parts::ms")]
        took: Option<Duration>,
        #[serde(skip)]
        limit: Limit,
    },
    /// The token could not be written.
    TokenFailed {
        file: String,
        #[serde(serialize_with = "parts::errno")]
        error: io::Error,
    },
    /// The ready file could not be written.
    ReadyFileFailed {
        file: String,
        #[serde(serialize_with = "parts::errno")]
        error: io::Error,
    },
    /// The record could not be written.
    RecordFailed {
        file: String,
        #[serde(serialize_with = "parts::errno")]
        error: io::Error,
    },
}

impl Fact {
    /// How important its line is.
    pub(crate) const fn level(&self) -> Level {
        match self {
            Self::NotStarted { .. }
            | Self::NotReady { .. }
            | Self::GaveUp { .. }
            | Self::RecordFailed { .. }
            | Self::TokenFailed { .. }
            | Self::ReadyFileFailed { .. }
            | Self::Sent { .. } => Level::Error,
            Self::Killing { .. }
            | Self::KillAsked { .. }
            | Self::PostMortem(_)
            | Self::KilledByOthers { .. } => Level::Warn,
            Self::Phase(_)
            | Self::Try { .. }
            | Self::TryEnded { next: None, .. }
            | Self::Started { .. }
            | Self::Ready { .. }
            | Self::Forwarded { .. }
            | Self::Reaped { .. }
            | Self::StragglerGrace { .. }
            | Self::NoGuard { .. }
            | Self::WatchdogWaits { .. }
            | Self::HookEnded { exit: Exit::Code(0), .. } => Level::Detail,
            _ => Level::Info,
        }
    }
}
