//! The start of a workload that has to become ready: who looks, and who is seen.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::Supervisor;
use crate::fact::Fact;
use crate::lifecycle::event::Event;
use crate::lifecycle::exit::Exit;
use crate::os::io::ready_file::ReadyFile;
use crate::os::process::hook::{self, Keeper, Surroundings};
use crate::os::process::prober::{self, Slot};
use crate::os::process::reap;
use crate::ready::before::Earlier;
use crate::ready::condition::Condition;
use crate::ready::look::{FIRST_PAUSE, LONGEST_PAUSE, look};

/// How long the end of a probe may take.
const REST: Duration = Duration::from_millis(50);

/// What has to hold, and the process that looks for it.
#[derive(Debug, Default)]
pub(crate) struct Start {
    conditions: Vec<Condition>,
    before: Earlier,
    file: Option<ReadyFile>,
    probe: Option<Keeper>,
    /// Where the pid of the process is that makes the file for a supervisor that was killed.
    orphan: Option<&'static AtomicI32>,
    /// Probes that have been told to end.
    ending: Vec<i32>,
    has_failed: bool,
    /// The workload has sent READY=1.
    has_message: bool,
    seen: Option<String>,
}

impl Start {
    pub(crate) fn new(conditions: Vec<Condition>, before: Earlier, file: Option<ReadyFile>) -> Self {
        Self { conditions, before, file, ..Self::default() }
    }

    /// The same for the next try.
    pub(super) fn begin(&mut self, before: Earlier) {
        (self.before, self.has_failed, self.has_message, self.seen) = (before, false, false, None);
    }

    /// Whether READY=1 is a condition here, and no message for winddown's parent.
    pub(super) fn takes_ready(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Whether a probe could not be started, and the machine does not know it yet.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// What shows that the workload is ready.
    pub(super) fn how(&self) -> String {
        let by_message = self.has_message.then(|| "READY=1".to_owned());
        by_message.into_iter().chain(self.seen.clone()).collect::<Vec<_>>().join(", ")
    }

    /// What a probe has to look for.
    fn to_be_seen(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(|condition| match condition {
            Condition::Notify => false,
            Condition::Auto => !self.has_message,
            _ => true,
        })
    }

    /// What has not come, and what came instead, as far as the probe has said.
    fn missing(&self) -> String {
        let message = self.conditions.contains(&Condition::Notify) && !self.has_message;
        let all = || self.to_be_seen().map(Condition::asks_for).collect::<Vec<_>>().join(", ");
        let is_open = self.seen.is_none() && self.to_be_seen().next().is_some();
        let to_be_seen = is_open.then(|| self.probe.as_ref().and_then(Keeper::words).unwrap_or_else(all));
        let parts = message.then(|| "READY=1".to_owned()).into_iter().chain(to_be_seen);
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Waits for probes that have been told to end: not every init reaps what it inherits.
    pub(super) fn reap(&self) {
        for pid in &self.ending {
            if reap::ends_within(*pid, REST) {
                reap::ended(*pid);
            }
        }
    }

    fn end_probe(&mut self) {
        if let Some(probe) = self.probe.take() {
            hook::end(probe.pid);
            self.ending.push(probe.pid);
        }
    }
}

/// Looks until everything holds. Says what is missing, and at the end what shows that nothing is.
fn watch(
    conditions: Vec<Condition>,
    before: &Earlier,
    tree: impl Fn() -> Vec<i32>,
    surroundings: &Surroundings,
    slot: &Slot,
) {
    let (mut left, mut seen, mut pause) = (conditions, Vec::new(), FIRST_PAUSE);
    let mut said = String::new();
    loop {
        let mut missing = Vec::new();
        left.retain(|condition| {
            let held = match condition {
                Condition::Command(command) => {
                    prober::succeeds(command, surroundings).then(|| condition.asks_for()).ok_or(None)
                }
                _ => look(condition, before, &tree()),
            };
            let is_missing = held.is_err();
            match held {
                Ok(how) => seen.push(how),
                Err(None) => missing.push(condition.asks_for()),
                Err(Some(instead)) => missing.push(format!("{} ({instead})", condition.asks_for())),
            }
            is_missing
        });
        if left.is_empty() {
            return slot.say(&seen.join(", "));
        }
        let missing = missing.join(", ");
        if missing != said {
            slot.say(&missing);
            said = missing;
        }
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

impl Supervisor {
    /// Starts a process that looks whether the workload is ready. A failure counts as its early end.
    pub(super) fn start_probe(&mut self) {
        self.start.end_probe();
        let conditions: Vec<Condition> = self.start.to_be_seen().cloned().collect();
        let has_commands = conditions.iter().any(|condition| matches!(condition, Condition::Command(_)));
        let Some(surroundings) = self.hooks.surroundings() else { return };
        let tree = || self.tree.pids_beside_us();
        let work = |slot: &Slot| watch(conditions, &self.start.before, tree, surroundings, slot);
        match prober::start(surroundings, work) {
            Ok(probe) if has_commands => self.tree.set_hook_aside(self.start.probe.insert(probe).pid),
            Ok(probe) => self.tree.set_aside(self.start.probe.insert(probe).pid),
            Err(_) => self.start.has_failed = true,
        }
    }

    pub(super) fn end_probe(&mut self) {
        self.start.end_probe();
    }

    /// Passes on to the machine that a probe could not be started.
    pub(super) fn report_failed_probe(&mut self) {
        if std::mem::take(&mut self.start.has_failed) {
            self.handle(Event::ProbeEnded { is_seen: false }, None);
        }
    }

    /// Notes the end of a child, and returns whether it was a probe.
    pub(super) fn probe_ended(&mut self, pid: i32, exit: Exit) -> bool {
        if let Some(probe) = self.start.probe.take_if(|probe| probe.pid == pid) {
            let is_seen = exit == Exit::Code(0);
            self.start.seen = probe.words().filter(|_| is_seen);
            self.handle(Event::ProbeEnded { is_seen }, None);
            return true;
        }
        let is_old = self.start.ending.contains(&pid);
        self.start.ending.retain(|old| *old != pid);
        is_old
    }

    /// The workload has sent READY=1.
    pub(super) fn take_ready_message(&mut self) {
        self.start.has_message = true;
        self.handle(Event::ReadyMessage, None);
    }

    /// Tells winddown's parent, and whoever looks at the file.
    pub(super) fn announce_ready(&mut self) {
        self.notify_parent("READY=1\n", &[]);
        let (one_thread, pid) = (self.one_thread, self.outer_pid.unwrap_or(self.own_pid));
        let place = self.channel.as_ref().map(|channel| channel.page.ready_writer_place());
        match self.start.file.as_mut().map(|file| file.make(one_thread, pid, place)) {
            Some(Ok(writer)) => self.tree.set_aside(writer),
            Some(Err(error)) => self.ready_file_failed(error),
            None => {}
        }
    }

    /// Removes the file of a supervisor that was killed. The process that makes it dies as well, but may just be in a
    /// system call: the file is removed once more when that has ended.
    pub(super) fn take_over_ready(&mut self, writer: &'static AtomicI32) {
        self.start.orphan = Some(writer);
        self.retract_ready();
    }

    pub(super) fn retract_ready(&mut self) {
        let remover = self.start.file.as_mut().and_then(|file| file.remove(self.one_thread));
        if let Some(remover) = remover {
            self.tree.set_aside(remover);
            self.start.ending.push(remover);
        }
    }

    /// Notes the end of a child, and returns whether it was the process that makes the file; its exit status is the
    /// error.
    pub(super) fn ready_file_made(&mut self, pid: i32, exit: Exit) -> bool {
        if self.start.orphan.is_some_and(|place| place.load(Ordering::Acquire) == pid) {
            self.retract_ready();
            return true;
        }
        let is_it = self.start.file.as_mut().is_some_and(|file| file.note_reaped(pid));
        if let (true, Exit::Code(error @ 1..)) = (is_it, exit) {
            self.ready_file_failed(std::io::Error::from_raw_os_error(error.into()));
        }
        is_it
    }

    fn ready_file_failed(&mut self, error: std::io::Error) {
        let file = self.start.file.as_ref().map(|file| file.path().display().to_string());
        let fact = Fact::ReadyFileFailed { file: file.unwrap_or_default(), error };
        self.observer.observe(self.clock.now(), &fact);
    }

    pub(super) fn not_ready(&self, within: Duration) -> Fact {
        let (listens_on, sees_all) = self.listens_on();
        Fact::NotReady {
            main: self.tree.main().clone(),
            within,
            listens_on,
            sees_all,
            missing: self.start.missing(),
            doing: self.doing(),
        }
    }

    pub(super) fn ready(&self, now: Duration) -> Fact {
        Fact::Ready {
            main: self.tree.main().clone(),
            how: self.start.how(),
            after: now.saturating_sub(self.try_started),
        }
    }
}
