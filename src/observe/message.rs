//! Facts in words: one line each.

use std::time::Duration;

use super::{Fact, Sender, Survivor};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::machine::Cause;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::plan::Limit;
use crate::lifecycle::signal::{Origin, Signal};
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

/// `systemd (pid 1, uid 0)`, `the terminal`.
#[must_use]
pub fn sender(sender: &Sender) -> String {
    match (sender.origin, &sender.name) {
        (Origin::Kernel, _) => "the terminal".to_owned(),
        (Origin::Process { pid: 0, uid }, _) => format!("outside the container (pid 0, uid {uid})"),
        (Origin::Process { pid, uid }, Some(name)) => format!("{name} (pid {pid}, uid {uid})"),
        (Origin::Process { pid, uid }, None) => {
            let what = if sender.is_gone { "a process that is gone" } else { "a process" };
            format!("{what} (pid {pid}, uid {uid})")
        }
    }
}

/// `30s`, `infinity`.
#[must_use]
pub fn limit(limit: Limit) -> String {
    limit.length().map_or_else(|| "infinity".to_owned(), short)
}

/// The line for people. Whatever is only for the record has none.
#[must_use]
pub fn line(fact: &Fact, limit_origin: &str) -> Option<String> {
    Some(match fact {
        Fact::Phase(_) => return None,
        Fact::Started(main) => format!("started {}", process(main)),
        Fact::NotStarted(why) => why.clone(),
        Fact::Forwarded { signal, sender: by, forwarded } => match forwarded {
            Some(sent) if sent == signal => format!("{signal} from {}: forwarded", sender(by)),
            Some(sent) => format!("{signal} from {}: forwarded as {sent}", sender(by)),
            None => format!("{signal} from {}: dropped (--map)", sender(by)),
        },
        Fact::Sent(sent, _) => {
            let error = sent.error.as_ref().filter(|error| error.raw_os_error() != Some(libc::ESRCH))?;
            format!("{} could not be sent to {}: {error}", sent.signal, process(&sent.target))
        }
        Fact::Reaped(child, how) => format!("reaped {}, which {}", process(child), exit(*how)),
        Fact::MainStopped(main) => format!("{} was stopped; SIGCONT lets it go on", process(main)),
        Fact::StopRequested { .. } => stop_requested(fact, limit_origin)?,
        Fact::Repeated { received, sender: by, forwarded } => {
            let signal = received.signal;
            match forwarded {
                Some(sent) => {
                    format!("{signal} from {} while stopping: passed on once as {sent}", sender(by))
                }
                None if received.main_has_it => {
                    format!("{signal} from {} while stopping", sender(by))
                }
                None => format!("{signal} from {} while stopping: not passed on", sender(by)),
            }
        }
        Fact::Abandoned { kill_in } => format!("winddown itself was killed: SIGKILL in {}", short(*kill_in)),
        Fact::NoGuard(error) => format!("no guard: {error}; if winddown is killed, the workload may live on"),
        Fact::KillAsked(by) => {
            format!("{} again from {}: killing at once", Signal::INT, sender(by))
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
        Fact::Killing { after, victims } => {
            format!(
                "SIGKILL after {} to {}: {}",
                short(*after),
                counted(victims.len(), "process", "es"),
                processes(victims)
            )
        }
        Fact::GaveUp { waited, survivors } => gave_up(*waited, survivors),
        Fact::Ended { .. } => ended(fact)?,
        Fact::RecordFailed { file, error } => {
            format!("--record {file}: {error}; the run is not recorded")
        }
    })
}

fn counted(count: usize, noun: &str, plural: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}{plural}") }
}

fn asking(asked: &[Process]) -> String {
    if asked.is_empty() {
        return "waiting for those already asked".to_owned();
    }
    format!("asking {}: {}", counted(asked.len(), "straggler", "s"), processes(asked))
}

fn stop_requested(fact: &Fact, limit_origin: &str) -> Option<String> {
    let Fact::StopRequested { cause, sender: by, main, main_exit, asked, kill_in } = fact else {
        return None;
    };
    let when = match kill_in {
        Some(Duration::ZERO) => format!("SIGKILL at once ({limit_origin})"),
        Some(left) if *cause == Cause::Abandoned => format!("SIGKILL in {}", short(*left)),
        Some(left) => format!("SIGKILL in {} ({limit_origin})", short(*left)),
        None => format!("no SIGKILL ({limit_origin})"),
    };
    let who = by.as_ref().map(sender).unwrap_or_default();
    Some(match cause {
        Cause::Signal(received) if received.hangup => {
            format!("{} from {who}: the terminal is gone, stopping, {when}", received.signal)
        }
        Cause::Signal(received) if received.origin == Origin::Kernel => format!(
            "{} from {who}: stopping, {when}; --stop-on TERM is for programs that live on after Ctrl+C",
            received.signal
        ),
        Cause::Signal(received) => format!("{} from {who}: stopping, {when}", received.signal),
        Cause::Abandoned => format!("winddown itself was killed: stopping everything, {when}"),
        Cause::RunLimit => format!("the run limit is reached: stopping, {when}"),
        Cause::MainExited => {
            let how = main_exit.map(exit).unwrap_or_default();
            format!("{} {how}; {}, {when}", process(main), asking(asked))
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
    let took = took.map(|took| format!(" in {} of {}", short(took), limit(*length))).unwrap_or_default();
    let verb = match outcome {
        Outcome::Killed => "killed",
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
