//! The input and output of the machine: events in; effects, and notes about them, out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cause::{Cause, Reach, Received};
use super::exit::Exit;
use super::outcome::Conclusion;
use super::plan::Dump;
use super::retry::policy::CrashRate;
use super::routing::Reason;
use super::signal::Signal;

/// An input of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Event {
    /// The main process was started.
    Started,
    /// The command could not be executed.
    NotStarted,
    /// A signal for the workload, or a stop request.
    Signal(Received),
    /// The main process was stopped (Ctrl+Z, SIGSTOP).
    MainStopped,
    /// The main process ended and was reaped.
    MainExited(Exit),
    /// Children were reaped, and some are left.
    Remains,
    /// `waitpid` says that no child is left.
    TreeEmpty,
    /// Children were reaped, and only the process that keeps a hook is left.
    HookRemains,
    /// An orphan reads a pipe whose last writer has just closed it.
    PipeEnded,
    /// The outer process was killed, or the process that supervised before this one.
    Abandoned,
    /// The parent of the outer process ended.
    ParentEnded,
    /// The running hook ended; `None` if it could not be started.
    HookEnded(Option<Exit>),
    /// The workload asks for a deadline at least this far away: that of its stop, or of its start.
    Extend(Extend),
    /// The workload gave a sign of life.
    Alive,
    /// The workload says that it is ready.
    ReadyMessage,
    /// The probe that looks whether the workload is ready has ended.
    ProbeEnded {
        /// Everything that it looked for was seen.
        is_seen: bool,
    },
    /// The workload asks to be stopped as if it had fallen silent.
    Ailing,
    /// The try has ended and come to this. The number is the jitter of a delay that may follow.
    Concluded(Conclusion, u32),
    /// No stop request is on its way: the next try may start.
    Clear,
    /// Time has passed.
    Tick,
}

/// A request for more time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Extend {
    /// From now to the deadline.
    pub by: Duration,
    /// Whether the requester reads the answer. If so, a refusal names how much it could get;
    /// otherwise it gets as much as there is.
    pub reads_answer: bool,
}

/// The answer to a request for more time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Answer {
    /// The deadline is where the request wants it, or as late as it can be.
    Granted,
    /// The deadline stays; a request for this much from now could be granted, if any.
    Refused(Option<Duration>),
}

/// Which of the orphans, the processes that have become winddown's children.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Orphans {
    /// Those that lost their parent after the stop began.
    New,
    /// All orphans.
    All,
}

/// What happens to orphans that read a pipe of the workload: through it they get the last lines of other processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Readers {
    /// They may go on reading.
    Left,
    /// They may go on reading, except those already known to be at the end of their pipe.
    Overdue,
    /// Only those whose pipe still has a writer may go on reading.
    AtEnd,
    /// They are asked like all others.
    Asked,
}

/// The moments at which winddown looks at the workload: to say what it does instead of becoming ready, and during a
/// stop, why it did not end in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// The start limit has run out.
    Start,
    /// Before any process is asked: the main process alone.
    Before,
    /// 100 ms later.
    Early,
    /// In the middle of the limit.
    Half,
    /// At nine tenths of the limit.
    Late,
    /// Just before SIGKILL.
    Last,
}

/// What the driver has to do, in the order given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Effect {
    /// Start a process that looks whether the workload is ready.
    StartProbe,
    /// End that process.
    EndProbe,
    /// The workload is ready: announce it to all who wait for that.
    AnnounceReady,
    /// The workload counts as ready no longer.
    RetractReady,
    /// Pass the signal of this event on to the main process, as this signal.
    Forward(Signal),
    /// Ask the main process to stop.
    AskMain(Signal),
    /// Ask the orphans, each once.
    AskOrphans(Signal, Orphans, Readers),
    /// Ask the whole tree, each process once.
    AskEveryone(Signal),
    /// The sender of this signal sent it to others as well, and so asked them.
    AskedByOthers(Signal, Reach),
    /// From here on processes asked before may be asked again, with a signal that they have not got yet.
    AskAgain,
    /// Make the remaining processes dump their state.
    Dump(Dump),
    /// Start this hook.
    StartHook(usize),
    /// Start the hook that runs after the end.
    StartPostStop,
    /// Kill the running hook, with everything it started.
    EndHook,
    /// Answer the request for more time.
    Answer(Answer),
    /// Continue the stopped main process.
    ContinueMain,
    /// SIGKILL to the whole tree.
    KillTree,
    /// SIGKILL to the processes that became winddown's children since the last pass.
    KillOrphans,
    /// Take a look at the workload.
    Look(Moment),
    /// Stop winddown, too: the main process was stopped from the terminal.
    StopWithMain,
    /// Make sure that no stop request is on its way; [`Event::Clear`] follows.
    AskForClearance,
    /// Start the next try.
    StartTry,
    /// No try runs for this long: keep nothing that the last one could leave to the next.
    BeginDelay(Duration),
    /// Report this.
    Say(Note),
}

/// Why no try follows one that has failed by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum NoRetry {
    /// A stop was requested.
    Asked(Cause),
    /// Its status is a permanent one.
    Permanent(u8),
    /// There were more failures than this.
    CrashRate(CrashRate),
    /// There were as many retries as there may be.
    UsedUp(u32),
    /// The length of the run leaves no time for the delay.
    RunLimit,
}

impl NoRetry {
    /// `asked`, `permanent` and so on.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Asked(_) => "asked",
            Self::Permanent(_) => "permanent",
            Self::CrashRate(_) => "crash-rate",
            Self::UsedUp(_) => "used-up",
            Self::RunLimit => "run-limit",
        }
    }
}

/// What the driver has to report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Note {
    /// The main process runs.
    Started,
    /// The workload is ready.
    Ready,
    /// It was not within its start limit, which had this length in the end.
    NotReady(Duration),
    /// A signal was passed on to the main process, as this signal, or was not.
    Forwarded(Received, Result<Signal, Reason>),
    /// A stop began.
    StopRequested(Cause),
    /// The remaining processes were made to dump their state.
    Dumped,
    /// This step of the plan began.
    Step(usize),
    /// A hook ended; `None` if it could not be started.
    HookEnded(Option<Exit>),
    /// A hook was killed at the end of its share.
    HookOverran,
    /// The deadline of the stop, or of the start, was moved.
    Extended {
        /// By how much.
        by: Duration,
        /// The request was for more than there is.
        is_last: bool,
    },
    /// A request for more time was refused.
    NotExtended(Duration),
    /// A further stop request, and the signal that was passed on for it, if any.
    Repeated(Received, Result<Signal, Reason>),
    /// winddown itself was killed during a stop.
    Abandoned,
    /// Ctrl+C again: everything is killed at once.
    KillAsked(Received),
    /// The main process was stopped.
    MainStopped,
    /// Half of the limit has passed.
    HalfTime,
    /// The main process is still there after a second: time for a hint, if there is one.
    StillThere,
    /// The main process ended by itself; the stragglers may do so, too.
    Grace,
    /// The main process ended during a stop.
    MainExited {
        /// How it ended.
        exit: Exit,
        /// Only the keeper of a hook is left.
        is_last: bool,
    },
    /// SIGKILL was sent.
    Killing,
    /// Time to report why processes had to be killed.
    PostMortem,
    /// Processes outlived SIGKILL.
    GaveUp,
    /// The try is over.
    TryEnded {
        /// What it came to.
        conclusion: Conclusion,
        /// The delay before the next try, if one follows.
        next: Option<Duration>,
    },
    /// Why no try follows one that has failed.
    NoFurtherTry(NoRetry),
    /// Nothing of the workload is left, and no try follows.
    Ended,
    /// The run is over.
    Stopped,
}
