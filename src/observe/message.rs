//! Facts in words: one line each.

use std::time::Duration;

use super::{Fact, Sender, Survivor};
use crate::lifecycle::event::{Cause, Received};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::plan::{Action, Dump, Limit, Target};
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::reason;
use crate::os::tree::Process;

/// More than these are counted, not named.
const NAMED_MAX: usize = 8;

/// `250ms`, `16.8s`, `2m 5s`: as exact as somebody who waited for it cares.
#[must_use]
pub fn short(duration: Duration) -> String {
    let milliseconds = duration.saturating_add(Duration::from_micros(500)).as_millis();
    if milliseconds < 1000 {
        return format!("{milliseconds}ms");
    }
    if duration.as_secs() >= 60 {
        return humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
    }
    let tenths = milliseconds / 100;
    if tenths.is_multiple_of(10) {
        format!("{}s", tenths / 10)
    } else {
        format!("{}.{}s", tenths / 10, tenths % 10)
    }
}

/// `server (pid 4711)`.
#[must_use]
pub fn process(process: &Process) -> String {
    if process.name.is_empty() {
        format!("pid {}", process.pid)
    } else {
        format!("{} (pid {})", process.name, process.pid)
    }
}

/// `server (pid 4711), worker (pid 4720)`, and how many others.
#[must_use]
pub fn processes(list: &[Process]) -> String {
    let named: Vec<String> = list.iter().take(NAMED_MAX).map(process).collect();
    match list.len().saturating_sub(NAMED_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// `exited with 0`, `died of SIGTERM`.
#[must_use]
pub fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with {code}"),
        Exit::Signal(signal) => format!("died of {signal}"),
    }
}

/// Signals that the kernel sends on behalf of a terminal: its keys, its size, its end.
const OF_TERMINALS: [Signal; 6] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::CONT, Signal::TSTP, Signal::WINCH];

/// `SIGTERM from systemd (pid 1, uid 0)`, `SIGINT from the terminal`.
fn signal_from(signal: Signal, sender: &Sender) -> String {
    format!("{signal} {}", from(signal, sender))
}

/// `from systemd (pid 1, uid 0)`, `from the terminal`.
fn from(signal: Signal, sender: &Sender) -> String {
    let sender = match (sender.origin, &sender.name) {
        (Origin::Kernel, _) if OF_TERMINALS.contains(&signal) => "the terminal".to_owned(),
        (Origin::Kernel, _) => "the kernel".to_owned(),
        (Origin::Process { pid: 0, uid }, _) => format!("outside the container (pid 0, uid {uid})"),
        (Origin::Process { pid, uid }, Some(name)) => format!("{name} (pid {pid}, uid {uid})"),
        (Origin::Process { pid, uid }, None) => {
            let gone = if sender.is_gone { " that is gone" } else { "" };
            format!("a process{gone} (pid {pid}, uid {uid})")
        }
    };
    format!("from {sender}")
}

/// `30s`, `infinity`.
#[must_use]
pub fn limit(limit: Limit) -> String {
    limit.length().map_or_else(|| "infinity".to_owned(), short)
}

/// The lines for people. Whatever is only for the record has none.
#[must_use]
pub fn lines(fact: &Fact, limit_origin: &str) -> Vec<String> {
    match fact {
        Fact::PostMortem(found) if cfg!(feature = "postmortem") => found.lines(),
        _ => line(fact, limit_origin).into_iter().collect(),
    }
}

fn line(fact: &Fact, limit_origin: &str) -> Option<String> {
    Some(match fact {
        Fact::Phase(_) | Fact::PostMortem(_) => return None,
        Fact::Started(main) => format!("started {}", process(main)),
        Fact::NotStarted(why) => why.clone(),
        Fact::Forwarded { signal, sender: by, forwarded } => match forwarded {
            Some(sent) if sent == signal => format!("{}: forwarded", signal_from(*signal, by)),
            Some(sent) => format!("{}: forwarded as {sent}", signal_from(*signal, by)),
            None => format!("{}: dropped (--map)", signal_from(*signal, by)),
        },
        Fact::Sent(sent, _) => {
            let error = sent.error.as_ref().filter(|error| error.raw_os_error() != Some(libc::ESRCH))?;
            format!("{} could not be sent to {}: {}", sent.signal, process(&sent.target), reason(error))
        }
        Fact::Reaped(child, how) => format!("reaped {}, which {}", process(child), exit(*how)),
        Fact::MainStopped(main) => format!("{} was stopped; SIGCONT lets it go on", process(main)),
        Fact::StopRequested { .. } => stop_requested(fact, limit_origin)?,
        Fact::Repeated { received, sender: by, forwarded } => {
            let what = signal_from(received.signal, by);
            match forwarded {
                Some(sent) => format!("{what} while stopping: passed on once as {sent}"),
                None if received.main_has_it => format!("{what} while stopping"),
                None => format!("{what} while stopping: not passed on"),
            }
        }
        Fact::Abandoned { kill_in } => format!("winddown itself was killed: SIGKILL in {}", short(*kill_in)),
        Fact::Step { number, count, action, hook, share } => {
            let lasts = share.map(|share| format!(", {}", short(share))).unwrap_or_default();
            format!("step {number} of {count}: {}{lasts}", step(*action, hook.as_deref()))
        }
        Fact::Dumped(targets) if targets.is_empty() => {
            "nobody to dump: neither a JVM nor a Go program is left (--dump-signal auto)".to_owned()
        }
        Fact::Dumped(targets) => format!("dump asked of {}", processes(targets)),
        Fact::HookEnded { hook, exit: how } => format!("hook '{hook}' {}", exit(*how)),
        Fact::HookFailed { hook, error } => format!("hook '{hook}' could not be started: {}", reason(error)),
        Fact::HookOverran { hook } => format!("hook '{hook}' had no time left and was killed"),
        Fact::Extended { by, kill_in, requester } => {
            let when = kill_in.map(|left| format!(", SIGKILL in {}", short(left))).unwrap_or_default();
            format!("{} more for {}{when}", short(*by), asker(requester.as_ref()))
        }
        Fact::NotExtended { wanted, requester } => {
            let wanted = short(*wanted);
            format!("{} asked for {wanted}: not granted (--extend-max)", asker(requester.as_ref()))
        }
        Fact::NoGuard(error) => {
            format!("no guard: {}; if winddown is killed, the workload may live on", reason(error))
        }
        Fact::KillAsked(by) => {
            format!("{} again {}: killing at once", Signal::INT, from(Signal::INT, by))
        }
        Fact::HalfTime { left, there } => {
            format!("{} left; still there: {}", short(*left), processes(there))
        }
        Fact::ShellWaits { shell, child } => format!(
            "{} waits for {}, which was not asked: start it with `exec` in the script, or use --to all",
            process(shell),
            process(child)
        ),
        Fact::MainExited { main, exit: how, after, asked } => {
            format!("{} {} after {}; {}", process(main), exit(*how), short(*after), asking(asked))
        }
        Fact::Killing { after, victims } if victims.is_empty() => {
            format!("SIGKILL after {} to whatever is left", short(*after))
        }
        Fact::Killing { after, victims } => {
            format!(
                "SIGKILL after {} to {}: {}",
                short(*after),
                counted(victims.len(), "process", "es"),
                processes(victims)
            )
        }
        Fact::KilledByOthers { main, oom_kills } => {
            let kills = oom_kills.filter(|kills| *kills > 0)?;
            let told = if kills == 1 { "1 OOM kill".to_owned() } else { format!("{kills} OOM kills") };
            format!(
                "{} died of SIGKILL, not by winddown; its control group counts {told}: memory ran out",
                process(main)
            )
        }
        Fact::GaveUp { waited, survivors } => gave_up(*waited, survivors),
        Fact::Ended { .. } => ended(fact)?,
        Fact::TokenFailed { file, error } => {
            format!("--token {file}: {}; the stop is not told there", reason(error))
        }
        Fact::RecordFailed { file, error } => {
            format!("--record {file}: {}; the run is not recorded", reason(error))
        }
    })
}

fn asker(requester: Option<&Process>) -> String {
    requester.map_or_else(|| "the workload".to_owned(), process)
}

/// `SIGUSR1 to main`, `waiting`, `running './drain'`.
fn step(action: Action, hook: Option<&str>) -> String {
    match action {
        Action::Wait => "waiting".to_owned(),
        Action::Run(_) => format!("running '{}'", hook.unwrap_or_default()),
        Action::Signal(signal, to) => {
            let name = signal.map_or_else(|| "the signal received".to_owned(), |signal| signal.to_string());
            format!("{name} to {}", if to == Target::All { "all" } else { "main" })
        }
        Action::Dump(to) => dump(to),
        Action::Kill => "SIGKILL to all".to_owned(),
    }
}

/// `SIGQUIT for a dump to JVM and Go`, `SIGABRT for a dump to all`.
#[must_use]
pub fn dump(dump: Dump) -> String {
    match dump {
        Dump::Auto => format!("{} for a dump to JVM and Go", Signal::QUIT),
        Dump::Signal(signal) => format!("{signal} for a dump to all"),
    }
}

/// `1 straggler`, `3 stragglers`.
#[must_use]
pub fn counted(count: usize, noun: &str, plural: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}{plural}") }
}

fn asking(asked: &[Process]) -> String {
    if asked.is_empty() {
        return "waiting for those already asked".to_owned();
    }
    format!("asking {}: {}", counted(asked.len(), "straggler", "s"), processes(asked))
}

fn stop_requested(fact: &Fact, limit_origin: &str) -> Option<String> {
    let Fact::StopRequested { cause, sender: by, main, main_exit, asked_with, asked, kill_in } = fact else {
        return None;
    };
    let when = match kill_in {
        Some(Duration::ZERO) => format!("SIGKILL at once ({limit_origin})"),
        Some(left) if *cause == Cause::Abandoned => format!("SIGKILL in {}", short(*left)),
        Some(left) => format!("SIGKILL in {} ({limit_origin})", short(*left)),
        None => format!("no SIGKILL ({limit_origin})"),
    };
    let what = |received: &Received| {
        by.as_ref().map_or_else(|| received.signal.to_string(), |by| signal_from(received.signal, by))
    };
    Some(match cause {
        Cause::Signal(received) if received.hangup => {
            format!("{}: the terminal is gone, stopping, {when}", what(received))
        }
        Cause::Signal(received) if received.signal == Signal::INT && received.origin == Origin::Kernel => {
            let again = match kill_in {
                Some(Duration::ZERO) => "",
                Some(_) => " or on another Ctrl+C",
                None => " but on another Ctrl+C",
            };
            let hint = "--stop-on TERM is for programs that live on after Ctrl+C";
            format!("{}: stopping, {when}{again}; {hint}", what(received))
        }
        Cause::Signal(received) => {
            let other = asked_with.filter(|asked| *asked != received.signal);
            let with = other.map(|asked| format!(" with {asked}")).unwrap_or_default();
            format!("{}: stopping{with}, {when}", what(received))
        }
        Cause::Abandoned => format!("winddown itself was killed: stopping everything, {when}"),
        Cause::ParentEnded => format!("winddown's parent has ended: stopping (--stop-with-parent), {when}"),
        Cause::Silent => format!("the workload has shown no sign of life (--watchdog): stopping, {when}"),
        Cause::RunLimit => {
            let left = kill_in.map(|left| format!(" in {}", short(left))).unwrap_or_default();
            format!("the run limit is reached{left}: stopping, {when}")
        }
        Cause::MainExited => {
            let how = main_exit.map(exit).unwrap_or_default();
            // Without a limit nobody is asked.
            let nobody_is_asked = asked.is_empty() && *kill_in == Some(Duration::ZERO);
            let what = if nobody_is_asked { "stragglers are left".to_owned() } else { asking(asked) };
            format!("{} {how}; {what}, {when}", process(main))
        }
    })
}

fn gave_up(waited: Duration, survivors: &[Survivor]) -> String {
    if survivors.is_empty() {
        return format!(
            "processes are still there {} after SIGKILL, and /proc does not tell which",
            short(waited)
        );
    }
    let named: Vec<String> = survivors
        .iter()
        .map(|survivor| format!("{}: {}", process(&survivor.process), survivor.reason))
        .collect();
    format!("still there {} after SIGKILL: {}", short(waited), named.join("; "))
}

fn ended(fact: &Fact) -> Option<String> {
    let Fact::Ended { outcome, main, main_exit, took, limit: length } = fact else {
        return None;
    };
    let how = main_exit.map_or_else(|| "is still there".to_owned(), exit);
    let in_time = |took: Duration| length.length().is_some_and(|length| took <= length);
    let took = match took {
        None => String::new(),
        Some(took) if in_time(*took) => format!(" in {} of {}", short(*took), limit(*length)),
        Some(took) => format!(" in {}", short(*took)),
    };
    let verb = match outcome {
        Outcome::Killed if *main_exit == Some(Exit::Signal(Signal::KILL)) => "killed",
        Outcome::Killed => "what was left was killed",
        Outcome::Stuck => "gave up",
        _ if took.is_empty() => "ended",
        _ => "stopped",
    };
    Some(format!("{verb}{took}: {} {how}", process(main)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_people_care() {
        for (milliseconds, text) in
            [(0, "0ms"), (250, "250ms"), (1000, "1s"), (16_849, "16.8s"), (30_000, "30s"), (90_500, "1m 30s")]
        {
            assert_eq!(short(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let list: Vec<Process> = (1..=10).map(|pid| Process { pid, name: "w".into() }).collect();
        assert!(processes(&list).ends_with("w (pid 8) and 2 more"));
    }
}
