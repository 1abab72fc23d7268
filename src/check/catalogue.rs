//! All checks: the one source for `--list`, `--explain` and docs/check.md.

use std::fmt::Write;

use crate::lifecycle::signal::Signal;

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Profile {
    /// Everything that one stop can show.
    #[default]
    Quick,
    /// Also what needs runs of its own.
    Standard,
    /// Also what few servers meet.
    Full,
}

impl Profile {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Full];

    /// As it is given on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

/// One check.
#[derive(PartialEq, Eq, Debug)]
pub struct Check {
    /// Its name, for good.
    pub id: &'static str,
    /// The smallest profile that has it.
    pub profile: Profile,
    /// The run that it needs.
    pub scenario: Scenario,
    /// What it looks at, in one line.
    pub about: &'static str,
    /// When it fails, why that hurts, and what to do about it.
    pub more: &'static str,
}

/// What is done to the server in one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
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

impl Scenario {
    /// As it is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
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

    /// The signal that it is about, if it is not the stop signal.
    #[must_use]
    pub const fn signal(self) -> Option<Signal> {
        match self {
            Self::Int | Self::CtrlC => Some(Signal::INT),
            Self::Hup => Some(Signal::HUP),
            Self::Quit => Some(Signal::QUIT),
            _ => None,
        }
    }
}

const fn check(profile: Profile, id: &'static str, about: &'static str, more: &'static str) -> Check {
    Check { id, profile, scenario: Scenario::Plain, about, more }
}

const fn full(scenario: Scenario, id: &'static str, about: &'static str, more: &'static str) -> Check {
    Check { id, profile: Profile::Full, scenario, about, more }
}

const fn run(scenario: Scenario, id: &'static str, about: &'static str, more: &'static str) -> Check {
    Check { id, profile: Profile::Standard, scenario, about, more }
}

/// All checks, in the order in which they are told.
#[rustfmt::skip]
pub static CHECKS: [Check; 37] = [
    check(Profile::Quick, "ready", "it becomes ready",
        "Fails when the server exits before it is ready, or is not ready within --ready-timeout. Without --ready it is \
         ready when a socket of its processes accepts a connection, or when it sends READY=1."),
    check(Profile::Quick, "handler", "it takes the stop signal",
        "Fails when the main process ignores the signal, or blocks it and nobody reads it: it can then be ended by \
         SIGKILL only. Warns when it has no handler: then the signal ends it at once, in the middle of its work."),
    check(Profile::Quick, "stops", "it ends within the limit",
        "Fails when anything of it is still there when the limit (-t) is over and has to be killed, or when it takes \
         longer than --within. What the post-mortem found is told with it."),
    check(Profile::Quick, "margin", "the limit leaves it time to spare",
        "Warns when the stop takes more than half of the limit, fails at more than 90 %: on a slower day it would be \
         killed. Give it more time (-t here, and in production), or make the stop shorter."),
    check(Profile::Quick, "exit-status", "its exit status says that it stopped well",
        "Fails when the status is not one of --expect-exit [default: 0, 143, TERM and the stop signal]. A crash (SEGV, \
         ABRT, BUS, ILL, FPE, SYS) always fails."),
    check(Profile::Quick, "survivors", "no process of it is left behind",
        "Fails when a process of it lives on after the main process has ended: in a container it would be killed in \
         the middle of its work, elsewhere it would stay. Wait for children before exiting. --allow proc:NAME."),
    check(Profile::Quick, "ports", "its ports are free again",
        "Fails when a listening socket of it is still there --settle after the main process has ended: the next start \
         would fail with 'address already in use'. --allow port:N."),
    check(Profile::Quick, "files", "it removes its sockets, locks and pid files",
        "Fails when a unix socket, lock or pid file that it made is left in its directory or in --watch DIR; warns when \
         one is left elsewhere, or something in /dev/shm. The next start may stumble over it. --allow file:GLOB."),
    check(Profile::Quick, "output", "it says nothing alarming, and closes its output",
        "Fails when it prints a panic, a traceback or a sanitizer's report after the signal, or when somebody holds its \
         stdout or stderr open after the end: who reads it (a CI job, a log shipper) would hang."),
    check(Profile::Quick, "zombies", "it reaps its children",
        "Warns when there are zombies below it before the signal, fails when they grow while it runs: each takes a place \
         in the process table. Wait for children, or run it under an init such as winddown."),
    check(Profile::Quick, "shell-wrap", "no shell stands in front of it",
        "Warns when the main process is a shell that waits for the server: it gets the signal, the server does not. \
         Start the server with exec as the last line of the script."),
    check(Profile::Quick, "refuse-new", "new connections are refused cleanly",
        "Connects steadily through the stop. Fails when requests are accepted again after the first was refused, or \
         hang until they time out: a client should get an answer or a refusal, at once."),
    check(Profile::Quick, "baseline", "its stops have not become slower",
        "With --baseline FILE only. Fails when the median of the stop times is more than 25 % and more than 100 ms above \
         the one in the file; inconclusive when the machine was busy, or is another one."),
    check(Profile::Standard, "backlog", "no connection is cut in the queue",
        "Warns when probes after the signal are cut: the kernel resets what waits in the queue of a listener that is \
         closed. Clients have to try again; accept what is there before closing the listener."),
    run(Scenario::Requests, "in-flight", "requests under way are answered",
        "Holds requests to --slow URL, proven to be under way at the signal. Fails when one is cut, or answered with \
         an error (5xx). Without --slow it is skipped."),
    run(Scenario::Stream, "stream", "an endless answer does not keep it",
        "Holds an answer that does not end (--stream URL). Fails when the stop waits for it until the limit; warns when \
         it is cut in the middle, without an end that clients can see. Without --stream it is skipped."),
    run(Scenario::Idle, "idle-conn", "an idle connection does not keep it",
        "Holds a keep-alive connection that has had its answer. Fails when that delays the stop by more than a second."),
    run(Scenario::Half, "half-request", "half a request does not keep it",
        "Sends 'GET / HT' and waits. Fails when that delays the stop by more than a second."),
    run(Scenario::Silent, "silent-conn", "a connection without a byte does not keep it",
        "Connects and sends nothing, as load balancers and browsers do. Fails when that delays the stop by more than a \
         second. Many servers do not count such a connection as idle: close all connections after a drain limit."),
    run(Scenario::Drive, "under-load", "your own load test survives the stop",
        "Runs --drive COMMAND (with $URL and $PORT) across the stop. Fails when it fails. Without --drive it is skipped."),
    run(Scenario::Twice, "double-term", "a second signal changes nothing",
        "Sends the stop signal again, 2 ms later: operators and platforms do. Fails when that ends it worse than one does."),
    run(Scenario::Int, "sigint", "SIGINT stops it as well",
        "Asks with SIGINT, as Ctrl+C does. Fails when it ends worse than by the stop signal."),
    run(Scenario::CtrlC, "ctrl-c", "Ctrl+C in a terminal stops it as well",
        "Sends SIGINT to the whole process group, twice. Fails when it crashes, leaves processes, or has to be killed: \
         the children get the signal, too, and may end before their parent."),
    run(Scenario::Startup, "startup", "it can be stopped while it starts",
        "Sends the signal 0, 5, 20, 50, 100 and 250 ms after the start. Fails when it then has to be killed, or leaves \
         processes or files."),
    run(Scenario::Pid1, "pid1", "it stops as PID 1 of a container",
        "Runs it as the first process of a PID namespace: the kernel drops signals that such a process has no handler \
         for. Fails when it is still there at the limit. Skipped where no namespace can be made."),
    run(Scenario::KillRestart, "kill-restart", "it starts again after SIGKILL",
        "Kills it and starts it again at the same place. Fails when it does not become ready: a stale pid file, socket or lock."),
    run(Scenario::Kill, "kill-orphans", "its children end when it is killed",
        "Kills the main process alone. Fails when children of it live on: let them watch their parent \
         (PR_SET_PDEATHSIG, or a pipe)."),
    run(Scenario::TermRestart, "term-restart", "it starts again at once",
        "Stops it and starts it again at once. Fails when it does not become ready: 'address already in use' is the usual \
         reason, and SO_REUSEADDR the usual remedy."),
    full(Scenario::Hup, "sighup", "what SIGHUP does is told",
        "Sends SIGHUP instead of the stop signal, and tells what came of it: some servers read their configuration again, \
         others die of it. Never fails."),
    full(Scenario::Quit, "sigquit", "what SIGQUIT does is told",
        "Sends SIGQUIT instead of the stop signal, and tells what came of it: some servers stop gracefully by it, a JVM \
         prints its threads, most programs die of it with a core. Never fails."),
    full(Scenario::Group, "group-vs-leader", "the signal may go to all of its processes",
        "Sends the stop signal to the whole process group at once, as some service managers do, with requests under way \
         if there is --slow. Fails when it ends worse than by a signal to the main process."),
    full(Scenario::Stopped, "stopped", "it stops also when it was suspended",
        "Suspends the main process (SIGSTOP), asks, and continues it. Fails when it ends worse than usually."),
    full(Scenario::WorkerKilled, "worker-killed", "it stops after a child was killed",
        "Kills one of its children, and asks. Fails when it ends worse than usually. Skipped where it has no children."),
    full(Scenario::Broken, "dependency-gone", "it stops when its database is gone",
        "Runs --break COMMAND (which stops a database, say) before the signal. Fails when it ends worse than usually: \
         closing a pool of connections is where it hangs. Without --break it is skipped."),
    full(Scenario::FullOutput, "stdout-full", "it stops though nobody reads what it prints",
        "Reads stdout and stderr no more and lets their pipes be full before the signal, as a log shipper that hangs \
         does. Fails when it ends worse than usually: whoever prints during the stop then waits for ever."),
    full(Scenario::Stdin, "stdin", "any standard input will do",
        "Starts it with a closed stdin, with a pipe that stays open (docker run -i), and with a terminal (docker run -t), \
         beside the empty one of all other runs. Fails when it does not become ready, ends by itself, or stops worse."),
    check(Profile::Full, "notify", "what it says by sd_notify is told",
        "Tells which messages came after the signal (STOPPING=1, EXTEND_TIMEOUT_USEC=). Never fails. Skipped when it \
         sends none at all."),
];

/// The check of that name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// `--list`.
#[must_use]
pub fn list() -> String {
    let mut text = String::new();
    for profile in Profile::ALL {
        let _ = writeln!(text, "{}", profile.name());
        for check in CHECKS.iter().filter(|check| check.profile == profile) {
            let _ = writeln!(text, "  {:<15} {}", check.id, check.about);
        }
    }
    text
}

/// `--explain ID`.
#[must_use]
pub fn explain(check: &Check) -> String {
    format!("{} ({}): {}\n\n{}\n", check.id, check.profile.name(), check.about, check.more)
}
