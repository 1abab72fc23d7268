//! Looks at the workload during a stop, and what they come to when it had to be killed.

use std::time::Duration;

use super::Supervisor;
use crate::lifecycle::event::{Cause, Moment};
use crate::lifecycle::signal::Signal;
use crate::observe::Fact;
use crate::observe::log::milliseconds;
use crate::os::{inbox, look};
use crate::postmortem::judge::{self, Case};

/// How long a look may take: before the signal, which waits for it; when nothing is due; before SIGKILL.
const PATIENCE_BEFORE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_millis(25);
const PATIENCE_LAST: Duration = Duration::from_millis(10);

impl Supervisor {
    /// Looks at the workload, but for builds without the post-mortem.
    pub(super) fn look(&mut self, moment: Moment) {
        if !cfg!(feature = "postmortem") || !look::has_room() {
            return;
        }
        let now = self.clock.now();
        let patience = match moment {
            Moment::Before => PATIENCE_BEFORE,
            Moment::Early | Moment::Half | Moment::Late => PATIENCE,
            Moment::Last => PATIENCE_LAST,
        };
        let has_time = || self.clock.now().saturating_sub(now) < patience;
        let look = look::look(&self.tree, moment, milliseconds(now), self.looks.last(), &has_time);
        if !look.processes.is_empty() {
            self.looks.push(look);
        }
    }

    /// Why those who were just killed did not end in time, as far as the looks tell.
    pub(super) fn post_mortem(&self) -> Option<Fact> {
        if !cfg!(feature = "postmortem") || self.looks.is_empty() || !look::has_room() {
            return None;
        }
        let mut killed: Vec<i32> = self.tree.killed().map(|process| process.pid).collect();
        if killed.is_empty() {
            // They ended by a dump.
            let last = self.looks.last().into_iter().flat_map(|look| &look.processes);
            killed.extend(last.map(|seen| seen.pid));
        }
        let signal = self.asked_with();
        let ignored_by_winddown = if inbox::is_ignored(signal) { u64::MAX } else { 0 };
        let name = signal.name();
        let case = Case {
            looks: &self.looks,
            killed: &killed,
            signal: (signal.number(), &name),
            ignored_by_winddown,
        };
        let found = judge::judge(&case);
        (!found.findings.is_empty()).then_some(Fact::PostMortem(found))
    }

    /// What the workload was asked with in the end.
    fn asked_with(&self) -> Signal {
        let main = self
            .looks
            .iter()
            .rev()
            .flat_map(|look| &look.processes)
            .find_map(|seen| seen.asked_with.as_ref());
        let by_request = match self.machine.cause() {
            Some(Cause::Signal(received)) => received.signal,
            _ => Signal::TERM,
        };
        main.and_then(|name| name.parse().ok()).unwrap_or(by_request)
    }
}
