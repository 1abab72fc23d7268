//! All checks: the one source for `--list`, `--explain` and docs/check.md.

use std::fmt::Write;

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Profile {
    /// Everything that one stop can show.
    #[default]
    Quick,
}

impl Profile {
    /// All of them, the smallest first.
    pub const ALL: [Self; 1] = [Self::Quick];

    /// As it is given on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
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
    /// What it looks at, in one line.
    pub about: &'static str,
    /// When it fails, why that hurts, and what to do about it.
    pub more: &'static str,
}

const fn check(profile: Profile, id: &'static str, about: &'static str, more: &'static str) -> Check {
    Check { id, profile, about, more }
}

/// All checks, in the order in which they are told.
#[rustfmt::skip]
pub static CHECKS: [Check; 12] = [
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
            let _ = writeln!(text, "  {:<14} {}", check.id, check.about);
        }
    }
    text
}

/// `--explain ID`.
#[must_use]
pub fn explain(check: &Check) -> String {
    format!("{} ({}): {}\n\n{}\n", check.id, check.profile.name(), check.about, check.more)
}
