//! What is told about a run. One stream of facts feeds the log and the record, so that the two
//! can't disagree.

use std::io;
use std::time::Duration;

use crate::lifecycle::event::{Cause, Received};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::{Action, Limit};
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::tree::{Process, Sent};
use crate::postmortem::judge::PostMortem;

pub mod live;
pub mod log;
pub mod message;
pub mod record;

/// A sender, with the name that was read after the signal was acted upon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Where the signal came from.
    pub origin: Origin,
    /// The name of the process; nothing once it has gone, or where /proc does not tell.
    pub name: Option<String>,
    /// There is no such process any more.
    pub is_gone: bool,
}

/// Why a signal was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// winddown received it and passed it on.
    Forward,
    /// To ask for the end.
    Ask,
    /// To let a stopped process go on.
    Continue,
    /// To have it say what it does.
    Dump,
    /// To kill.
    Kill,
}

/// A process that outlived SIGKILL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survivor {
    /// Which one.
    pub process: Process,
    /// Why, as far as it is known.
    pub reason: String,
}

/// Something that happened, with names and numbers for people.
#[derive(Debug)]
pub enum Fact {
    /// The run has got into this phase.
    Phase(Phase),
    /// The main process runs.
    Started(Process),
    /// The command could not be started.
    NotStarted(String),
    /// A signal was received for the workload; nothing was sent if `--map` drops it.
    Forwarded {
        /// The signal as received.
        signal: Signal,
        /// By whom it was sent.
        sender: Sender,
        /// What the main process got.
        forwarded: Option<Signal>,
    },
    /// A signal was sent.
    Sent(Sent, Purpose),
    /// A child was reaped.
    Reaped(Process, Exit),
    /// The main process was stopped, and nobody at a terminal has done it.
    MainStopped(Process),
    /// A stop began.
    StopRequested {
        /// Why.
        cause: Cause,
        /// Who sent the signal, if it was one.
        sender: Option<Sender>,
        /// The main process.
        main: Process,
        /// How it ended, if that is the cause.
        main_exit: Option<Exit>,
        /// What the main process was asked with, if winddown asked it.
        asked_with: Option<Signal>,
        /// Who has been asked beside the main process.
        asked: Vec<Process>,
        /// When SIGKILL is due.
        kill_in: Option<Duration>,
    },
    /// A further stop request.
    Repeated {
        /// As received.
        received: Received,
        /// By whom.
        sender: Sender,
        /// What the main process got of it.
        forwarded: Option<Signal>,
    },
    /// winddown itself was killed while a stop was under way; SIGKILL is due this soon.
    Abandoned {
        /// Until SIGKILL.
        kill_in: Duration,
    },
    /// A step of the stop plan began.
    Step {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        count: usize,
        /// What it does.
        action: Action,
        /// The command, if it is one.
        hook: Option<String>,
        /// How long it lasts at most.
        share: Option<Duration>,
    },
    /// These were made to say what they do.
    Dumped(Vec<Process>),
    /// A hook has ended.
    HookEnded {
        /// The command.
        hook: String,
        /// How.
        exit: Exit,
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
        /// Until SIGKILL.
        kill_in: Option<Duration>,
        /// Who has asked for it.
        requester: Option<Process>,
    },
    /// The workload asked for more time than it may have.
    NotExtended {
        /// How much from now.
        wanted: Duration,
        /// Who has asked for it.
        requester: Option<Process>,
    },
    /// No second process could be made.
    NoGuard(io::Error),
    /// Ctrl+C again.
    KillAsked(Sender),
    /// Half of the limit is over.
    HalfTime {
        /// Until SIGKILL.
        left: Duration,
        /// Who is still there.
        there: Vec<Process>,
    },
    /// A shell waits for a foreground child that nobody has asked.
    ShellWaits {
        /// The shell.
        shell: Process,
        /// Its child.
        child: Process,
    },
    /// The main process ended during a stop, and left stragglers.
    MainExited {
        /// The main process.
        main: Process,
        /// How it ended.
        exit: Exit,
        /// Since the stop request.
        after: Duration,
        /// Who was asked now.
        asked: Vec<Process>,
    },
    /// SIGKILL was sent.
    Killing {
        /// Since the stop request.
        after: Duration,
        /// To whom.
        victims: Vec<Process>,
    },
    /// Why some had to be killed.
    PostMortem(PostMortem),
    /// Some are still there.
    GaveUp {
        /// How long SIGKILL was given.
        waited: Duration,
        /// Who they are.
        survivors: Vec<Survivor>,
    },
    /// The main process died of a SIGKILL that winddown did not send.
    KilledByOthers {
        /// The main process.
        main: Process,
        /// How many processes of the control group the kernel has killed for want of memory, if it tells.
        oom_kills: Option<u64>,
    },
    /// It is over.
    Ended {
        /// In one word.
        outcome: Outcome,
        /// The main process.
        main: Process,
        /// How it ended.
        main_exit: Option<Exit>,
        /// Since the stop request, if there was one.
        took: Option<Duration>,
        /// The limit of the stop.
        limit: Limit,
    },
    /// The token could not be written.
    TokenFailed {
        /// Where to.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// The record could not be written.
    RecordFailed {
        /// Where to.
        file: String,
        /// Why.
        error: io::Error,
    },
}

/// Log and record together.
#[derive(Debug)]
pub struct Observer {
    /// The lines on stderr.
    pub log: log::Log,
    /// The JSON object, if one is asked for.
    pub record: Option<record::Record>,
}

impl Observer {
    /// Takes one fact that happened at this time since the start.
    pub fn tell(&mut self, at: Duration, fact: &Fact) {
        let lines = self.log.tell(at, fact);
        if let Some(record) = &mut self.record {
            record.tell(at, fact);
            record.log(at, lines.as_ref());
        }
    }

    /// Whether somebody wants to know of what is too much for a log: forwarded signals, reaped processes.
    #[must_use]
    pub fn wants_details(&self) -> bool {
        self.record.is_some() || self.log.wants(log::Level::Detail)
    }

    /// Writes the record, if one is asked for. That it can't be written is told, and changes nothing.
    pub fn write_record(&mut self, at: Duration, end: &record::End<'_>) {
        let Some(record) = &mut self.record else { return };
        if let Err(error) = record.write(end) {
            let file = record.destination().to_string();
            self.tell(at, &Fact::RecordFailed { file, error });
        }
    }
}
