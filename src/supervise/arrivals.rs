//! One signal can reach both of winddown's processes: which two are copies, and whom it was sent to.

use std::collections::VecDeque;
use std::time::Duration;

use super::Supervisor;
use super::signals::Way;
use crate::lifecycle::cause::{Reach, Received};
use crate::lifecycle::event::Event;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::io::terminal;
use crate::os::process::procfs;
use crate::os::signal::receive::Delivery;
use crate::platform::Platform;

/// How long a signal's copy counts as one. The kernel sends the copies to a group together; one that a
/// process sends separately follows when its sender gets to run.
const GROUP_COPY_MAX: Duration = Duration::from_secs(1);
const COPY_MAX: Duration = Duration::from_millis(200);
/// The same signal again within this time belongs to the same sending: standard signals coalesce, so two
/// may reach one process as two, and the other as one.
const COALESCED: Duration = Duration::from_millis(100);
/// The kernel signals a whole group at once. We check this much later whether the outer process has the
/// signal, too.
const LOOK_AFTER: Duration = Duration::from_millis(5);
/// A tool that signals every process does so one by one, and takes about this long.
const TOOL_TAKES: Duration = Duration::from_millis(10);
/// We no longer wait for an outer process that is not seen idle by then.
const LOOKS_END: Duration = Duration::from_millis(250);
/// With less time than this for the whole stop, we wait for no copy.
const HASTE: Duration = Duration::from_millis(100);
/// At most this many signals wait for their copies, and are remembered: a flood must not make each signal
/// expensive.
const HELD_MAX: usize = 256;
const SEEN_MAX: usize = 64;
/// When to check first whether the shell has exited; the pause doubles each time.
const HANG_UP_PAUSE: Duration = Duration::from_millis(20);
/// A shell that has not exited by then has sent a reload.
const HANG_UP_MAX: Duration = Duration::from_secs(3);

/// A signal whose copy we wait for, to know whom it was sent to. A stop's clock starts when the signal came.
#[derive(Clone, Copy)]
struct HeldSignal {
    delivery: Delivery,
    way: Way,
    at: Duration,
    look_at: Duration,
}

impl HeldSignal {
    fn is(&self, signal: Signal, origin: Origin) -> bool {
        self.delivery.signal == signal && self.delivery.origin == origin
    }
}

/// A signal that was acted upon.
struct SeenSignal {
    signal: Signal,
    origin: Origin,
    /// How it came, while its copy can still come the other way.
    way: Option<Way>,
    at: Duration,
    reach: Reach,
}

impl SeenSignal {
    /// Whether it is the same signal, and recent enough.
    fn is(&self, signal: Signal, origin: Origin, now: Duration) -> bool {
        let kept = if self.reach == Reach::Winddown { COPY_MAX } else { GROUP_COPY_MAX };
        self.signal == signal && self.origin == origin && now.saturating_sub(self.at) < kept
    }
}

/// How a signal relates to earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    /// It is the copy of a signal with this reach.
    Copy(Reach),
    /// It belongs to the same sending as a signal with this reach.
    Coalesced(Reach),
}

/// HUP from the shell whose job we are: either the shell is exiting, or this is a reload.
struct HangUp {
    received: Received,
    look_at: Duration,
    pause: Duration,
    until: Duration,
}

/// Earlier signals, as far as they matter for the next ones.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// What signals every process at once where we run.
    platform: Option<Platform>,
    held: VecDeque<HeldSignal>,
    seen: VecDeque<SeenSignal>,
    hang_up: Option<HangUp>,
    /// When the last Ctrl+Z was over. The outer process may have passed on an earlier TSTP; one that no
    /// process had taken is gone, since SIGCONT discards it.
    resumed_at: Option<Duration>,
}

impl std::fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrivals").finish_non_exhaustive()
    }
}

impl Arrivals {
    pub(crate) fn new(platform: Option<Platform>) -> Self {
        Self { platform, ..Self::default() }
    }

    /// When to check again; `None` if nothing is open.
    pub(super) fn next(&self) -> Option<Duration> {
        let held = self.held.iter().map(|held| held.look_at);
        held.chain(self.hang_up.as_ref().map(|hang_up| hang_up.look_at)).min()
    }

    /// Takes out the held signal whose copy this is.
    fn counterpart(&mut self, signal: Signal, origin: Origin, way: Way) -> Option<HeldSignal> {
        let index = self.held.iter().position(|held| held.is(signal, origin) && held.way != way)?;
        self.held.remove(index)
    }

    fn known(&mut self, signal: Signal, origin: Origin, way: Way, now: Duration) -> Option<Known> {
        let awaits = |seen: &&mut SeenSignal| {
            seen.is(signal, origin, now) && seen.way.is_some_and(|other| other != way)
        };
        if let Some(seen) = self.seen.iter_mut().find(awaits) {
            seen.way = None;
            return Some(Known::Copy(seen.reach));
        }
        self.coalesced(signal, origin, now).map(Known::Coalesced)
    }

    /// The reach of the sending that a signal which came at this time belongs to.
    fn coalesced(&self, signal: Signal, origin: Origin, at: Duration) -> Option<Reach> {
        let is_coalesced = |seen: &&SeenSignal| {
            seen.is(signal, origin, at)
                && seen.reach != Reach::Winddown
                && at.saturating_sub(seen.at) < COALESCED
        };
        self.seen.iter().find(is_coalesced).map(|seen| seen.reach)
    }

    fn see(&mut self, delivery: &Delivery, way: Option<Way>, at: Duration, reach: Reach) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(SeenSignal { signal: delivery.signal, origin: delivery.origin, way, at, reach });
    }
}

impl Supervisor {
    /// Handles a signal that a process has sent to one of our two processes, or to both.
    pub(super) fn arrive(&mut self, delivery: &Delivery, way: Way, at: Duration) {
        let Delivery { signal, origin, .. } = *delivery;
        if signal == Signal::TSTP && self.arrivals.resumed_at.is_some_and(|resumed_at| at <= resumed_at) {
            return self.deliver(delivery, at, Reach::Copy);
        }
        if let Some(first) = self.arrivals.counterpart(signal, origin, way) {
            let reach = if self.terminal.is_some() { Reach::Group } else { Reach::Everyone };
            self.arrivals.see(&first.delivery, None, first.at, reach);
            return self.deliver(&first.delivery, first.at, reach);
        }
        match self.arrivals.known(signal, origin, way, at) {
            Some(Known::Copy(Reach::Winddown)) => self.deliver(delivery, at, Reach::Copy),
            Some(Known::Copy(_)) => {}
            Some(Known::Coalesced(reach)) => {
                self.arrivals.see(delivery, Some(way), at, reach);
                self.deliver(delivery, at, reach);
            }
            None => match self.waits_for_copy(delivery, way) {
                Some(pause) => {
                    let look_at = at.saturating_add(pause);
                    self.arrivals.held.push_back(HeldSignal { delivery: *delivery, way, at, look_at });
                }
                None => self.deliver_single(delivery, way, at),
            },
        }
    }

    fn deliver_single(&mut self, delivery: &Delivery, way: Way, at: Duration) {
        self.arrivals.see(delivery, Some(way), at, Reach::Winddown);
        self.deliver(delivery, at, Reach::Winddown);
    }

    /// How long to wait for the other process's copy before deciding whom a signal was sent to. While we
    /// share the main process's group, a signal to us may have gone to all of it; one that has reached only
    /// the outer process has not, since the kernel signals us first.
    fn waits_for_copy(&self, delivery: &Delivery, way: Way) -> Option<Duration> {
        let plan = self.machine.plan();
        let is_hasty = plan.limit.length().is_some_and(|limit| limit < HASTE);
        if is_hasty || self.arrivals.held.len() >= HELD_MAX {
            return None;
        }
        if self.terminal.is_some() {
            return (way == Way::Direct).then_some(LOOK_AFTER);
        }
        let begins_stop = plan.stop_on.contains(delivery.signal) && self.machine.phase() <= Phase::Running;
        (begins_stop && self.is_by_platform(delivery.origin)).then_some(TOOL_TAKES)
    }

    /// Whether the sender is the tool that signals every process where we run.
    fn is_by_platform(&self, origin: Origin) -> bool {
        let (Some(platform), Origin::Process { pid, .. }) = (self.arrivals.platform, origin) else {
            return false;
        };
        let visible = self.outer_pid.unwrap_or(self.own_pid);
        platform.is_sender(pid, || procfs::stat(visible).map(|stat| stat.parent), || procfs::name(pid))
    }

    /// Decides about held signals whose copy has not come.
    pub(super) fn settle(&mut self) {
        let now = self.clock.now();
        if self.arrivals.next().is_none_or(|at| at > now) {
            return;
        }
        let outer = self
            .channel
            .as_ref()
            .filter(|_| procfs::is_ours())
            .and_then(|channel| procfs::idle(channel.outer));
        // When the outer process waits for its next signal, all that it has taken are in the pipe.
        let is_drained = !self.take_relayed();
        self.children_first();
        for mut held in std::mem::take(&mut self.arrivals.held) {
            let HeldSignal { delivery, way, at, look_at } = held;
            let waits =
                self.terminal.is_some() && self.channel.is_some() && now.saturating_sub(at) < LOOKS_END;
            if let Some(reach) = self.arrivals.coalesced(delivery.signal, delivery.origin, at) {
                // The outer process has received it and the one before as a single signal.
                self.arrivals.see(&delivery, Some(way), at, reach);
                self.deliver(&delivery, at, reach);
            } else if look_at > now {
                self.arrivals.held.push_back(held);
            } else if outer.is_some_and(|outer| outer.pending.contains(delivery.signal)) {
                let reach = self.group();
                self.arrivals.see(&delivery, Some(way), at, reach);
                self.deliver(&delivery, at, reach);
            } else if waits && !(is_drained && outer.is_some_and(|outer| outer.waits)) {
                held.look_at = now.saturating_add(LOOK_AFTER);
                self.arrivals.held.push_back(held);
            } else {
                self.deliver_single(&delivery, way, at);
            }
        }
        self.look_for_hang_up(now);
    }

    /// The main process has ended: signals still held count as sent to the group, if we share one.
    pub(super) fn settle_all(&mut self) {
        let reach = if self.terminal.is_some() { Reach::Group } else { Reach::Winddown };
        for HeldSignal { delivery, way, at, .. } in std::mem::take(&mut self.arrivals.held) {
            self.arrivals.see(&delivery, Some(way), at, reach);
            self.deliver(&delivery, at, reach);
        }
    }

    /// The workload itself has acted upon Ctrl+Z: nothing is left to pass on.
    pub(super) fn forget_suspension(&mut self) {
        self.arrivals.resumed_at = Some(self.clock.now());
        self.arrivals.held.retain(|held| held.delivery.signal != Signal::TSTP);
    }

    /// A shell that exits sends HUP to its jobs, and lives on for a moment: whether the terminal has gone
    /// with it shows only later. A HUP from a shell that stays is a reload.
    pub(super) fn await_hang_up(&mut self, received: Received) {
        let is_shells =
            matches!(received.origin, Origin::Process { pid, .. } if terminal::is_session_leader(pid));
        if is_shells && self.terminal.is_some() && !received.hangup && self.heeds_hang_up() {
            let now = self.clock.now();
            self.arrivals.hang_up.get_or_insert(HangUp {
                received,
                look_at: now.saturating_add(HANG_UP_PAUSE),
                pause: HANG_UP_PAUSE,
                until: now.saturating_add(HANG_UP_MAX),
            });
        }
    }

    fn heeds_hang_up(&self) -> bool {
        self.machine.phase() <= Phase::Running && !self.inherited_ignored.contains(Signal::HUP)
    }

    fn look_for_hang_up(&mut self, now: Duration) {
        let Some(mut hang_up) = self.arrivals.hang_up.take().filter(|_| self.heeds_hang_up()) else { return };
        if hang_up.look_at <= now && terminal::has_hung_up() {
            let received = hang_up.received;
            let gets_it = received.main_has_it() || self.machine.plan().forwarded(Signal::HUP).is_some();
            let reach = self.reach_of_hang_up(if gets_it { Reach::Group } else { Reach::Winddown });
            self.handle(Event::Signal(Received { hangup: true, reach, ..received }), None);
            return;
        }
        if hang_up.look_at <= now {
            hang_up.pause = hang_up.pause.saturating_mul(2);
            hang_up.look_at = now.saturating_add(hang_up.pause);
        }
        self.arrivals.hang_up = Some(hang_up).filter(|hang_up| hang_up.look_at <= hang_up.until);
    }
}
