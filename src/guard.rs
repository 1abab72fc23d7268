//! The outer process of a guarded run: the one that callers see. It passes signals on and waits;
//! when the inner one is killed, it finishes the job.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use crate::lifecycle::exit::Ending;
use crate::lifecycle::signal::{Origin, Signal, SignalSet};
use crate::os::clock::Clock;
use crate::os::inbox;
use crate::os::link::{OuterEnd, WAKE};
use crate::os::notify::Relay;
use crate::os::parent::Parent;
use crate::os::reap::{self, Change};
use crate::os::signalling;

/// What has become of the inner process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Inner {
    Runs,
    Stopped,
    Ended,
}

/// What the outer process has to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// End: the run is over.
    End(Ending),
    /// Take over: the inner process was killed before the run had ended.
    TakeOver,
    /// Supervise: there was no process left for the workload, so the inner one has become it.
    Supervise(io::Error),
}

/// Waits for the end of the inner process. What ends of `foreign` meanwhile is taken out of it.
#[must_use]
pub(crate) fn watch(
    end: &OuterEnd,
    clock: &Clock,
    stops_with_it: bool,
    mut parent: Option<Parent>,
    relay: Option<&Relay>,
    foreign: &mut HashSet<i32>,
) -> Next {
    let own_pid = std::process::id().cast_signed();
    loop {
        let more = relay.is_some_and(Relay::pass_on);
        // Before the first wait as well: it may have ended before it was watched.
        if parent.as_mut().is_some_and(Parent::has_ended) {
            end.tell_parent_ended();
        }
        let patience = more.then_some(Duration::ZERO);
        let Some(delivery) = inbox::take(SignalSet::ALL, patience) else { continue };
        let by_relay = relay.is_some() && delivery.signal == WAKE && delivery.origin == Origin::Kernel;
        if by_relay || parent.is_some_and(|parent| parent.raised(&delivery)) {
            continue;
        }
        let is_own =
            matches!(delivery.origin, Origin::Process { pid, .. } if pid == own_pid || pid == end.inner);
        if delivery.signal == Signal::CHLD {
            if let Some(error) = end.page.declined() {
                return Next::Supervise(error);
            }
            let inner = reap(end.inner, foreign);
            // What it said last.
            while inner == Inner::Ended && relay.is_some_and(Relay::pass_on) {}
            match inner {
                Inner::Ended => return end.page.ending().map_or(Next::TakeOver, Next::End),
                Inner::Stopped if stops_with_it => {
                    let _ = inbox::stop_self();
                    // SIGCONT may have been meant for us alone.
                    let _ = signalling::send(end.inner, Signal::CONT);
                }
                Inner::Runs | Inner::Stopped => {}
            }
        } else if delivery.signal.is_forwardable() && !is_own {
            end.relay(&delivery, clock.now());
        }
    }
}

/// Reaps whatever there is, children from before the start among them: their ids may be the workload's
/// next.
fn reap(inner: i32, foreign: &mut HashSet<i32>) -> Inner {
    let mut state = Inner::Runs;
    loop {
        match reap::next() {
            Change::Ended { pid, .. } if pid == inner => return Inner::Ended,
            Change::Stopped { pid } if pid == inner => state = Inner::Stopped,
            Change::Continued { pid } if pid == inner => state = Inner::Runs,
            Change::Nothing => return state,
            Change::NoChild => return Inner::Ended,
            Change::Ended { pid, .. } => {
                foreign.remove(&pid);
            }
            Change::Stopped { .. } | Change::Continued { .. } => {}
        }
    }
}
