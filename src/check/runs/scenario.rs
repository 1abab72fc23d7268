//! What is done to the server in one run.

use crate::lifecycle::signal::Signal;

/// One kind of run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Scenario {
    /// One stop, with probes.
    Plain,
    /// With requests under way.
    Requests,
    /// Without any connection, once it has answered a slow request.
    Quiet,
    /// With requests under way whose clients have hung up.
    Abandoned,
    /// Some time after the clients of requests under way have hung up.
    Abort,
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

/// How the server is asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Ask {
    /// Through winddown.
    Winddown,
    /// By a signal to the main process: winddown's record knows of no request.
    Main,
    /// By SIGKILL to the main process.
    Kill,
    /// Through winddown, and again soon after.
    Twice,
    /// As Ctrl+C does it, twice.
    CtrlC,
    /// Through winddown, and the whole group with it.
    Group,
    /// Through winddown, after the main process was suspended.
    Suspended,
    /// Through winddown, after one of its children was killed.
    ChildKilled,
    /// Through winddown, after the command of `--break`.
    Broken,
    /// Through winddown, with its output full and unread.
    OutputFull,
}

/// What a scenario can't do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Need {
    /// A PID namespace.
    Namespace,
    /// `--drive`.
    Load,
    /// `--break`.
    Break,
    /// `--slow`.
    Slow,
    /// `--stream`.
    Stream,
    /// Requests of check's own, which `--probe` may rule out.
    Questions,
}

/// What differs between the runs of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Variants {
    /// There is one run.
    One,
    /// How long after the start it is asked to stop.
    Delays,
    /// What it has as its standard input.
    Inputs,
}

/// All that makes a scenario what it is, but for the steps in `run`.
struct Properties {
    name: &'static str,
    about: &'static str,
    holds: Holds,
    ask: Ask,
    signal: Option<Signal>,
    needs: Option<Need>,
    variants: Variants,
    compared_with: Option<Scenario>,
}

/// One stop of a ready server, without connections.
const fn usual(name: &'static str, about: &'static str) -> Properties {
    let (holds, ask, signal, needs, variants) = (Holds::Nothing, Ask::Winddown, None, None, Variants::One);
    Properties { name, about, holds, ask, signal, needs, variants, compared_with: None }
}

impl Properties {
    const fn holding(self, holds: Holds) -> Self {
        Self { holds, ..self }
    }

    const fn asked(self, ask: Ask) -> Self {
        Self { ask, ..self }
    }

    const fn by(self, signal: Signal) -> Self {
        Self { signal: Some(signal), ..self }
    }

    const fn needing(self, need: Need) -> Self {
        Self { needs: Some(need), ..self }
    }

    const fn in_runs(self, variants: Variants) -> Self {
        Self { variants, ..self }
    }

    const fn compared_with(self, scenario: Scenario) -> Self {
        Self { compared_with: Some(scenario), ..self }
    }
}

impl Scenario {
    const fn properties(self) -> Properties {
        match self {
            Self::Plain => usual("plain", "one stop, with probes through it"),
            Self::Requests => usual("requests", "stopped with requests under way")
                .holding(Holds::Requests)
                .needing(Need::Slow),
            Self::Quiet => {
                usual("quiet", "stopped without any connection, after a slow request").needing(Need::Slow)
            }
            Self::Abandoned => {
                usual("abandoned", "stopped when the clients of requests under way had hung up")
                    .holding(Holds::Requests)
                    .needing(Need::Slow)
                    .compared_with(Self::Quiet)
            }
            Self::Abort => usual("abort", "watched when the clients of requests under way had hung up")
                .holding(Holds::Requests)
                .needing(Need::Slow),
            Self::Stream => usual("stream", "stopped with an endless answer under way")
                .holding(Holds::Stream)
                .needing(Need::Stream),
            Self::Idle => usual("idle", "stopped with an idle connection open")
                .holding(Holds::Idle)
                .needing(Need::Questions),
            Self::Half => usual("half", "stopped with half of a request sent")
                .holding(Holds::Half)
                .needing(Need::Questions),
            Self::Silent => usual("silent", "stopped with a silent connection open").holding(Holds::Silent),
            Self::Drive => usual("drive", "stopped under the load of --drive").needing(Need::Load),
            Self::Twice => usual("twice", "stopped, and asked again soon after")
                .holding(Holds::RequestsIfAny)
                .asked(Ask::Twice),
            Self::Int => usual("sigint", "stopped by SIGINT").holding(Holds::RequestsIfAny).by(Signal::INT),
            Self::CtrlC => usual("ctrl-c", "stopped by Ctrl+C, twice").asked(Ask::CtrlC).by(Signal::INT),
            Self::Startup => usual("startup", "stopped before it was ready").in_runs(Variants::Delays),
            Self::Pid1 => {
                usual("pid1", "stopped as PID 1 of a namespace").asked(Ask::Main).needing(Need::Namespace)
            }
            Self::KillRestart => {
                usual("kill-restart", "killed by SIGKILL, to be started again").asked(Ask::Kill)
            }
            Self::Kill => usual("kill", "killed by SIGKILL").asked(Ask::Kill),
            Self::TermRestart => usual("term-restart", "stopped, and started again at once"),
            Self::Hup => usual("sighup", "sent SIGHUP").by(Signal::HUP),
            Self::Quit => usual("sigquit", "sent SIGQUIT").by(Signal::QUIT),
            Self::Group => usual("group", "stopped by a signal to its whole group")
                .holding(Holds::RequestsIfAny)
                .asked(Ask::Group),
            Self::Stopped => usual("stopped", "suspended when it is asked to stop").asked(Ask::Suspended),
            Self::WorkerKilled => {
                usual("worker-killed", "stopped after a child of it was killed").asked(Ask::ChildKilled)
            }
            Self::Broken => usual("broken", "stopped with what it depends on gone (--break)")
                .asked(Ask::Broken)
                .needing(Need::Break),
            Self::FullOutput => usual("stdout-full", "stopped with its output unread").asked(Ask::OutputFull),
            Self::Stdin => {
                usual("stdin", "stopped with another kind of standard input").in_runs(Variants::Inputs)
            }
        }
    }

    /// As it is reported.
    pub(in crate::check) const fn name(self) -> &'static str {
        self.properties().name
    }

    /// What is done in it, in a line.
    pub(in crate::check) const fn about(self) -> &'static str {
        self.properties().about
    }

    /// What clients hold through the stop.
    pub(in crate::check) const fn holds(self) -> Holds {
        self.properties().holds
    }

    /// How the server is asked to stop.
    pub(in crate::check) const fn ask(self) -> Ask {
        self.properties().ask
    }

    /// The signal that it is about, if it is not the stop signal.
    pub(in crate::check) const fn signal(self) -> Option<Signal> {
        self.properties().signal
    }

    /// What it can't do without.
    pub(in crate::check) const fn needs(self) -> Option<Need> {
        self.properties().needs
    }

    /// What differs between its runs.
    pub(in crate::check) const fn variants(self) -> Variants {
        self.properties().variants
    }

    /// The one with which it is compared, beside the plain stop.
    pub(in crate::check) const fn compared_with(self) -> Option<Self> {
        self.properties().compared_with
    }

    /// Whether requests are held, if there is a slow one.
    pub(in crate::check) const fn holds_requests(self) -> bool {
        matches!(self.holds(), Holds::Requests | Holds::RequestsIfAny)
    }

    /// How long it may last, as a rank: connections hold up many a server until its limit, two starts take longer than
    /// one, as does a request that is measured, and where nothing is waited for it is soon over.
    pub(in crate::check) const fn length(self) -> u8 {
        match self {
            Self::Startup | Self::Kill => 0,
            Self::KillRestart | Self::TermRestart | Self::Quiet => 2,
            _ if matches!(self.holds(), Holds::Nothing | Holds::RequestsIfAny) => 1,
            _ => 3,
        }
    }

    /// Whether one slow request is measured first.
    pub(in crate::check) const fn measures(self) -> bool {
        matches!(self, Self::Quiet | Self::Abort)
    }

    /// Whether it needs to know if HTTP is spoken.
    pub(in crate::check) const fn asks(self) -> bool {
        matches!(self, Self::Plain | Self::Idle | Self::Half)
    }

    /// Whether it connects to the server in any way.
    pub(in crate::check) const fn connects(self) -> bool {
        self.holds_requests()
            || self.measures()
            || self.asks()
            || matches!(self, Self::Stream | Self::Silent | Self::Drive)
    }
}
