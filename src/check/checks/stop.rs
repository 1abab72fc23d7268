//! The stop itself.

use std::time::Duration;

use super::check::{Check, Judge, Profile};
use super::start;
use super::verdict::Verdict;
use crate::check::observed::{Observed, Record};
use crate::check::options::Options;
use crate::check::runs::scenario::Scenario;
use crate::check::time::{ms, short};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::signal::Signal;
use crate::text;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[STOPS, MARGIN, EXIT_STATUS];

/// Signals that end a program after a fault of its own.
const CRASHES: [&str; 7] = ["SEGV", "ABRT", "BUS", "ILL", "FPE", "SYS", "TRAP"];
/// A clean exit, and the two forms in which a death by SIGTERM is reported.
const GOOD: [Exit; 3] = [Exit::Code(0), Exit::Code(143), Exit::Signal(Signal::TERM)];

/// Where the post-mortem has no better remedy.
const FIND_IT: &str =
    "log each step of the shutdown: the last line shows what it waits for; or give it longer (-t)";

/// At most this many killed processes are named.
const NAMES_MAX: usize = 5;

pub(super) const STOPS: Check = Check {
    id: "stops",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the server ends within the limit",
    more: "Fails when any of its processes is still there at the limit (-t) and has to be killed, or when \
         the stop takes longer than --within. The findings of the post-mortem are shown.",
    judge: Judge::Stop(|case| stops(case.options, case.seen, case.record)),
};

pub(super) fn stops(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    if record.ended_unasked() {
        return start::ended_early(STOPS.id, options, seen, record);
    }
    let took = record.stop_ms().unwrap_or_default();
    if record.was_killed() || !record.survivors.is_empty() {
        if seen.is_starved() {
            return starved(STOPS.id, seen, took);
        }
        let survivors = record.survivors.iter().map(|survivor| &survivor.process);
        let names: Vec<String> =
            record.killed.iter().chain(survivors).take(NAMES_MAX).map(ToString::to_string).collect();
        let word = record.progress.as_deref().map(|word| format!(" ({word})")).unwrap_or_default();
        let text =
            format!("still there after {}, killed{word}: {}", text::short(options.limit), names.join(", "));
        return Verdict::fail(STOPS.id, text, FIND_IT).explained_by(record);
    }
    match options.within {
        Some(within) if took > ms(within) && seen.is_starved() => starved(STOPS.id, seen, took),
        Some(within) if took > ms(within) => {
            let [took, within] = text::apart(Duration::from_millis(took), within);
            let summary = format!("in {took}, longer than --within {within}");
            Verdict::fail(STOPS.id, summary, "stop faster, or allow more: --within")
        }
        _ => Verdict::pass(STOPS.id, format!("in {}", short(took))),
    }
}

/// The verdict when the machine was so busy that the run says nothing about the server.
pub(super) fn starved(id: &'static str, seen: &Observed, took: u64) -> Verdict {
    let waited = short(seen.noise.waited_ms);
    Verdict::inconclusive(
        id,
        format!("the machine was too busy: the server waited {waited} of {} for a CPU", short(took)),
    )
    .remedy("run the check again when the machine has less to do")
}

const MARGIN: Check = Check {
    id: "margin",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the stop leaves part of the limit to spare",
    more: "Warns when the stop takes more than half of the limit, fails when it takes more than 90 %: on a \
         slower day the server would be killed. Raise the limit (-t here, and in production), or stop \
         faster.",
    judge: Judge::Stop(|case| margin(case.options, case.seen, case.record)),
};

fn margin(options: &Options, seen: &Observed, record: &Record) -> Verdict {
    let took = record.stop_ms().unwrap_or_default();
    let percent = took.saturating_mul(100) / ms(options.limit).max(1);
    if record.was_killed() {
        return Verdict::skip(MARGIN.id, "the limit was reached, see stops");
    }
    let text = format!("{percent} % of the limit of {}", text::short(options.limit));
    let remedy = "on a slower day the server would be killed: raise the limit (-t), or stop faster";
    match percent {
        0..=50 => Verdict::pass(MARGIN.id, text),
        _ if seen.is_starved() => starved(MARGIN.id, seen, took),
        51..=90 => Verdict::warn(MARGIN.id, text, remedy),
        _ => Verdict::fail(MARGIN.id, text, remedy),
    }
}

const EXIT_STATUS: Check = Check {
    id: "exit-status",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the exit status is that of a good stop",
    more: "Fails when the exit status is not one of --expect-exit [default: 0, 143, TERM and the stop \
         signal]. A crash (SEGV, ABRT, BUS, ILL, FPE, SYS, TRAP) always fails.",
    judge: Judge::Stop(|case| exit_status(case.options, case.record)),
};

pub(super) fn exit_status(options: &Options, record: &Record) -> Verdict {
    let Some(exit) = &record.exit else {
        return Verdict::inconclusive(EXIT_STATUS.id, "the main process did not end");
    };
    if let Some(signal) = exit.signal.as_ref().filter(|signal| CRASHES.contains(&signal.as_str())) {
        return Verdict::fail(
            EXIT_STATUS.id,
            format!("the server crashed: SIG{signal}"),
            "find the crash in its output or its core dump",
        );
    }
    let is_main = |process: &crate::check::observed::ProcessRecord| record.main.as_ref() == Some(process);
    if record.killed.iter().any(is_main) {
        return Verdict::skip(EXIT_STATUS.id, "the server was killed, see stops");
    }
    let asked_with = options.stop_signal();
    let usual = GOOD.into_iter().chain([Exit::Signal(asked_with), Exit::Code(asked_with.exit_status())]);
    let good: Vec<Exit> =
        if options.expect_exit.is_empty() { usual.collect() } else { options.expect_exit.clone() };
    let is_good = good.iter().any(|good| match good {
        Exit::Code(code) => exit.code == Some(i32::from(*code)),
        Exit::Signal(signal) => exit.signal == Some(signal.name()),
    });
    let text = exit.to_string();
    if is_good {
        return Verdict::pass(EXIT_STATUS.id, text);
    }
    Verdict::fail(
        EXIT_STATUS.id,
        text,
        "exit with 0 after a stop, or say which status is good: --expect-exit STATUS,...",
    )
}
