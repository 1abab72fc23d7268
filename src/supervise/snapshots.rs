//! Looks at the workload during a stop, and the diagnosis they allow when it had to be killed.

use std::time::Duration;

use super::Supervisor;
use crate::fact::Fact;
use crate::lifecycle::cause::Cause;
use crate::lifecycle::event::Moment;
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::os::signal::receive;
use crate::os::{clock, listening, snapshot};
use crate::postmortem::evidence::{Evidence, Room};
use crate::postmortem::judge;
use crate::text::milliseconds;

/// How long a look may take: before the signal, which waits for it; while nothing is due; before SIGKILL.
const PATIENCE_BEFORE: Duration = Duration::from_millis(15);
/// Before the signal on a busy machine: [`PATIENCE_BEFORE`] then limits only our own CPU time, because what
/// changes with the signal can be seen at no other time.
const PATIENCE_BEFORE_BUSY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(25);
/// The same on a busy machine for where the workload listens, which is looked up before the stop.
const PATIENCE_START_BUSY: Duration = Duration::from_millis(100);
const PATIENCE_LAST: Duration = Duration::from_millis(10);
/// With less time left until SIGKILL, we read nothing that may block in the kernel.
const NEAR_KILL: Duration = Duration::from_millis(250);

impl Supervisor {
    /// Looks at the workload, except in builds without the post-mortem.
    pub(super) fn look(&mut self, moment: Moment) {
        if !cfg!(feature = "postmortem") || !snapshot::has_room() {
            return;
        }
        // A signal to the whole group has reached the workload before us: there is no "before".
        let has_it = |cause| matches!(cause, Cause::Signal(received) if received.main_has_it());
        if moment == Moment::Before && self.machine.cause().is_some_and(has_it) {
            return;
        }
        let now = self.clock.now();
        let patience = match moment {
            Moment::Before => PATIENCE_BEFORE,
            Moment::Start | Moment::Early | Moment::Half | Moment::Late => PATIENCE,
            Moment::Last => PATIENCE_LAST,
        };
        let most = if moment == Moment::Before { PATIENCE_BEFORE_BUSY } else { patience };
        let worked = clock::cpu_time();
        let has_time = || {
            let took = self.clock.now().saturating_sub(now);
            took < patience || (took < most && clock::cpu_time().saturating_sub(worked) < patience)
        };
        let kill_at = self.machine.kill_expected_at();
        let is_near_kill = kill_at.is_some_and(|at| at.saturating_sub(now) < NEAR_KILL);
        let (at_ms, earlier) = (milliseconds(now), self.looks.last());
        let look = snapshot::look(&self.tree, moment, at_ms, earlier, is_near_kill, &has_time);
        if !look.processes.is_empty() {
            self.looks.push(look);
        }
    }

    /// What the processes of a workload do that is not ready in time.
    pub(super) fn doing(&self) -> Vec<String> {
        let at_limit = self.looks.last().filter(|look| look.moment == Moment::Start);
        at_limit
            .filter(|_| cfg!(feature = "postmortem"))
            .map(|look| judge::doing(look, Room::LOG))
            .unwrap_or_default()
    }

    /// The addresses at which the workload accepts connections, and whether all could be seen.
    pub(super) fn listens_on(&self) -> (Vec<String>, bool) {
        let (begun, worked) = (self.clock.now(), clock::cpu_time());
        let has_time = || {
            let took = self.clock.now().saturating_sub(begun);
            took < PATIENCE
                || (took < PATIENCE_START_BUSY && clock::cpu_time().saturating_sub(worked) < PATIENCE)
        };
        let pids: Vec<i32> = self.tree.there().iter().map(|process| process.pid).collect();
        let (found, is_complete) = listening::listeners_while(&pids, &has_time);
        let named = found.into_iter().map(|one| one.address).filter(|address| !address.is_empty());
        (named.collect(), is_complete)
    }

    /// Why the processes that were just killed did not end in time, as far as the looks show.
    pub(super) fn post_mortem(&self) -> Option<Fact> {
        if !cfg!(feature = "postmortem") || self.looks.is_empty() || !snapshot::has_room() {
            return None;
        }
        let mut killed: Vec<i32> = self.tree.killed().map(|process| process.pid).collect();
        if killed.is_empty() {
            // The dump ended them.
            let last = self.looks.last().into_iter().flat_map(|look| &look.processes);
            killed.extend(last.map(|seen| seen.pid));
        }
        let signal = self.asked_with();
        let all = (1..=64).filter_map(Signal::new);
        let ignored_by_winddown: SignalSet = all.filter(|signal| receive::is_ignored(*signal)).collect();
        let name = signal.name();
        let case = Evidence {
            looks: &self.looks,
            killed: &killed,
            signal: (signal.number(), &name),
            ignored_by_winddown: ignored_by_winddown.bits(),
            knows_who_was_asked: true,
            room: Room::LOG,
        };
        let found = judge::judge(&case);
        (!found.findings.is_empty()).then_some(Fact::PostMortem(found))
    }

    /// The last signal that the workload was asked with.
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
