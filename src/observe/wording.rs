//! Log lines: a fact in words.

use std::time::Duration;

use crate::fact::{Fact, Sender, Survivor};
use crate::lifecycle::cause::{Cause, Reach, Received};
use crate::lifecycle::event::NoRetry;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::plan::{Action, Dump, Limit};
use crate::lifecycle::retry::policy::CrashRate;
use crate::lifecycle::routing::Reason;
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::process::tree::Process;
use crate::os::reason;
use crate::postmortem::evidence::Room;
use crate::text::{and_more, counted, named, short};

/// Further processes are counted, not named.
const NAMED_MAX: usize = 8;

/// `server (pid 4711)`.
pub(crate) fn process(process: &Process) -> String {
    named(process.pid, &process.name)
}

/// `server (pid 4711), worker (pid 4720) and 3 more`.
pub(crate) fn processes(list: &[Process]) -> String {
    let first: Vec<String> = list.iter().take(NAMED_MAX).map(process).collect();
    and_more(&first, list.len().saturating_sub(NAMED_MAX))
}

/// `exited with 0`, `died of SIGTERM`.
pub(crate) fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with {code}"),
        Exit::Signal(signal) => format!("died of {signal}"),
    }
}

/// Signals that the kernel sends for a terminal: its keys, its size, its end.
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
pub(crate) fn limit(limit: Limit) -> String {
    limit.length().map_or_else(|| "infinity".to_owned(), short)
}

/// The lines for people; none for a fact that is only for the record.
pub(crate) fn lines(fact: &Fact, limit_origin: &str) -> Vec<String> {
    match fact {
        Fact::PostMortem(found) if cfg!(feature = "postmortem") => found.lines(Room::LOG),
        Fact::NotReady { doing, .. } => not_ready(fact).into_iter().chain(doing.iter().cloned()).collect(),
        _ => line(fact, limit_origin).into_iter().chain(whom_it_reached(fact)).collect(),
    }
}

fn line(fact: &Fact, limit_origin: &str) -> Option<String> {
    Some(match fact {
        Fact::Phase(_) | Fact::Try { .. } | Fact::PostMortem(_) | Fact::NotReady { .. } => return None,
        Fact::Started { process: main } => format!("started {}", process(main)),
        Fact::Ready { main, how, after } => {
            format!("{} is ready after {}: {how}", process(main), short(*after))
        }
        Fact::NotStarted { why: text } | Fact::Advice { text } => text.clone(),
        Fact::WatchdogWaits { length } => {
            format!("--watchdog {} begins with the first READY=1 or WATCHDOG=1", short(*length))
        }
        Fact::Forwarded { .. } => forwarded(fact)?,
        Fact::Sent { sent, .. } => {
            let error = sent.error.as_ref().filter(|error| error.raw_os_error() != Some(libc::ESRCH))?;
            format!("{} could not be sent to {}: {}", sent.signal, process(&sent.target), reason(error))
        }
        Fact::Reaped { process: child, exit: how } => {
            format!("reaped {}, which {}", process(child), exit(*how))
        }
        Fact::MainStopped { process: main } => format!("{} was stopped; SIGCONT resumes it", process(main)),
        Fact::StopRequested { .. } => stop_requested(fact, limit_origin)?,
        Fact::Repeated { received, sender: by, forwarded } => {
            let what = signal_from(received.signal, by);
            match forwarded {
                Ok(sent) => format!("{what} while stopping: passed on once as {sent}"),
                Err(_) if received.origin == Origin::Kernel && received.main_has_it() => {
                    format!("{what} while stopping")
                }
                Err(reason) => format!("{what} while stopping: not passed on ({})", why_not(*reason)),
            }
        }
        Fact::Abandoned { kill_in } => format!("winddown itself was killed: SIGKILL in {}", short(*kill_in)),
        Fact::Step { number, count, action, hook, share } => {
            let lasts = share.map(|share| format!(", {}", short(share))).unwrap_or_default();
            format!("step {number} of {count}: {}{lasts}", step(*action, hook.as_deref()))
        }
        Fact::Dumped { processes: targets } if targets.is_empty() => {
            "nothing to dump: no JVM and no Go program is left (--dump-signal auto)".to_owned()
        }
        Fact::Dumped { processes: targets } => format!("dump requested from {}", processes(targets)),
        Fact::HookEnded { hook, exit: how, why_not } => {
            let why_not = why_not.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("hook '{hook}' {}{why_not}", exit(*how))
        }
        Fact::HookFailed { hook, error } => format!("hook '{hook}' could not be started: {}", reason(error)),
        Fact::HookOverran { hook } => format!("hook '{hook}' had no time left and was killed"),
        Fact::Extended { .. } => extended(fact)?,
        Fact::NotExtended { wanted, requester } => {
            let wanted = short(*wanted);
            format!("{} asked for {wanted}: not granted (--extend-max)", asker(requester.as_ref()))
        }
        Fact::NoGuard { error } => {
            format!("no guard: {}; if winddown is killed, the workload may live on", reason(error))
        }
        Fact::KillAsked { sender: by } => {
            format!("{} again {}: killing at once", Signal::INT, from(Signal::INT, by))
        }
        Fact::HalfTime { left, there } => {
            format!("{} left; still there: {}", short(*left), processes(there))
        }
        Fact::InterruptOutlived { process: main } => format!(
            "{} is still there after Ctrl+C: use --stop-on TERM for a program that keeps running on Ctrl+C",
            process(main)
        ),
        Fact::ShellWaits { shell, child } => format!(
            "{} waits for {}, which was not asked: start it with `exec` in the script, or use --to all",
            process(shell),
            process(child)
        ),
        Fact::StragglerGrace { main, grace } => format!(
            "{} has ended; what it left has {} to end by itself (--straggler-grace)",
            process(main),
            short(*grace)
        ),
        Fact::MainExited { .. } => main_exited(fact)?,
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
        Fact::KilledByOthers { .. } => killed_by_others(fact)?,
        Fact::GaveUp { waited, survivors } => gave_up(*waited, survivors),
        Fact::TryEnded { .. } => try_failed(fact)?,
        Fact::NoFurtherTry { why, sender: by } => no_further_try(*why, by.as_ref()),
        Fact::Ended { .. } => ended(fact)?,
        Fact::TokenFailed { .. } | Fact::ReadyFileFailed { .. } | Fact::RecordFailed { .. } => {
            not_written(fact)?
        }
    })
}

fn not_written(fact: &Fact) -> Option<String> {
    let (option, file, error, therefore) = match fact {
        Fact::TokenFailed { file, error } => ("token", file, error, "the stop is not announced there"),
        Fact::ReadyFileFailed { file, error } => {
            ("ready-file", file, error, "that the workload is ready is not shown there")
        }
        Fact::RecordFailed { file, error } => ("record", file, error, "the run is not recorded"),
        _ => return None,
    };
    Some(format!("--{option} {file}: {}; {therefore}", reason(error)))
}

/// What was seen instead of what was asked for.
fn not_ready(fact: &Fact) -> Option<String> {
    let Fact::NotReady { main, within, listens_on, sees_all, missing, .. } = fact else { return None };
    let listens = match listens_on.len() {
        0 if *sees_all => "listens nowhere".to_owned(),
        0 => "where it listens can't be seen".to_owned(),
        count => {
            let first: Vec<String> = listens_on.iter().take(NAMED_MAX).cloned().collect();
            format!("listens on {}", and_more(&first, count.saturating_sub(NAMED_MAX)))
        }
    };
    let within = short(*within);
    Some(format!(
        "{} is not ready within {within} (--start-limit): {listens}, you asked for {missing}",
        process(main)
    ))
}

/// Why a signal was not passed on.
const fn why_not(reason: Reason) -> &'static str {
    match reason {
        Reason::Own => "winddown sent it",
        Reason::Internal => "it is about winddown itself",
        Reason::Copy => "winddown's other process already got it",
        Reason::Group => "it was sent to the whole group",
        Reason::Everyone => "it was sent to every process",
        Reason::Map => "--map",
        Reason::Ended => "the main process has ended",
        Reason::Killing => "SIGKILL was sent",
        Reason::Given => "the main process already has it",
        Reason::Repeat => "a repeat",
        Reason::Workload => "it came from the workload",
        Reason::Plan => "the plan has steps of its own",
        Reason::SamePress => "the same key press",
    }
}

fn passed_on(signal: Signal, by: &Sender, forwarded: Result<Signal, Reason>) -> String {
    let what = signal_from(signal, by);
    match forwarded {
        Ok(sent) if sent == signal => format!("{what}: forwarded"),
        Ok(sent) => format!("{what}: forwarded as {sent}"),
        Err(Reason::Map) => format!("{what}: dropped (--map)"),
        Err(reason) => format!("{what}: not passed on ({})", why_not(reason)),
    }
}

fn killed_by_others(fact: &Fact) -> Option<String> {
    let Fact::KilledByOthers { main, oom_kills, of_machine, cpu_limit } = fact else { return None };
    let who = main.as_ref().map_or_else(|| "a process".to_owned(), process);
    let why = match cpu_limit {
        Some(limit) => format!("its CPU limit of {} is used up (ulimit -t)", short(*limit)),
        None => oom(*oom_kills, *of_machine),
    };
    Some(format!("{who} died of SIGKILL, not by winddown; {why}"))
}

/// What the kernel's count of OOM kills says about a SIGKILL.
fn oom(kills: Option<u64>, of_machine: bool) -> String {
    let counter = if of_machine { "the machine" } else { "its control group" };
    match kills {
        None => "OOM kills are not counted here (see dmesg)".to_owned(),
        Some(0) => format!("{counter} counts no OOM kill"),
        Some(kills) => {
            let somewhere = if of_machine { " somewhere" } else { "" };
            let kills = counted(usize::try_from(kills).unwrap_or(usize::MAX), "OOM kill", "s");
            format!("{counter} counts {kills}: memory ran out{somewhere}")
        }
    }
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
            format!("{name} to {}", to.name())
        }
        Action::Dump(to) => dump(to),
        Action::Kill => "SIGKILL to all".to_owned(),
    }
}

/// `SIGQUIT for a dump to JVM and Go`, `SIGABRT for a dump to all`.
pub(crate) fn dump(dump: Dump) -> String {
    match dump {
        Dump::Auto => format!("{} for a dump to JVM and Go", Signal::QUIT),
        Dump::Signal(signal) => format!("{signal} for a dump to all"),
    }
}

fn asking(asked: &[Process]) -> String {
    format!("asking {}: {}", counted(asked.len(), "straggler", "s"), processes(asked))
}

fn stop_requested(fact: &Fact, limit_origin: &str) -> Option<String> {
    let Fact::StopRequested { cause, sender: by, main, main_exit, asked_with, asked, kill_in, in_background } =
        fact
    else {
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
    // Several winddowns may share one stderr: this shows which one it is.
    let stopping = match main_exit {
        None => format!("stopping {}", process(main)),
        Some(_) => format!("stopping what {} left behind", process(main)),
    };
    Some(match cause {
        Cause::Signal(received) if received.hangup => {
            format!("{}: the terminal is gone, {stopping}, {when}", what(received))
        }
        Cause::Signal(received) if received.signal == Signal::INT && received.origin == Origin::Kernel => {
            let again = match kill_in {
                Some(Duration::ZERO) => "",
                Some(_) => " or on another Ctrl+C",
                None => " except on another Ctrl+C",
            };
            format!("{}: {stopping}, {when}{again}", what(received))
        }
        Cause::Signal(received) => {
            let other = asked_with.filter(|asked| *asked != received.signal);
            let with = other.map(|asked| format!(" with {asked}")).unwrap_or_default();
            format!("{}: {stopping}{with}, {when}", what(received))
        }
        Cause::Abandoned => format!("winddown itself was killed: {stopping}, {when}"),
        Cause::ParentEnded => format!("winddown's parent has ended: {stopping} (--stop-with-parent), {when}"),
        Cause::StartLimit => format!("the start has failed (--start-limit): {stopping}, {when}"),
        Cause::Silent => {
            format!("no sign of life from the workload (--watchdog): {stopping}, {when}")
        }
        Cause::RunLimit => {
            // Who knows `timeout` expects to be asked when the time is up.
            let is_default = !limit_origin.starts_with('-') && !limit_origin.starts_with("WINDDOWN_");
            let hint = if is_default { "; --stop-after asks only at the end" } else { "" };
            format!("the run limit ends the run: {stopping}, {when}{hint}")
        }
        Cause::StopAfter => format!("its time is up (--stop-after): {stopping}, {when}"),
        Cause::MainExited => {
            let how = main_exit.map(exit).unwrap_or_default();
            // Without time for it, no process is asked.
            let nobody_is_asked = asked.is_empty() && *kill_in == Some(Duration::ZERO);
            let what = if nobody_is_asked { "stragglers are left".to_owned() } else { asking(asked) };
            let hint = if *in_background {
                "it put itself into the background: run it in the foreground, or use --leave-stragglers"
            } else {
                "--leave-stragglers leaves them"
            };
            format!("{} {how}; {what}, {when}; {hint}", process(main))
        }
    })
}

fn forwarded(fact: &Fact) -> Option<String> {
    let Fact::Forwarded { signal, sender: by, forwarded, was_ignored } = fact else { return None };
    let hint = if *was_ignored { "; no stop request: it was ignored at the start" } else { "" };
    Some(format!("{}{hint}", passed_on(*signal, by, *forwarded)))
}

fn extended(fact: &Fact) -> Option<String> {
    let Fact::Extended { by, is_last, start_ends_in, kill_in, requester } = fact else { return None };
    let last = if *is_last { " at the latest" } else { "" };
    let (what, when) = match (start_ends_in, kill_in) {
        (Some(left), _) => ("start limit ", format!("; it ends in {}{last}", short(*left))),
        (None, Some(left)) => ("", format!("; SIGKILL in {}{last}", short(*left))),
        (None, None) => ("", String::new()),
    };
    Some(format!("{what}extended by {}, asked by {}{when}", short(*by), asker(requester.as_ref())))
}

fn main_exited(fact: &Fact) -> Option<String> {
    let Fact::MainExited { main, exit: how, after, asked, readers, is_last } = fact else { return None };
    let next = match asked.is_empty() {
        true if *is_last => String::new(),
        true if readers.is_empty() => "; waiting for the processes already asked".to_owned(),
        true => format!("; last lines go to {}", processes(readers)),
        false => format!("; {}", asking(asked)),
    };
    Some(format!("{} {} after {}{next}", process(main), exit(*how), short(*after)))
}

/// Why winddown asks no process, though a process has asked for the stop.
fn whom_it_reached(fact: &Fact) -> Option<String> {
    let Fact::StopRequested { cause: Cause::Signal(received), .. } = fact else { return None };
    let by_process = matches!(received.origin, Origin::Process { .. }) && !received.hangup;
    match received.reach {
        Reach::Group if by_process => {
            Some("not passed on: it counts as sent to the whole group, the workload included".to_owned())
        }
        Reach::Everyone => {
            Some("no other process is asked: the sender has signalled every process".to_owned())
        }
        _ => None,
    }
}

fn gave_up(waited: Duration, survivors: &[Survivor]) -> String {
    if survivors.is_empty() {
        return format!(
            "processes are still there {} after SIGKILL, and /proc does not show which",
            short(waited)
        );
    }
    let named: Vec<String> = survivors
        .iter()
        .map(|survivor| format!("{}: {}", process(&survivor.process), survivor.reason))
        .collect();
    format!("still there {} after SIGKILL: {}", short(waited), named.join("; "))
}

fn try_failed(fact: &Fact) -> Option<String> {
    let Fact::TryEnded { main: Some(main), exit: Some(how), next: Some(delay), .. } = fact else {
        return None;
    };
    Some(format!("{} {}; next try in {}", process(main), exit(*how), short(*delay)))
}

fn no_further_try(why: NoRetry, by: Option<&Sender>) -> String {
    let why = match (why, by) {
        (NoRetry::Asked(Cause::Signal(received)), Some(by)) => signal_from(received.signal, by),
        (NoRetry::Asked(Cause::ParentEnded), _) => {
            "winddown's parent has ended (--stop-with-parent)".to_owned()
        }
        (NoRetry::Asked(_), _) => "winddown itself was killed".to_owned(),
        (NoRetry::Permanent(status), _) => format!("status {status} (--permanent-exit)"),
        (NoRetry::CrashRate(CrashRate { most, within }), _) => {
            format!("more than {} within {} (--max-crashes)", counted(most, "failure", "s"), short(within))
        }
        (NoRetry::UsedUp(most), _) => format!("--retry {most} is used up"),
        (NoRetry::RunLimit, _) => "the run's time is up before that".to_owned(),
    };
    format!("no further try: {why}")
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
        Outcome::Killed | Outcome::NotStarted if *main_exit == Some(Exit::Signal(Signal::KILL)) => "killed",
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
    fn long_lists_are_cut() {
        let list: Vec<Process> = (1..=10).map(|pid| Process { pid, name: "w".into() }).collect();
        assert!(processes(&list).ends_with("w (pid 8) and 2 more"));
    }
}
