//! What is reported about a run: the one stream of facts that feeds the log and the record.

use std::io;
use std::time::Duration;

use crate::lifecycle::cause::{Cause, Received};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::{Action, Limit};
use crate::lifecycle::routing::Reason;
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::process::tree::{Process, Sent};
use crate::postmortem::judge::PostMortem;

pub mod level;
pub(crate) mod parts;

/// A sender, with a name that is read after the signal has been acted on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Where the signal came from.
    pub(crate) origin: Origin,
    /// The name of the process; `None` if it is gone, or if /proc does not show it.
    pub(crate) name: Option<String>,
    /// The process no longer exists.
    pub(crate) is_gone: bool,
}

/// Why a signal was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
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
pub struct Survivor {
    /// Which one.
    pub(crate) process: Process,
    /// Why, as far as is known.
    pub(crate) reason: String,
}

/// Something that happened, with names and numbers for people.
#[derive(Debug)]
pub enum Fact {
    /// The run entered this phase.
    Phase(Phase),
    /// The main process was started.
    Started(Process),
    /// The command could not be started.
    NotStarted(String),
    /// A setting is probably not what the user meant.
    Advice(String),
    /// The watchdog's time, which starts at the workload's first message.
    WatchdogWaits(Duration),
    /// A signal was received for the workload.
    Forwarded {
        /// The signal as received.
        signal: Signal,
        /// The sender.
        sender: Sender,
        /// The signal that the main process got, or why it got none.
        forwarded: Result<Signal, Reason>,
        /// It would be a stop request if winddown had not been started with it ignored.
        was_ignored: bool,
    },
    /// A signal was sent.
    Sent(Sent, Purpose),
    /// A child was reaped.
    Reaped(Process, Exit),
    /// The main process was stopped, and not from a terminal.
    MainStopped(Process),
    /// A stop began.
    StopRequested {
        /// Why.
        cause: Cause,
        /// The sender, if a signal is the cause.
        sender: Option<Sender>,
        /// The main process.
        main: Process,
        /// How it ended, if that is the cause.
        main_exit: Option<Exit>,
        /// The signal that the main process was asked with, if winddown asked it.
        asked_with: Option<Signal>,
        /// The other processes that were asked.
        asked: Vec<Process>,
        /// The time until SIGKILL.
        kill_in: Option<Duration>,
        /// The main process ended at once, and left a process in a session of its own.
        in_background: bool,
    },
    /// A further stop request.
    Repeated {
        /// As received.
        received: Received,
        /// The sender.
        sender: Sender,
        /// The signal that the main process got, or why it got none.
        forwarded: Result<Signal, Reason>,
    },
    /// winddown itself was killed during a stop; SIGKILL comes soon.
    Abandoned {
        /// Until SIGKILL.
        kill_in: Duration,
    },
    /// A step of the stop plan began.
    Step {
        /// Its number, from 1.
        number: usize,
        /// The number of steps.
        count: usize,
        /// What it does.
        action: Action,
        /// The command, if it is one.
        hook: Option<String>,
        /// How long it may last.
        share: Option<Duration>,
    },
    /// These processes were made to dump their state.
    Dumped(Vec<Process>),
    /// A hook ended.
    HookEnded {
        /// The command.
        hook: String,
        /// How.
        exit: Exit,
        /// Why it could not be executed, if it could not.
        why_not: Option<String>,
    },
    /// A hook could not be started.
    HookFailed {
        /// The command.
        hook: String,
        /// Why.
        error: io::Error,
    },
    /// A hook was killed: its share was over.
    HookOverran {
        /// The command.
        hook: String,
    },
    /// The deadline was moved for the workload.
    Extended {
        /// By how much.
        by: Duration,
        /// The request was for more than there is.
        is_last: bool,
        /// Until SIGKILL.
        kill_in: Option<Duration>,
        /// The process that asked.
        requester: Option<Process>,
    },
    /// The workload asked for more time than it may have.
    NotExtended {
        /// How much from now.
        wanted: Duration,
        /// The process that asked.
        requester: Option<Process>,
    },
    /// The second process could not be started.
    NoGuard(io::Error),
    /// Ctrl+C again.
    KillAsked(Sender),
    /// Half of the limit has passed.
    HalfTime {
        /// Until SIGKILL.
        left: Duration,
        /// The processes that are still there.
        there: Vec<Process>,
    },
    /// The main process is still there a second after Ctrl+C.
    InterruptOutlived(Process),
    /// A shell waits for a foreground child that was not asked.
    ShellWaits {
        /// The shell.
        shell: Process,
        /// Its child.
        child: Process,
    },
    /// The main process ended by itself; the stragglers may do so, too.
    Grace {
        /// The main process.
        main: Process,
        /// How long the stragglers have for that.
        grace: Duration,
    },
    /// The main process ended during a stop.
    MainExited {
        /// The main process.
        main: Process,
        /// How it ended.
        exit: Exit,
        /// The time since the stop request.
        after: Duration,
        /// The processes that were asked now.
        asked: Vec<Process>,
        /// The processes that may still read the last lines of others.
        readers: Vec<Process>,
        /// Only a hook is left.
        is_last: bool,
    },
    /// SIGKILL was sent.
    Killing {
        /// The time since the stop request.
        after: Duration,
        /// The processes that got it.
        victims: Vec<Process>,
    },
    /// Why processes had to be killed.
    PostMortem(PostMortem),
    /// Processes outlived SIGKILL.
    GaveUp {
        /// How long winddown waited after SIGKILL.
        waited: Duration,
        /// The processes.
        survivors: Vec<Survivor>,
    },
    /// The main process or another one died of a SIGKILL that winddown did not send.
    KilledByOthers {
        /// The main process, if it died.
        main: Option<Process>,
        /// How many processes the kernel has OOM-killed meanwhile, if it says.
        oom_kills: Option<u64>,
        /// That number is for the whole machine, not for the control group.
        of_machine: bool,
        /// The CPU time limit that it used up.
        cpu_limit: Option<Duration>,
    },
    /// The run is over.
    Ended {
        /// In one word.
        outcome: Outcome,
        /// The main process.
        main: Process,
        /// How it ended.
        main_exit: Option<Exit>,
        /// The time since the stop request, if there was one.
        took: Option<Duration>,
        /// The limit of the stop.
        limit: Limit,
    },
    /// The token could not be written.
    TokenFailed {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// The record could not be written.
    RecordFailed {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
}
