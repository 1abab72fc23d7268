//! Collects the record: which facts go into it, and into which list.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use super::schema::{
    Begun, EndRecord, ExitRecord, Extension, HookRecord, LeftOut, LimitRecord, LineRecord, PhaseRecord,
    ProcessRecord, ReceivedRecord, Record, Resources, SCHEMA, SentRecord, Shared, StopRecord, SurvivorRecord,
    TryRecord, list,
};
use super::write::write;
use crate::fact::level::Level;
use crate::fact::{Fact, Purpose};
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::Limit;
use crate::os::clock::Clock;
use crate::os::io::destination::Destination;
use crate::os::process::reap::Usage;
use crate::os::process::tree::Process;
use crate::postmortem::look::Look;
use crate::text::milliseconds;

/// No list gets longer than this, whatever others send. What is left out is counted.
const ENTRIES_MAX: usize = 1000;
/// The rest is reserved for what matters: the stop, and what winddown does by itself.
const ORDINARY_MAX: usize = 750;
/// In longer lists, equal signals that were received or forwarded share an entry.
const SHARED_FROM: usize = 500;

/// How far back to look for an equal entry: as far as entries are shared.
const LOOK_BACK: usize = ORDINARY_MAX - SHARED_FROM;

/// Of more tries than a list holds, these first ones stay and the latest ones.
const FIRST_TRIES: usize = 100;

/// The record of a run so far.
#[derive(Debug)]
pub struct Collector {
    destination: Destination,
    record: Record,
    /// The number of the current try, in a run with retries.
    attempt: Option<u32>,
}

/// What is known when the run is over.
#[derive(Debug, Default)]
pub struct RunEnd<'a> {
    /// The processes that were killed.
    pub(crate) killed: Vec<&'a Process>,
    /// The looks taken during the stop.
    pub(crate) looks: &'a [Look],
    /// The resources that the workload used, if it was started.
    pub(crate) usage: Option<Usage>,
    /// How often more time was refused without a log line.
    pub(crate) refusals_unlogged: usize,
    /// How many processes of the control group the kernel OOM-killed meanwhile.
    pub(crate) oom_kills: Option<u64>,
    /// winddown's own exit status.
    pub(crate) exit_status: u8,
}

impl Collector {
    /// An empty record of a run that starts now.
    pub(crate) fn new(
        destination: Destination,
        command: &[OsString],
        limit: Limit,
        origin: &str,
        clock: &Clock,
    ) -> Self {
        let mut record = Record {
            schema: SCHEMA,
            winddown: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            started: humantime::format_rfc3339_millis(clock.started_wall()).to_string(),
            limit: LimitRecord { ms: limit.length().map(milliseconds), origin: origin.to_owned() },
            ..Record::default()
        };
        record.phases.push(PhaseRecord { phase: Phase::Starting.to_string(), at_ms: 0.0 });
        Self { destination, record, attempt: None }
    }

    /// Adds a fact that happened at this time since the start.
    pub(crate) fn collect(&mut self, at: Duration, fact: &Fact) {
        match fact {
            Fact::Try { attempt } => self.begin_try(*attempt),
            Fact::TryEnded { .. } => self.end_try(at, fact),
            _ => self.collect_of_try(at, fact),
        }
    }

    /// What stands at the top of the record is about the last try.
    fn begin_try(&mut self, attempt: u32) {
        if self.attempt.replace(attempt).is_none() {
            return;
        }
        let earlier = std::mem::take(&mut self.record);
        self.record = Record {
            schema: earlier.schema,
            winddown: earlier.winddown,
            command: earlier.command,
            started: earlier.started,
            limit: earlier.limit,
            left_out: LeftOut { log: earlier.left_out.log, ..LeftOut::default() },
            log: earlier.log,
            tries: earlier.tries,
            tries_total: earlier.tries_total,
            ..Record::default()
        };
    }

    fn end_try(&mut self, at: Duration, fact: &Fact) {
        let Some(ended) = self.attempt.and_then(|attempt| TryRecord::of(at, attempt, fact)) else { return };
        let tries = &mut self.record.tries;
        if tries.len() >= ENTRIES_MAX {
            tries.remove(FIRST_TRIES);
        }
        tries.push(ended);
        self.record.tries_total = self.record.tries_total.saturating_add(1);
    }

    fn collect_of_try(&mut self, at: Duration, fact: &Fact) {
        let most = self.most();
        let record = &mut self.record;
        let left_out = &mut record.left_out;
        match fact {
            Fact::Phase(phase) => {
                record.phases.push(PhaseRecord { phase: phase.to_string(), at_ms: milliseconds(at) });
            }
            Fact::Started { process: main } => record.main = Some(main.into()),
            Fact::StopRequested { .. } => {
                record.stop = StopRecord::of(at, fact);
                // The fact is reported during the stop, when lists may be longer.
                let most = ENTRIES_MAX;
                push_or_share(
                    &mut record.received,
                    &mut left_out.received,
                    ReceivedRecord::of(at, fact),
                    most,
                );
            }
            Fact::Forwarded { .. } | Fact::Repeated { .. } | Fact::KillAsked { .. } => {
                push_or_share(
                    &mut record.received,
                    &mut left_out.received,
                    ReceivedRecord::of(at, fact),
                    most,
                );
            }
            Fact::Sent { purpose: Purpose::Forward, .. } => {
                push_or_share(&mut record.signals, &mut left_out.signals, SentRecord::of(at, fact), most);
            }
            Fact::Sent { .. } => {
                push(&mut record.signals, &mut left_out.signals, SentRecord::of(at, fact), ENTRIES_MAX);
            }
            Fact::Reaped { process: child, .. } => {
                let is_main = record.main.as_ref().is_some_and(|main| main.pid == child.pid);
                let most = if is_main { usize::MAX } else { most };
                push(&mut record.ends, &mut left_out.ends, EndRecord::of(at, fact), most);
            }
            Fact::PostMortem(found) if cfg!(feature = "postmortem") => {
                record.progress = found.progress.map(|progress| progress.word().to_owned());
                record.findings = list(&found.findings);
            }
            Fact::Step { .. } => record.steps.extend(Begun::of(at, fact)),
            Fact::HookEnded { .. } | Fact::HookFailed { .. } | Fact::HookOverran { .. } => {
                record.hooks.extend(HookRecord::of(at, fact));
            }
            Fact::Extended { .. } | Fact::NotExtended { .. } => {
                let entry = Extension::of(at, fact);
                push(&mut record.extensions, &mut left_out.extensions, entry, ENTRIES_MAX);
            }
            Fact::GaveUp { survivors, .. } => {
                let survivors = survivors.iter().map(SurvivorRecord::from);
                set(&mut record.survivors, &mut left_out.survivors, survivors);
            }
            Fact::Ended { outcome, main, main_exit, .. } => {
                record.main = Some(main.into());
                record.exit = main_exit.map(ExitRecord::from);
                record.outcome = Some(outcome.to_string());
            }
            _ => {}
        }
    }

    /// Adds the log lines of a fact.
    pub(crate) fn log(&mut self, at: Duration, logged: Option<&(Level, Vec<String>)>) {
        let Some((level, lines)) = logged else { return };
        let most = if *level == Level::Detail { self.most() } else { ENTRIES_MAX };
        for message in lines {
            let line = LineRecord {
                at_ms: milliseconds(at),
                level: level.name().to_owned(),
                attempt: self.attempt,
                message: message.clone(),
            };
            push(&mut self.record.log, &mut self.record.left_out.log, Some(line), most);
        }
    }

    /// How long a list of ordinary entries may be by now.
    const fn most(&self) -> usize {
        if self.record.stop.is_none() { ORDINARY_MAX } else { ENTRIES_MAX }
    }

    /// Completes the record of a run that was not started.
    pub(crate) fn not_started(&mut self) {
        self.record.outcome = Some(Outcome::NotStarted.to_string());
    }

    /// Completes the record and writes it.
    ///
    /// # Errors
    /// If it can't be written whole.
    pub(crate) fn write(&mut self, end: &RunEnd<'_>) -> io::Result<()> {
        let record = &mut self.record;
        let mut killed = end.killed.clone();
        let main = record.main.as_ref().map(|main| main.pid);
        killed.sort_by_key(|process| (main != Some(process.pid), process.pid));
        set(&mut record.killed, &mut record.left_out.killed, killed.into_iter().map(ProcessRecord::from));
        record.left_out.extensions = record.left_out.extensions.saturating_add(end.refusals_unlogged);
        record.exit_status = Some(end.exit_status);
        if cfg!(feature = "postmortem") {
            record.looks = end.looks.to_vec();
        }
        record.resources = end.usage.map(|usage| Resources::new(usage, end.oom_kills));
        write(&self.destination, record)
    }

    /// Where the record goes.
    pub(crate) const fn destination(&self) -> &Destination {
        &self.destination
    }
}

/// Once there are many entries, counts a signal with the latest entry that differs only in time.
fn push_or_share<T: Shared>(list: &mut Vec<T>, left_out: &mut usize, entry: Option<T>, most: usize) {
    let Some(entry) = entry else { return };
    if list.len() >= SHARED_FROM {
        let mut latest = list.iter_mut().rev().take(LOOK_BACK);
        if let Some(equal) = latest.find(|one| one.is_like(&entry)) {
            return equal.count(&entry);
        }
    }
    push(list, left_out, Some(entry), most);
}

fn push<T>(list: &mut Vec<T>, left_out: &mut usize, entry: Option<T>, most: usize) {
    let Some(entry) = entry else { return };
    if list.len() >= most {
        *left_out = left_out.saturating_add(1);
    } else {
        list.push(entry);
    }
}

/// Sets a list that is known as a whole.
fn set<T>(list: &mut Vec<T>, left_out: &mut usize, all: impl ExactSizeIterator<Item = T>) {
    *left_out = left_out.saturating_add(all.len().saturating_sub(ENTRIES_MAX));
    *list = all.take(ENTRIES_MAX).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::exit::Exit;

    fn failed() -> Fact {
        Fact::TryEnded {
            outcome: Outcome::Failed,
            main: None,
            exit: Some(Exit::Code(1)),
            cause: None,
            status: 1,
            started: Duration::ZERO,
            ready: None,
            next: Some(Duration::from_millis(100)),
        }
    }

    #[test]
    fn of_very_many_tries_the_first_and_the_last_stay() {
        let destination = Destination::File("/dev/null".into());
        let limit = Limit::Finite(Duration::ZERO);
        let mut collector = Collector::new(destination, &["a".into()], limit, "-t", &Clock::start());
        for attempt in 1..=2500 {
            collector.collect(Duration::ZERO, &Fact::Try { attempt });
            collector.collect(Duration::ZERO, &failed());
        }
        let attempts: Vec<u32> = collector.record.tries.iter().map(|one| one.attempt).collect();
        assert_eq!(attempts, (1..=100).chain(1601..=2500).collect::<Vec<_>>());
        assert_eq!(collector.record.tries_total, 2500);
    }
}
