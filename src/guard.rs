//! The outer process of a guarded run: the one that callers see. It passes signals on and waits;
//! when the inner one is killed, it finishes the job.

use std::io;
use std::time::Duration;

use crate::lifecycle::exit::Ending;
use crate::lifecycle::signal::{Origin, Signal, SignalSet};
use crate::os::clock::Clock;
use crate::os::guard::channel::OuterEnd;
use crate::os::io::notify::Relay;
use crate::os::one_thread::OneThread;
use crate::os::process::foreign::Foreign;
use crate::os::process::parent::Parent;
use crate::os::process::reap::{self, Change};
use crate::os::signal::wake::WAKE;
use crate::os::signal::{receive, send};

/// What has become of the inner process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Inner {
    Runs,
    Stopped,
    Ended,
}

/// What the outer process does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// End: the run is over.
    End(Ending),
    /// Take over: the inner process was killed before the run had ended.
    TakeOver,
    /// Supervise: no further process could be created, so the inner one has become the workload.
    Supervise(io::Error),
}

/// Waits for the end of the inner process. Processes of `foreign` that end meanwhile are taken out of it.
pub(crate) fn watch(
    one_thread: OneThread,
    end: &OuterEnd,
    clock: &Clock,
    stops_with_it: bool,
    mut parent: Option<Parent>,
    mut relay: Option<&mut Relay>,
    foreign: &mut Foreign,
) -> Next {
    let own_pid = std::process::id().cast_signed();
    loop {
        let more = relay.as_deref_mut().is_some_and(|relay| pass_on(one_thread, relay, foreign));
        // Before the first wait as well: the parent may have ended before it was watched.
        if parent.as_mut().is_some_and(Parent::take_end) {
            end.report_parent_ended();
        }
        let is_asked = end.page.is_asked_for_clearance();
        let patience = (more || is_asked).then_some(Duration::ZERO);
        let Some(delivery) = receive::take(SignalSet::ALL, patience) else {
            if is_asked {
                end.confirm_clear();
            }
            continue;
        };
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
            let inner = reap(end.inner, relay.as_deref_mut(), foreign);
            // The last messages of the workload.
            while inner == Inner::Ended
                && relay.as_deref_mut().is_some_and(|relay| pass_on(one_thread, relay, foreign))
            {}
            match inner {
                Inner::Ended => return end.page.ending().map_or(Next::TakeOver, Next::End),
                Inner::Stopped if stops_with_it => {
                    let _ = receive::stop_self();
                    // SIGCONT may have been meant for us alone.
                    let _ = send::send(end.inner, Signal::CONT);
                }
                Inner::Runs | Inner::Stopped => {}
            }
        } else if !is_own && (delivery.signal.is_forwardable() || delivery.origin != Origin::Kernel) {
            // If it is not passed on to the workload, the inner process logs that.
            end.relay(&delivery, clock.now());
        }
    }
}

/// Passes messages on, and has the descriptors that came with them closed; true if there may be more.
fn pass_on(one_thread: OneThread, relay: &mut Relay, foreign: &mut Foreign) -> bool {
    let more = relay.pass_on();
    if let Some(helper) = relay.closing.close(one_thread) {
        foreign.add_child(helper);
    }
    more
}

/// Reaps every child, also those from before the start: the workload may get their pids next.
fn reap(inner: i32, mut relay: Option<&mut Relay>, foreign: &mut Foreign) -> Inner {
    let mut state = Inner::Runs;
    loop {
        match reap::next() {
            Change::Ended { pid, .. } if pid == inner => return Inner::Ended,
            Change::Stopped { pid } if pid == inner => state = Inner::Stopped,
            Change::Continued { pid } if pid == inner => state = Inner::Runs,
            Change::Nothing => return state,
            Change::NoChild => return Inner::Ended,
            Change::Ended { pid, .. } => {
                foreign.note_reaped(pid);
                relay.as_deref_mut().map(|relay| relay.closing.note_reaped(pid));
            }
            Change::Stopped { .. } | Change::Continued { .. } => {}
        }
    }
}
