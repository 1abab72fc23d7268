//! Checks of other stops: by other signals, twice, early, by SIGKILL; and of the start that follows.

use super::check::{Case, Check, Judge, Profile};
use super::verdict::{Verdict, Word};
use super::{connections, left, stop};
use crate::check::observed::{Before, Observed, Readiness, Record, Takes};
use crate::check::options::Options;
use crate::check::runs::scenario::Scenario;
use crate::check::time::{ms, short};
use crate::lifecycle::signal::Signal;
use crate::record::schema::ExitRecord;
use crate::text::counted;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[
    DOUBLE_TERM,
    SIGINT,
    CTRL_C,
    STARTUP,
    PID1,
    KILL_RESTART,
    KILL_ORPHANS,
    TERM_RESTART,
    SIGHUP,
    SIGQUIT,
    GROUP_VS_LEADER,
    STOPPED,
    WORKER_KILLED,
    DEPENDENCY_GONE,
    STDOUT_FULL,
];

/// The first of the usual checks that fails or is inconclusive.
fn worst(options: &Options, seen: &Observed, record: &Record) -> Option<Verdict> {
    let all = [
        stop::stops(options, seen, record),
        stop::exit_status(options, record),
        left::stragglers(options, seen, record),
        left::output(seen),
    ];
    all.into_iter().find(|verdict| matches!(verdict.word(), Word::Fail | Word::Inconclusive))
}

const GROUP_VS_LEADER: Check = Check {
    id: "group-vs-leader",
    profile: Profile::Full,
    scenario: Scenario::Group,
    about: "the signal can go to the whole process group",
    more: "Sends the stop signal to the whole process group at once, as some service managers do, with \
         requests under way if --slow is given. Fails when the server stops worse than by a signal to the \
         main process.",
    judge: Judge::Stop(|case| as_good(GROUP_VS_LEADER.id, case)),
};

const STOPPED: Check = Check {
    id: "stopped",
    profile: Profile::Full,
    scenario: Scenario::Stopped,
    about: "a suspended server stops as well",
    more: "Suspends the main process (SIGSTOP), sends the stop signal, and continues it. Fails when the \
         server stops worse than usual.",
    judge: Judge::Stop(|case| as_good(STOPPED.id, case)),
};

const WORKER_KILLED: Check = Check {
    id: "worker-killed",
    profile: Profile::Full,
    scenario: Scenario::WorkerKilled,
    about: "the server stops after a child was killed",
    more: "Kills one of the server's children, then sends the stop signal. Fails when the server stops \
         worse than usual. Skipped when it has no children.",
    judge: Judge::Stop(|case| as_good(WORKER_KILLED.id, case)),
};

const DEPENDENCY_GONE: Check = Check {
    id: "dependency-gone",
    profile: Profile::Full,
    scenario: Scenario::Broken,
    about: "the server stops when its database is gone",
    more: "Runs --break COMMAND (which stops a database, say) before the signal. Fails when the server \
         stops worse than usual: many hang when they close a pool of connections. Without --break it is \
         skipped.",
    judge: Judge::Stop(|case| as_good(DEPENDENCY_GONE.id, case)),
};

const STDOUT_FULL: Check = Check {
    id: "stdout-full",
    profile: Profile::Full,
    scenario: Scenario::FullOutput,
    about: "the server stops although its output is not read",
    more: "Stops reading stdout and stderr and lets their pipes fill up before the signal, as a log shipper \
         that hangs does. Fails when the server stops worse than usual: a thread that prints during the \
         stop waits for ever.",
    judge: Judge::Stop(|case| as_good(STDOUT_FULL.id, case)),
};

/// Passes a stop that is as good as a plain one, else says what was worse.
pub(super) fn as_good(id: &'static str, case: &Case<'_>) -> Verdict {
    let Case { options, all, seen, record, .. } = *case;
    if let Some(worse) = worst(options, seen, record) {
        let usual = all.plain.record.as_ref().and_then(|record| worst(options, &all.plain, record));
        if usual.is_some_and(|usual| usual.id == worse.id && usual.word() == worse.word()) {
            return Verdict::skip(id, format!("no worse than a plain stop, see {}", worse.id));
        }
        let summary = format!("{}: {}", worse.id, worse.summary);
        return worse.of(id, summary);
    }
    let usually_lost = all.of(Scenario::Requests).next().map_or(0, connections::lost);
    match connections::lost(seen) {
        0 => Verdict::pass(id, format!("in {}", short(record.stop_ms().unwrap_or_default()))),
        lost if lost <= usually_lost => Verdict::skip(id, "no worse than a plain stop, see in-flight"),
        lost => {
            let held = counted(seen.held.len(), "request", "s");
            Verdict::fail(id, format!("{lost} of {held} under way lost"), connections::FINISH)
        }
    }
}

const DOUBLE_TERM: Check = Check {
    id: "double-term",
    profile: Profile::Standard,
    scenario: Scenario::Twice,
    about: "a second stop signal changes nothing",
    more: "Sends the stop signal again after 2 ms, as operators and platforms do. Fails when the server \
         stops worse than after one signal. Warns where it dies of the second one, had nothing to do, and \
         usually stops within milliseconds: the signal may have met its end. --slow gives it something to do.",
    judge: Judge::Stop(twice),
};

/// A stop that is over in less may end before the second signal comes.
const AT_ONCE_MS: u64 = 50;

/// Whether a server that died of the second signal had nothing left to do, as far as can be seen.
fn may_have_met_the_end(case: &Case<'_>) -> bool {
    let asked_with = case.options.stop_signal().name();
    let died_of_it = case.record.exit.as_ref().is_some_and(|exit| exit.signal.as_ref() == Some(&asked_with));
    let usual_ms = case.all.plain.record.as_ref().and_then(Record::stop_ms);
    died_of_it && case.seen.held.is_empty() && usual_ms.is_some_and(|ms| ms < AT_ONCE_MS)
}

fn twice(case: &Case<'_>) -> Verdict {
    const WORK: &str =
        "give it a request to finish (--slow URL): then the second signal comes in the middle of the stop";
    const ONCE: &str = "treat a second signal as the same request; keep the shortcut for SIGINT";
    let once = case.all.plain.record.as_ref().and_then(|record| record.exit.clone());
    let twice = &case.record.exit;
    let verdict = as_good(DOUBLE_TERM.id, case);
    if verdict.word() == Word::Pass && *twice != once {
        let describe =
            |exit: Option<&ExitRecord>| exit.map_or_else(|| "no end".to_owned(), ToString::to_string);
        let text =
            format!("{} after two signals, {} after one", describe(twice.as_ref()), describe(once.as_ref()));
        if may_have_met_the_end(case) {
            return Verdict::warn(DOUBLE_TERM.id, text, WORK).because(
                "its stop is over within milliseconds: the second signal may have come when its handler was gone, as at \
                 the end of a Python interpreter",
            );
        }
        return Verdict::fail(DOUBLE_TERM.id, text, ONCE);
    }
    if verdict.word() == Word::Fail { verdict.remedy(ONCE) } else { verdict }
}

const SIGHUP: Check = Check {
    id: "sighup",
    profile: Profile::Full,
    scenario: Scenario::Hup,
    about: "shows what SIGHUP does",
    more: "Sends SIGHUP instead of the stop signal, and shows the effect: some servers read their \
         configuration again, others die of it. Never fails.",
    judge: Judge::Stop(|case| other(SIGHUP.id, case.record)),
};

const SIGQUIT: Check = Check {
    id: "sigquit",
    profile: Profile::Full,
    scenario: Scenario::Quit,
    about: "shows what SIGQUIT does",
    more: "Sends SIGQUIT instead of the stop signal, and shows the effect: some servers stop gracefully, a \
         JVM prints its threads, most programs die of it with a core dump. Never fails.",
    judge: Judge::Stop(|case| other(SIGQUIT.id, case.record)),
};

/// For information only.
fn other(id: &'static str, record: &Record) -> Verdict {
    let name = id.to_ascii_uppercase();
    let text = match &record.exit {
        Some(exit) if !record.was_killed() => format!("{name} ends the server: {exit}"),
        _ => format!("{name} does not stop the server"),
    };
    Verdict::pass(id, text)
}

const SIGINT: Check = Check {
    id: "sigint",
    profile: Profile::Standard,
    scenario: Scenario::Int,
    about: "SIGINT stops the server as well",
    more: "Sends SIGINT, as Ctrl+C does. Fails when the server stops worse than by the stop signal.",
    judge: Judge::Stop(interrupt),
};

fn interrupt(case: &Case<'_>) -> Verdict {
    let has_handler = |before: &Before| before.takes != Some(Takes::Default);
    let verdict = as_good(SIGINT.id, &Case { options: &by_int(case.options), ..*case });
    let is_worse = !has_handler(case.before) && case.all.plain.before.as_ref().is_some_and(has_handler);
    if verdict.word() == Word::Pass && is_worse {
        let text = "no handler for SIGINT: it ends the server at once, the stop signal does not";
        return Verdict::fail(SIGINT.id, text, "install the handler for SIGINT, too");
    }
    verdict
}

const CTRL_C: Check = Check {
    id: "ctrl-c",
    profile: Profile::Standard,
    scenario: Scenario::CtrlC,
    about: "Ctrl+C in a terminal stops the server as well",
    more: "Sends SIGINT to the whole process group, twice. Fails when the server crashes, leaves processes, \
         or has to be killed: its children get the signal, too, and may end before their parent.",
    judge: Judge::Stop(ctrl_c),
};

fn ctrl_c(case: &Case<'_>) -> Verdict {
    as_good(CTRL_C.id, &Case { options: &by_int(case.options), ..*case })
}

/// The options under which a death by SIGINT is as good as one by the stop signal.
fn by_int(options: &Options) -> Options {
    Options { signal: Some(Signal::INT), ..options.clone() }
}

const STARTUP: Check = Check {
    id: "startup",
    profile: Profile::Standard,
    scenario: Scenario::Startup,
    about: "the server can be stopped while it starts",
    more: "Sends the stop signal 0, 5, 20, 50, 100 and 250 ms after the start. Fails when the server has to \
         be killed, or leaves processes or files.",
    judge: Judge::Runs(|run| startup(run.options, run.all.of(Scenario::Startup))),
};

fn startup<'a>(options: &Options, runs: impl Iterator<Item = &'a Observed>) -> Verdict {
    let (mut all, mut unprotected, mut starved) = (0, 0, 0);
    for seen in runs {
        all += 1;
        let Some(record) = &seen.record else { continue };
        let was_killed = record.was_killed();
        starved += usize::from(was_killed && seen.is_starved());
        if was_killed && !seen.is_starved() {
            let text = "asked to stop during its start, the server had to be killed";
            let remedy = "handle the stop signal from the start: until the handler is there, leave the signal its default";
            return Verdict::fail(STARTUP.id, text, remedy).explained(record).said(&seen.output.last);
        }
        let (lingering, files) = (left::lingering(options, seen), left::files(options, seen));
        if !lingering.is_empty() {
            let text = format!(
                "asked to stop during its start, the server left processes: {}",
                lingering.join(", ")
            );
            return Verdict::fail(
                STARTUP.id,
                text,
                "end and wait for all children, also when the start was not complete",
            );
        }
        if files.word() == Word::Fail {
            return Verdict::fail(
                STARTUP.id,
                format!("asked to stop during its start: {}", files.summary),
                "remove these files also when the start was not complete",
            );
        }
        let ended_by_signal = record.exit.as_ref().is_some_and(|exit| exit.signal.is_some());
        unprotected += usize::from(ended_by_signal);
    }
    if starved > 0 {
        return Verdict::inconclusive(STARTUP.id, "the machine was too busy to tell");
    }
    let text = format!("ended {all} of {all} times, {unprotected} of them before there was a handler");
    Verdict::pass(STARTUP.id, text)
}

const PID1: Check = Check {
    id: "pid1",
    profile: Profile::Standard,
    scenario: Scenario::Pid1,
    about: "the server stops as PID 1 of a container",
    more: "Runs the server as the first process of a PID namespace: the kernel drops signals for which such \
         a process has no handler. Fails when the server is still there at the limit. Skipped where no \
         namespace can be made.",
    judge: Judge::Stop(pid1),
};

fn pid1(case: &Case<'_>) -> Verdict {
    let Case { options, all, seen, before, .. } = *case;
    let limit_ms = ms(options.limit);
    if seen.took_ms < limit_ms {
        return Verdict::pass(PID1.id, format!("in {}", short(seen.took_ms)));
    }
    if seen.is_starved() {
        return Verdict::inconclusive(PID1.id, "the machine was too busy to tell");
    }
    let text = format!("as PID 1 the server is still there after {}", short(limit_ms));
    match before.takes {
        Some(Takes::Dropped) => Verdict::fail(
            PID1.id,
            text,
            "install a handler, or run it under an init: ENTRYPOINT [\"winddown\", \"--\", ...]",
        )
        .because("it has no handler: the kernel drops the signal for such a PID 1"),
        _ if all.plain.record.as_ref().is_some_and(Record::was_killed) => {
            Verdict::skip(PID1.id, "no worse than a plain stop, see stops")
        }
        _ => Verdict::fail(
            PID1.id,
            text,
            "let it do the same as PID 1 as elsewhere, or run it under an init: ENTRYPOINT [\"winddown\", \"--\", ...]",
        ),
    }
}

const KILL_ORPHANS: Check = Check {
    id: "kill-orphans",
    profile: Profile::Standard,
    scenario: Scenario::Kill,
    about: "the server's children end when it is killed",
    more: "Kills the main process alone. Fails when its children live on: let them watch their parent \
         (PR_SET_PDEATHSIG, or a pipe).",
    judge: Judge::Stop(|case| orphans(case.options, case.seen, case.record)),
};

fn orphans(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    let found = left::stragglers(options, seen, record);
    let summary = found.summary.clone();
    let verdict = found.of(KILL_ORPHANS.id, summary);
    match verdict.word() {
        Word::Fail | Word::Warn => {
            verdict.remedy("let the children watch their parent: PR_SET_PDEATHSIG, or the end of a pipe")
        }
        _ => verdict,
    }
}

/// How much of the output shows why the server does not start again.
const RESTART_LINES: usize = 5;
const CLEAN_START: &str =
    "on startup, remove what a dead server left behind (pid file, socket, lock), and bind with SO_REUSEADDR";

const KILL_RESTART: Check = Check {
    id: "kill-restart",
    profile: Profile::Standard,
    scenario: Scenario::KillRestart,
    about: "the server starts again after SIGKILL",
    more: "Kills the server and starts it again in the same place. Fails when it does not become ready: a \
         stale pid file, socket or lock is the usual reason.",
    judge: Judge::Restart(|run| restart(KILL_RESTART.id, run.seen)),
};

const TERM_RESTART: Check = Check {
    id: "term-restart",
    profile: Profile::Standard,
    scenario: Scenario::TermRestart,
    about: "the server starts again at once",
    more: "Stops the server and starts it again at once. Fails when it does not become ready: 'address \
         already in use' is the usual reason, and SO_REUSEADDR the usual remedy.",
    judge: Judge::Restart(|run| restart(TERM_RESTART.id, run.seen)),
};

fn restart(id: &'static str, seen: &Observed) -> Verdict {
    let last = &seen.output.last;
    let last = &last[last.len().saturating_sub(RESTART_LINES)..];
    let fail = |text: String| Verdict::fail(id, text, CLEAN_START).said(last);
    let inconclusive = |text: &str| Verdict::inconclusive(id, text).said(last);
    // A first start that fails trips over what the run before has left.
    match seen.restart.as_ref().or(Some(&seen.readiness).filter(|_| !seen.is_ready())) {
        Some(Readiness::Ready { after_ms, .. }) => {
            Verdict::pass(id, format!("ready again after {}", short(*after_ms)))
        }
        Some(Readiness::Ended { how }) => fail(format!("started again, the server {how}")),
        Some(Readiness::TimedOut { seen: what, .. }) => {
            fail(format!("started again, the server is not ready: {what}"))
        }
        Some(Readiness::NotRun { why, .. }) => inconclusive(why),
        None => inconclusive("the server was not started again"),
    }
}
