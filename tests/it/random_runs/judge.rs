//! Whether a run kept the invariants, judged by its record, its exit status and what it left behind.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::plan::Plan;
use super::{Done, list};
use crate::record_schema;
use crate::support::holds_within;
use crate::support::lateness::{Machine, Verdict};
use crate::support::running::Ended;

/// The time that is left once winddown was killed.
const GRACE_MS: f64 = 500.0;
/// Times in the record are rounded.
const ROUNDING_MS: f64 = 0.01;

/// The first rule that was broken.
pub(super) fn judge(plan: &Plan, done: &Done, ended: &Ended, record: Option<&Value>) -> Result<(), String> {
    nothing_is_left(plan, ended, record)?;
    let Some(record) = record else {
        // Killed before it could write a record; a process that was left would have written one.
        return ensure(done.outer_killed, "there is no record");
    };
    let wrong = record_schema::errors(record);
    ensure(wrong.is_empty(), &format!("the record does not fit its schema: {wrong:?}"))?;
    let machine = Machine::between(ended.start, Instant::now());
    let case = Case { plan, done, record, machine };
    case.phases_move_forward()?;
    case.nobody_is_asked_twice()?;
    case.signals_are_in_their_time()?;
    case.the_deadline_holds()?;
    case.the_outcome_is_right()?;
    case.the_status_is_right()?;
    case.winddown_ended_as_it_says(ended)
}

fn ensure(holds: bool, problem: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.to_owned()) }
}

/// Invariant 8, except for processes that the options exempt or the record names.
fn nothing_is_left(plan: &Plan, ended: &Ended, record: Option<&Value>) -> Result<(), String> {
    let may_leave =
        record.is_none_or(|record| record["stop"].is_null() || !list(record, "survivors").is_empty());
    if plan.leave_stragglers && may_leave {
        return Ok(());
    }
    let gone = holds_within(Duration::from_secs(5), || ended.tag().living().is_empty());
    ensure(gone, "something is left behind")
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
const fn milliseconds(number: u64) -> f64 {
    number as f64
}

fn at(entry: &Value) -> f64 {
    entry["at_ms"].as_f64().unwrap_or(f64::NAN)
}

struct Case<'a> {
    plan: &'a Plan,
    done: &'a Done,
    record: &'a Value,
    machine: Machine,
}

impl Case<'_> {
    fn sent(&self, purpose: &str) -> Vec<&Value> {
        list(self.record, "signals").iter().filter(|one| one["purpose"] == purpose).collect()
    }

    fn cause(&self) -> &str {
        self.record["stop"]["cause"].as_str().unwrap_or_default()
    }

    /// Invariant 6.
    fn phases_move_forward(&self) -> Result<(), String> {
        let order = ["starting", "running", "terminating", "killing", "stopped"];
        let phases = list(self.record, "phases");
        let places: Vec<_> =
            phases.iter().map(|one| order.iter().position(|name| one["phase"] == *name)).collect();
        ensure(places.is_sorted_by(|one, next| one < next), "a phase came twice, or backwards")?;
        ensure(phases.iter().map(at).is_sorted(), "the times of the phases go back")?;
        ensure(list(self.record, "signals").iter().map(at).is_sorted(), "the times of the signals go back")?;
        let is_over = phases.last().is_some_and(|last| last["phase"] == "stopped");
        ensure(is_over || self.record["outcome"] == "not-started", "the last phase is not `stopped`")
    }

    /// Not by the same signal, where the steps of a plan have several.
    fn nobody_is_asked_twice(&self) -> Result<(), String> {
        let mut asked = HashSet::new();
        for one in self.sent("ask") {
            let with = self.plan.steps.then_some(&one["signal"]).and_then(Value::as_str);
            let is_first = asked.insert((one["target"]["pid"].as_i64(), with));
            ensure(is_first, &format!("asked twice: {one}"))?;
        }
        Ok(())
    }

    /// No process is asked or killed without a stop, and no more signals are passed on than were sent.
    fn signals_are_in_their_time(&self) -> Result<(), String> {
        let began = self.record["stop"]["at_ms"].as_f64().unwrap_or(f64::INFINITY);
        for one in self.sent("ask").into_iter().chain(self.sent("kill")) {
            ensure(at(one) + ROUNDING_MS >= began, &format!("before the stop: {one}"))?;
        }
        ensure(self.sent("kill").iter().all(|one| one["signal"] == "KILL"), "killed by another signal")?;
        // When winddown is continued, it passes SIGCONT on too.
        let passed_on = self.sent("forward").into_iter().filter(|one| one["signal"] != "CONT").count();
        let is_known = !self.plan.forges;
        ensure(!is_known || passed_on <= self.done.sent.len(), "more was passed on than was sent")?;
        let main = &self.record["main"]["pid"];
        let to_others = self.sent("forward").iter().any(|one| one["target"]["pid"] != *main);
        ensure(!to_others, "passed on to another than the main process")
    }

    /// SIGKILL comes neither before the deadline nor much later.
    fn the_deadline_holds(&self) -> Result<(), String> {
        let stop = &self.record["stop"];
        let (Some(began), Some(deadline)) = (stop["at_ms"].as_f64(), stop["deadline_ms"].as_f64()) else {
            return ensure(stop.is_null(), "a stop without a deadline");
        };
        let limit = milliseconds(self.plan.limit_ms);
        let limit = if self.cause() == "winddown-killed" { limit.min(GRACE_MS) } else { limit };
        // With a run limit everything is over by then; a winddown that was stopped past it gives the whole limit.
        let run_limit = self.plan.run_limit_ms.map_or(f64::INFINITY, milliseconds);
        let all_over = if run_limit > began { run_limit } else { f64::INFINITY };
        let due = (began + limit).min(all_over);
        ensure((deadline - due).abs() < 1.0, &format!("the deadline should be at {due} ms"))?;
        // The record has the deadline before any extension.
        let deadline = deadline + self.granted_ms()?;
        ensure(deadline < all_over + 1.0, "more time was granted than the run limit has")?;
        let kills = self.sent("kill");
        let interrupts = self.done.sent.iter().filter(|&&signal| signal == libc::SIGINT).count();
        // A repeat of INT kills at once, and a winddown that was killed in a stop leaves 500 ms.
        let may_be_early = interrupts > 1 || (self.done.outer_killed && self.cause() != "winddown-killed");
        for one in &kills {
            let is_early = at(one) + ROUNDING_MS < deadline;
            ensure(may_be_early || !is_early, &format!("killed before the deadline: {one}"))?;
        }
        let first = kills.first().map_or(began, |one| at(one));
        self.is_in_time(first, deadline, "killed")?;
        let end = list(self.record, "phases").last().map_or(f64::NAN, at);
        self.is_in_time(end, deadline, "ended")?;
        let due = run_limit - milliseconds(self.plan.limit_ms);
        let is_early = self.cause() == "run-limit" && began + ROUNDING_MS < due;
        ensure(!is_early, "the run limit asked before its time")
    }

    /// The time that the workload was granted, in total.
    fn granted_ms(&self) -> Result<f64, String> {
        let all = list(self.record, "extensions").iter().filter(|one| one["granted"] == true);
        let granted: f64 = all.filter_map(|one| one["time_ms"].as_f64()).sum();
        let most = self.plan.extend_max_ms.map_or(0.0, milliseconds);
        ensure(granted < most + 1.0, "more time was granted than --extend-max")?;
        Ok(granted)
    }

    /// A delay that a busy machine causes isn't judged.
    fn is_in_time(&self, time: f64, deadline: f64, what: &str) -> Result<(), String> {
        let late = Duration::from_secs_f64((time - deadline).max(0.0) / 1000.0);
        let verdict = self.machine.judge(late.saturating_sub(self.done.stopped_for));
        ensure(verdict != Verdict::Late, &format!("{what} {late:?} after the deadline; {:?}", self.machine))
    }

    fn the_outcome_is_right(&self) -> Result<(), String> {
        let record = self.record;
        let exit = &record["exit"];
        let expected = if record["main"].is_null() {
            "not-started"
        } else if !list(record, "survivors").is_empty() || exit.is_null() {
            "stuck"
        } else if !list(record, "killed").is_empty() {
            "killed"
        } else if self.cause() == "silent" {
            "failed"
        } else if !matches!(self.cause(), "" | "main-exited") {
            "stopped"
        } else if exit["code"] == 0 {
            "completed"
        } else if exit["code"].is_i64() {
            "failed"
        } else {
            "crashed"
        };
        ensure(record["outcome"] == expected, &format!("the outcome should be {expected}"))?;
        let patient = self.plan.kill_wait_ms >= 3000;
        ensure(expected != "stuck" || !patient, "something outlived SIGKILL")?;
        let broken_off = self.done.inner_killed;
        ensure(expected != "not-started" || broken_off, "the command was not started")
    }

    /// The table of docs/exit-status.md, from top to bottom.
    fn the_status_is_right(&self) -> Result<(), String> {
        let exit = &self.record["exit"];
        let expected = match self.record["outcome"].as_str() {
            Some("not-started" | "stuck") => 125,
            _ if self.main_was_killed() => 137,
            _ if self.cause() == "run-limit" => 124,
            _ if self.cause() == "silent" && exit["code"] == 0 => 124,
            _ => {
                let own = exit["code"].as_i64().unwrap_or_else(|| 128 + number(&exit["signal"]));
                let remapped = self.plan.remap.iter().rev().find(|(from, _)| *from == own);
                remapped.map_or(own, |(_, to)| *to)
            }
        };
        let found = &self.record["exit_status"];
        ensure(*found == json!(expected), &format!("the status should be {expected}"))
    }

    fn main_was_killed(&self) -> bool {
        let main = &self.record["main"]["pid"];
        let is_listed = list(self.record, "killed").iter().any(|one| one["pid"] == *main);
        // The main process dies with the process of winddown that started it.
        let with_parent = self.done.inner_killed && self.cause() == "winddown-killed";
        self.record["exit"] == json!({ "signal": "KILL" }) && (is_listed || with_parent)
    }

    fn winddown_ended_as_it_says(&self, ended: &Ended) -> Result<(), String> {
        if self.done.outer_killed && ended.signal() == Some(libc::SIGKILL) {
            return Ok(());
        }
        let status = ended.code().or(ended.signal().map(|signal| signal + 128));
        ensure(self.record["exit_status"] == json!(status), "it ended with another status than it says")?;
        let died = self.record["exit"]["signal"].is_string();
        ensure(ended.signal().is_none() || died, "it died of a signal, and the main process did not")
    }
}

/// The number of a signal that may kill the workload.
fn number(name: &Value) -> i64 {
    let name = name.as_str().unwrap_or_default();
    if let Some(more) = name.strip_prefix("RTMIN") {
        return i64::from(libc::SIGRTMIN()) + more.strip_prefix('+').map_or(0, |more| more.parse().unwrap());
    }
    let signal: nix::sys::signal::Signal = format!("SIG{name}").parse().unwrap();
    i64::from(signal as i32)
}
