//! What the machine takes and gives: events in; effects, and notes about them, out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exit::Exit;
use super::plan::Dump;
use super::signal::{Origin, Signal};

/// A signal that winddown received, with what the driver knows about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Received {
    /// Which one.
    pub signal: Signal,
    /// Who sent it.
    pub origin: Origin,
    /// The main process got it at the same moment: it was sent to a group that both are in.
    pub main_has_it: bool,
    /// It is SIGHUP, and the controlling terminal is gone.
    pub hangup: bool,
    /// The sender belongs to the workload.
    pub from_tree: bool,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Event {
    /// The main process runs.
    Started,
    /// The command could not be executed.
    NotStarted,
    /// A signal for the workload, or a stop request.
    Signal(Received),
    /// The main process was stopped (Ctrl+Z, SIGSTOP).
    MainStopped,
    /// The main process has ended and was reaped.
    MainExited(Exit),
    /// Children were reaped, and others are left.
    Remains,
    /// `waitpid` says that no child is left.
    TreeEmpty,
    /// The process that callers see as winddown was killed, or the one that supervised before us.
    Abandoned,
    /// The parent of the process that callers see as winddown has ended.
    ParentEnded,
    /// The hook under way has ended; nothing if it could not be started.
    HookEnded(Option<Exit>),
    /// The workload asks that the deadline be at least so far away.
    Extend(Duration),
    /// The workload shows that it is alive.
    Alive,
    /// The workload says that it should be stopped as if it had fallen silent.
    Ailing,
    /// Time has passed.
    Tick,
}

/// Why a stop began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Cause {
    /// A signal asked for it.
    Signal(Received),
    /// The run limit asked for it.
    RunLimit,
    /// The main process ended by itself and left stragglers.
    MainExited,
    /// winddown itself was killed.
    Abandoned,
    /// winddown's own parent has ended.
    ParentEnded,
    /// The workload has not shown that it is alive for as long as it may be silent, or said that it
    /// is not well.
    Silent,
}

/// Which of the processes that have become winddown's children.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Orphans {
    /// Those whose parent has gone since the stop began.
    New,
    /// All of them.
    All,
}

/// When the workload is looked at during a stop, to know afterwards why it did not end in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before anybody was asked: the main process alone.
    Before,
    /// A tenth of a second later.
    Early,
    /// In the middle of the limit.
    Half,
    /// When nine tenths of the limit are over.
    Late,
    /// The last time before SIGKILL.
    Last,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Effect {
    /// Pass the signal of this event on to the main process, as this one.
    Forward(Signal),
    /// Ask the main process to stop.
    AskMain(Signal),
    /// Ask those who have become winddown's children, each once.
    AskOrphans(Signal, Orphans),
    /// Ask the whole tree, each once.
    AskEveryone(Signal),
    /// Whoever is in the terminal's foreground group has been asked by the terminal.
    AskedByTerminal(Signal),
    /// From here on those asked before may be asked again, with a signal that they have not got yet.
    AskAgain,
    /// Have whoever is left say what it does.
    Dump(Dump),
    /// Start this one of the hooks.
    StartHook(usize),
    /// Start the hook that follows the end.
    StartPostStop,
    /// Kill the hook under way, with everything it has started.
    EndHook,
    /// Answer the request for more time: whether it was granted.
    Answer(bool),
    /// Let the main process go on after a stop.
    ContinueMain,
    /// SIGKILL to the whole tree.
    KillTree,
    /// SIGKILL to those who have become winddown's children since the last pass.
    KillOrphans,
    /// Look at the workload.
    Look(Moment),
    /// Stop winddown as well: the main process was stopped from the terminal.
    StopWithMain,
    /// Tell it.
    Say(Note),
}

/// What there is to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Note {
    /// The main process runs.
    Started,
    /// A signal was passed on to the main process as this one; nothing if `--map` dropped it.
    Forwarded(Received, Option<Signal>),
    /// A stop began.
    StopRequested(Cause),
    /// Those who are left were made to say what they do.
    Dumped,
    /// This step of the plan began.
    Step(usize),
    /// A hook has ended; nothing if it could not be started.
    HookEnded(Option<Exit>),
    /// A hook was killed: its share is over.
    HookOverran,
    /// The deadline was moved by so much.
    Extended(Duration),
    /// More time was asked for than may be given.
    NotExtended(Duration),
    /// A further stop request; this signal was passed on for it, if any.
    Repeated(Received, Option<Signal>),
    /// winddown itself was killed while a stop was under way.
    Abandoned,
    /// Ctrl+C again: everything is killed at once.
    KillAsked(Received),
    /// The main process was stopped.
    MainStopped,
    /// Half of the limit is over.
    HalfTime,
    /// Time to see whether a shell waits for its foreground child.
    ShellHint,
    /// The main process ended during a stop, and left stragglers.
    MainExited(Exit),
    /// SIGKILL was sent.
    Killing,
    /// Time to say why they had to be killed.
    PostMortem,
    /// Some have outlived SIGKILL.
    GaveUp,
    /// It is over.
    Stopped,
}
