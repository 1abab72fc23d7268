//! Checks of the main process from the start to the signal.

use std::collections::BTreeSet;

use super::check::{Check, Judge, Profile};
use super::verdict::Verdict;
use crate::check::observed::{Before, Observed, Readiness, Record, Takes};
use crate::check::options::Options;
use crate::check::runs::scenario::Scenario;
use crate::check::time::short;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[READY, HANDLER];

pub(super) const READY: Check = Check {
    id: "ready",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the server becomes ready",
    more: "Fails when the server exits before it is ready, or before it is asked to stop; inconclusive when \
         it is not ready within --ready-timeout. Without --ready, the server is ready when one of its \
         processes accepts a connection or sends READY=1. Only the server's own answers count; any other \
         process that answers is named.",
    judge: Judge::Start(|run| ready(run.options, run.seen)),
};

fn ready(options: &Options, seen: &Observed) -> Verdict {
    match (&seen.readiness, &seen.record) {
        (Readiness::Ready { .. }, Some(record)) if record.ended_unasked() => {
            ended_early(READY.id, options, seen, record)
        }
        (Readiness::Ready { after_ms, how }, _) => {
            Verdict::pass(READY.id, format!("after {}: {how}", short(*after_ms)))
        }
        _ => unready(READY.id, options, seen),
    }
}

/// The remedy for a server that ends by itself.
const STAYS: &str =
    "run the command by hand to see why it ends: it must stay in the foreground until it is asked to stop";

/// Why a run that never became ready can't be judged, with the server's last lines.
pub(super) fn unready(id: &'static str, options: &Options, seen: &Observed) -> Verdict {
    let inconclusive = |text: String| Verdict::inconclusive(id, text);
    let verdict = match &seen.readiness {
        Readiness::Ended { how } => {
            let text = format!("the server {how} before it was ready");
            unfinished(Verdict::fail(id, text, STAYS), options, seen)
        }
        Readiness::TimedOut { after_ms, seen: what } if !seen.strangers.is_empty() => {
            strangers(inconclusive(format!("not ready after {}: {what}", short(*after_ms))), seen)
        }
        Readiness::TimedOut { after_ms, seen: what } => {
            inconclusive(format!("not ready after {}: {what}", short(*after_ms)))
                .remedy("say what makes it ready (--ready), or give it more time (--ready-timeout)")
        }
        Readiness::NotRun { why, .. } => inconclusive(why.clone()),
        Readiness::Ready { .. } => inconclusive("the run left no record".to_owned()),
    };
    verdict.said(&seen.output.last)
}

/// The failure of a server that was ready, and ended by itself before the signal.
pub(super) fn ended_early(id: &'static str, options: &Options, seen: &Observed, record: &Record) -> Verdict {
    let exit = record.exit.as_ref().map_or_else(String::new, |exit| format!(": {exit}"));
    let text = format!("the server ended before it was asked to stop{exit}");
    unfinished(Verdict::fail(id, text, STAYS), options, seen).said(&seen.output.last)
}

/// Adds why a server may have ended by itself, and what to do about that.
fn unfinished(verdict: Verdict, options: &Options, seen: &Observed) -> Verdict {
    let verdict = strangers(verdict, seen);
    let is_well = |record: &&Record| record.exit.as_ref().is_some_and(|exit| exit.code == Some(0));
    let Some(record) = seen.record.as_ref().filter(is_well) else { return verdict };
    let stragglers = record.stragglers().map(|(process, _)| process);
    let left: BTreeSet<String> = stragglers.chain(&record.killed).map(ToString::to_string).collect();
    if !left.is_empty() {
        let left = left.into_iter().collect::<Vec<_>>().join(", ");
        return verdict
            .because(format!("it put itself into the background: {left}"))
            .remedy("run it in the foreground, e.g. nginx -g 'daemon off;'");
    }
    if options.stdin.ends() {
        return verdict.remedy("if it exits at the end of its stdin, as vite and esbuild do: --stdin open");
    }
    verdict
}

/// Adds which processes answered at the server's addresses before the start, and the remedy.
fn strangers(verdict: Verdict, seen: &Observed) -> Verdict {
    if seen.strangers.is_empty() {
        return verdict;
    }
    let is_named = |line: &&String| verdict.summary.contains(line.as_str());
    let others: Vec<&String> = seen.strangers.iter().filter(|line| !is_named(line)).collect();
    let verdict = others.into_iter().fold(verdict, Verdict::because);
    verdict.remedy("stop that process, or give the server a port of its own: --port auto")
}

pub(super) const HANDLER: Check = Check {
    id: "handler",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the server handles the stop signal",
    more: "Fails when the main process ignores the stop signal, or blocks it without reading it: then only \
         SIGKILL can end it. Warns when it has no handler: then the signal ends it at once, in the middle \
         of its work.",
    judge: Judge::Stop(|case| handler(case.before)),
};

fn handler(before: &Before) -> Verdict {
    let main = &before.main;
    let warn = |text, remedy| Verdict::warn(HANDLER.id, text, format!("{main}: {remedy}"));
    let fail = |text, remedy| Verdict::fail(HANDLER.id, text, format!("{main}: {remedy}"));
    match before.takes {
        None => Verdict::inconclusive(HANDLER.id, "the main process ended before the signal"),
        Some(Takes::Caught) => Verdict::pass(HANDLER.id, "the stop signal is caught"),
        Some(Takes::Read) => Verdict::pass(HANDLER.id, "the stop signal is blocked and read"),
        Some(Takes::Ignored) => fail(
            "the stop signal is ignored",
            "install a handler; nohup, or a shell that starts it in the background, may have had the signal ignored",
        ),
        Some(Takes::Blocked) => fail(
            "the stop signal is blocked, and no thread reads it",
            "unblock the signal (pthread_sigmask), or read it with sigwait or signalfd",
        ),
        Some(Takes::Default) => warn(
            "no handler: the stop signal ends the server at once, in the middle of its work",
            "install a handler that finishes the work under way, then exits",
        ),
        Some(Takes::Dropped) => fail(
            "no handler: as PID 1 of its namespace the server never gets the stop signal",
            "install a handler, or run it under an init such as winddown",
        ),
    }
}
