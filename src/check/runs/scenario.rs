//! What is done to the server in one run.

use crate::lifecycle::signal::Signal;

/// One kind of run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Scenario {
    /// One stop, with probes.
    Plain,
    /// With requests under way.
    Requests,
    /// With an answer that does not end.
    Stream,
    /// With a connection that has had its answer.
    Idle,
    /// With half of a request sent.
    Half,
    /// With a connection on which nothing is sent.
    Silent,
    /// With a command of the user's.
    Drive,
    /// With a second signal soon after the first.
    Twice,
    /// By SIGINT.
    Int,
    /// By SIGINT to the whole group, twice.
    CtrlC,
    /// Before it is ready, at several moments.
    Startup,
    /// As PID 1 of a namespace.
    Pid1,
    /// By SIGKILL, and started again.
    KillRestart,
    /// By SIGKILL.
    Kill,
    /// Started again at once.
    TermRestart,
    /// By SIGHUP.
    Hup,
    /// By SIGQUIT.
    Quit,
    /// With the signal to the whole group at once.
    Group,
    /// Suspended when the signal comes.
    Stopped,
    /// With a child that has been killed.
    WorkerKilled,
    /// With something that it depends on gone.
    Broken,
    /// With nobody who reads what it prints.
    FullOutput,
    /// With other kinds of a standard input.
    Stdin,
}

/// Connections that are open at the signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Holds {
    /// None.
    Nothing,
    /// Requests under way.
    Requests,
    /// The same where there is a slow one: what they lose counts.
    RequestsIfAny,
    /// An answer that does not end.
    Stream,
    /// One that has had its answer.
    Idle,
    /// One with half of a request.
    Half,
    /// One without a byte.
    Silent,
}

impl Scenario {
    /// As it is told.
    pub(in crate::check) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Requests => "requests",
            Self::Stream => "stream",
            Self::Idle => "idle",
            Self::Half => "half",
            Self::Silent => "silent",
            Self::Drive => "drive",
            Self::Twice => "twice",
            Self::Int => "sigint",
            Self::CtrlC => "ctrl-c",
            Self::Startup => "startup",
            Self::Pid1 => "pid1",
            Self::KillRestart => "kill-restart",
            Self::Kill => "kill",
            Self::TermRestart => "term-restart",
            Self::Hup => "sighup",
            Self::Quit => "sigquit",
            Self::Group => "group",
            Self::Stopped => "stopped",
            Self::WorkerKilled => "worker-killed",
            Self::Broken => "broken",
            Self::FullOutput => "stdout-full",
            Self::Stdin => "stdin",
        }
    }

    /// What is done in it, in a line.
    pub(in crate::check) const fn about(self) -> &'static str {
        match self {
            Self::Plain => "one stop, with probes through it",
            Self::Requests => "stopped with requests under way",
            Self::Stream => "stopped with an endless answer under way",
            Self::Idle => "stopped with an idle connection open",
            Self::Half => "stopped with half of a request sent",
            Self::Silent => "stopped with a silent connection open",
            Self::Drive => "stopped under the load of --drive",
            Self::Twice => "stopped, and asked again soon after",
            Self::Int => "stopped by SIGINT",
            Self::CtrlC => "stopped by Ctrl+C, twice",
            Self::Startup => "stopped before it was ready",
            Self::Pid1 => "stopped as PID 1 of a namespace",
            Self::KillRestart => "killed by SIGKILL, to be started again",
            Self::Kill => "killed by SIGKILL",
            Self::TermRestart => "stopped, and started again at once",
            Self::Hup => "sent SIGHUP",
            Self::Quit => "sent SIGQUIT",
            Self::Group => "stopped by a signal to its whole group",
            Self::Stopped => "suspended when it is asked to stop",
            Self::WorkerKilled => "stopped after a child of it was killed",
            Self::Broken => "stopped with what it depends on gone (--break)",
            Self::FullOutput => "stopped with its output unread",
            Self::Stdin => "stopped with another kind of standard input",
        }
    }

    /// What clients hold through the stop.
    pub(in crate::check) const fn holds(self) -> Holds {
        match self {
            Self::Requests => Holds::Requests,
            Self::Twice | Self::Int | Self::Group => Holds::RequestsIfAny,
            Self::Stream => Holds::Stream,
            Self::Idle => Holds::Idle,
            Self::Half => Holds::Half,
            Self::Silent => Holds::Silent,
            Self::Plain
            | Self::Drive
            | Self::CtrlC
            | Self::Startup
            | Self::Pid1
            | Self::KillRestart
            | Self::Kill
            | Self::TermRestart
            | Self::Hup
            | Self::Quit
            | Self::Stopped
            | Self::WorkerKilled
            | Self::Broken
            | Self::FullOutput
            | Self::Stdin => Holds::Nothing,
        }
    }

    /// Whether requests are held, if there is a slow one.
    pub(in crate::check) const fn holds_requests(self) -> bool {
        matches!(self.holds(), Holds::Requests | Holds::RequestsIfAny)
    }

    /// Whether it needs to know if HTTP is spoken.
    pub(in crate::check) const fn asks(self) -> bool {
        matches!(self, Self::Plain | Self::Idle | Self::Half)
    }

    /// Whether it connects to the server in any way.
    pub(in crate::check) const fn connects(self) -> bool {
        self.holds_requests() || self.asks() || matches!(self, Self::Stream | Self::Silent | Self::Drive)
    }

    /// The signal that it is about, if it is not the stop signal.
    pub(in crate::check) const fn signal(self) -> Option<Signal> {
        match self {
            Self::Int | Self::CtrlC => Some(Signal::INT),
            Self::Hup => Some(Signal::HUP),
            Self::Quit => Some(Signal::QUIT),
            Self::Plain
            | Self::Requests
            | Self::Stream
            | Self::Idle
            | Self::Half
            | Self::Silent
            | Self::Drive
            | Self::Twice
            | Self::Startup
            | Self::Pid1
            | Self::KillRestart
            | Self::Kill
            | Self::TermRestart
            | Self::Group
            | Self::Stopped
            | Self::WorkerKilled
            | Self::Broken
            | Self::FullOutput
            | Self::Stdin => None,
        }
    }
}
