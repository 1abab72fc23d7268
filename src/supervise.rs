//! The driver of the main job: a plain loop on the one thread. It takes signals, reaps children,
//! asks the machine what is to be done, does it, and tells it afterwards.

use std::time::Duration;

mod hooks;
mod telling;

pub use hooks::Hooks;

use crate::lifecycle::event::{Cause, Effect, Event, Received};
use crate::lifecycle::exit::{self, Ending, Exit};
use crate::lifecycle::machine::Machine;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::signal::{Origin, Signal, SignalSet};
use crate::observe::log::Level;
use crate::observe::{Fact, Observer, Purpose};
use crate::os::clock::{self, Clock};
use crate::os::inbox::{self, Delivery};
use crate::os::link::{self, InnerEnd};
use crate::os::reap::{self, Change};
use crate::os::signalling;
use crate::os::terminal::{self, Terminal};
use crate::os::tree::{Process, Sent, Tree};

/// So many in a row before the others get their turn: a storm of one kind starves none.
const BATCH: usize = 64;

/// A run under way.
#[derive(Debug)]
pub struct Supervisor {
    /// Decides.
    pub machine: Machine,
    /// Finds and signals processes.
    pub tree: Tree,
    /// What the system says of this process is the same all its life.
    pub own_pid: i32,
    /// Tells.
    pub observer: Observer,
    /// The process that callers see, if this run is guarded.
    pub link: Option<InnerEnd>,
    /// Our controlling terminal; the main process then shares our group.
    pub terminal: Option<Terminal>,
    /// Counts from the start of the run.
    pub clock: Clock,
    /// Whether a signal that was sent to the terminal's whole group came by itself already.
    pub group_signals: GroupSignals,
    /// Signals that were ignored when winddown was started, as far as they matter.
    pub inherited_ignored: SignalSet,
    /// What is run during a stop, and after it.
    pub hooks: Hooks,
    /// Exit statuses of the main process to rewrite.
    pub remap_exit: Vec<(u8, u8)>,
    /// What has been done since the last time facts were told.
    pub pending: Pending,
}

/// What one event has led to, not told yet: signals are sent before anything is logged.
#[derive(Debug, Default)]
pub struct Pending {
    effects: Vec<Effect>,
    facts: Vec<Fact>,
    /// Whom this event's effects have signalled, beside the main process when it was asked.
    targets: Vec<Process>,
    /// What the main process was asked with.
    asked_main_with: Option<Signal>,
    /// The terminal let us go on: the SIGCONT that did it is still to be seen.
    resumed: bool,
    ended_children: bool,
    full_batches: usize,
    /// What the end of the workload has come to, once it was told.
    concluded: Option<(Outcome, Ending)>,
}

/// How a signal came to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// It was sent to this process.
    Direct,
    /// It was sent to the outer process, which passed it on.
    Relayed,
}

/// Signals that came directly to the inner process on a terminal: they were sent to the whole group,
/// so the copy that the outer process passes on does not count.
#[derive(Debug, Default)]
pub struct GroupSignals(Vec<(Signal, Origin, Duration)>);

impl GroupSignals {
    /// A copy that takes longer than this is another signal of the same sender.
    const COPY_MAX: Duration = Duration::from_secs(1);

    fn seen(&mut self, signal: Signal, origin: Origin, now: Duration) {
        self.0.retain(|(_, _, at)| now.saturating_sub(*at) < Self::COPY_MAX);
        self.0.push((signal, origin, now));
    }

    fn is_copy(&mut self, signal: Signal, origin: Origin, now: Duration) -> bool {
        let is_it = |(s, o, at): &(Signal, Origin, Duration)| {
            *s == signal && *o == origin && now.saturating_sub(*at) < Self::COPY_MAX
        };
        let found = self.0.iter().position(is_it);
        found.map(|index| self.0.swap_remove(index)).is_some()
    }
}

impl Supervisor {
    /// Supervises a main process that was just started, until nothing of it is left.
    #[must_use]
    pub fn run(&mut self) -> Ending {
        self.handle(Event::Started, None);
        self.supervise()
    }

    /// Ends what a supervisor that was killed has left to us; it may have reaped the main process.
    #[must_use]
    pub fn take_over(&mut self, main_exit: Option<Exit>) -> Ending {
        self.handle(Event::Started, None);
        if let Some(exit) = main_exit {
            self.tree.reaped(self.tree.main().pid, exit);
            self.handle(Event::MainExited(exit), None);
        }
        self.handle(Event::Abandoned, None);
        self.supervise()
    }

    fn supervise(&mut self) -> Ending {
        // Whatever came before the first wait.
        let mut relay_more = true;
        let mut reap_more = true;
        for turn in 1_usize.. {
            let every = turn.is_multiple_of(BATCH);
            if reap_more || every {
                reap_more = self.reap();
            }
            if every {
                self.take_stop_signals();
            }
            if relay_more || every {
                relay_more = self.take_relayed();
            }
            if self.hooks.has_failed() {
                self.handle(Event::HookEnded(None), None);
            }
            self.tick();
            if self.machine.is_stopped() {
                break;
            }
            let patience = if reap_more || relay_more { Some(Duration::ZERO) } else { self.patience() };
            match inbox::take(SignalSet::ALL, patience) {
                Some(delivery) if delivery.signal == Signal::CHLD => reap_more = true,
                Some(delivery) if delivery.signal == link::WAKE && self.link.is_some() => relay_more = true,
                Some(delivery) => self.receive(&delivery, Way::Direct, self.clock.now()),
                None => {}
            }
        }
        self.end()
    }

    /// How long to wait for a signal; for ever when nothing is due.
    fn patience(&self) -> Option<Duration> {
        self.machine.deadline().map(|at| at.saturating_sub(self.clock.now()))
    }

    /// The kernel hands out low numbers first: a flood of SIGUSR1 would hold up SIGTERM for ever.
    fn take_stop_signals(&mut self) {
        let stop_on = self.machine.plan().stop_on;
        while let Some(delivery) = inbox::take(stop_on, Some(Duration::ZERO)) {
            self.receive(&delivery, Way::Direct, self.clock.now());
        }
    }

    /// What the outer process has passed on, up to a batch, and whether it is still there; true if there
    /// may be more.
    fn take_relayed(&mut self) -> bool {
        if self.link.as_ref().is_some_and(InnerEnd::is_abandoned) {
            self.link = None;
            self.handle(Event::Abandoned, None);
        }
        // What was sent to the whole group came to us before its copy did, but the kernel hands out
        // SIGIO first.
        let direct = SignalSet::ALL.without(Signal::CHLD).without(link::WAKE);
        for _ in 0..BATCH {
            let Some(delivery) = inbox::take(direct, Some(Duration::ZERO)) else { break };
            self.receive(&delivery, Way::Direct, self.clock.now());
        }
        for _ in 0..BATCH {
            let Some((delivery, at)) = self.link.as_ref().and_then(InnerEnd::next) else { return false };
            self.receive(&delivery, Way::Relayed, at);
        }
        true
    }

    /// Whatever is due. Who has ended by then has ended in time, so children come first: as many as
    /// there can be at one moment, but not those of a storm that goes on.
    fn tick(&mut self) {
        if self.is_due() {
            (0..BATCH).take_while(|_| self.reap()).count();
            self.handle(Event::Tick, None);
        }
    }

    fn is_due(&self) -> bool {
        self.machine.deadline().is_some_and(|at| at <= self.clock.now())
    }

    /// Reaps what there is, up to a batch; true if there may be more.
    fn reap(&mut self) -> bool {
        for _ in 0..BATCH {
            match reap::next() {
                Change::Ended { pid, exit } => self.child_ended(pid, exit),
                Change::Stopped { pid } if self.tree.is_main(pid) => {
                    self.tree.main_stopped(true);
                    self.handle(Event::MainStopped, None);
                }
                Change::Continued { pid } if self.tree.is_main(pid) => self.tree.main_stopped(false),
                Change::Stopped { .. } | Change::Continued { .. } => {}
                Change::Nothing => {
                    self.children_reaped();
                    return false;
                }
                Change::NoChild => {
                    self.handle(Event::TreeEmpty, None);
                    return false;
                }
            }
        }
        // Whoever dies without end must not keep the others from being seen; but the fewer dead there are
        // in the list of children, the sooner the living are found in it.
        self.pending.full_batches += 1;
        if self.pending.full_batches.is_multiple_of(BATCH) && self.machine.phase() >= Phase::Terminating {
            self.children_reaped();
        }
        true
    }

    fn child_ended(&mut self, pid: i32, exit: Exit) {
        self.tree.reaped(pid, exit);
        self.pending.ended_children = true;
        if let Some(event) = self.hook_ended(pid, exit) {
            self.handle(event, None);
        }
        if self.tree.is_main(pid) {
            if let Some(link) = &self.link {
                link.page.set_main_exit(exit);
            }
            self.handle(Event::MainExited(exit), None);
        }
        if self.observer.log.wants(Level::Detail) {
            let name = if self.tree.is_main(pid) { self.tree.main().name.clone() } else { String::new() };
            self.observer.tell(self.clock.now(), &Fact::Reaped(Process { pid, name }, exit));
        }
    }

    fn children_reaped(&mut self) {
        if std::mem::take(&mut self.pending.ended_children) {
            let event = if self.tree.is_empty_but_for_foreign() { Event::TreeEmpty } else { Event::Remains };
            self.handle(event, None);
        }
    }

    /// One signal that came in from outside.
    fn receive(&mut self, delivery: &Delivery, way: Way, at: Duration) {
        let outer_pid = self.link.as_ref().map(|link| link.outer);
        let is_own = matches!(delivery.origin, Origin::Process { pid, .. } if pid == self.own_pid || Some(pid) == outer_pid);
        if is_own || !delivery.signal.is_forwardable() {
            return;
        }
        let Some(to_group) = self.was_sent_to_group(delivery, way, at) else { return };
        // The machine does what is due with every event: as in a tick, the children come first.
        if self.is_due() {
            self.reap();
        }
        let received = self.look_at(delivery, to_group);
        let now = if way == Way::Relayed { self.clock.now() } else { at };
        self.handle_at(at, now, Event::Signal(received), Some(delivery));
    }

    /// Whether a signal was sent to the whole group that we share with the main process; nothing if
    /// it is not for us, or a copy.
    fn was_sent_to_group(&mut self, delivery: &Delivery, way: Way, now: Duration) -> Option<bool> {
        let Delivery { signal, origin, .. } = *delivery;
        // The end of a terminal is told to the session's leader alone.
        let hangs_up =
            signal == Signal::HUP && self.terminal.as_ref().is_some_and(|terminal| terminal.leads_session);
        let by_terminal = self.terminal.is_some() && origin == Origin::Kernel && !hangs_up;
        match way {
            Way::Direct if self.link.is_none() => Some(by_terminal || self.is_shells_hang_up(delivery)),
            // In a group of our own we heed only what comes through the pipe, but for the workload's own
            // `kill $PPID`: it can't know that its parent is not the process that callers see.
            Way::Direct if self.terminal.is_none() => {
                let by_workload = matches!(origin, Origin::Process { pid, .. } if self.tree.contains(pid));
                by_workload.then(|| self.group_signals.seen(signal, origin, now)).map(|()| false)
            }
            Way::Direct => {
                self.group_signals.seen(signal, origin, now);
                Some(true)
            }
            Way::Relayed if by_terminal || self.group_signals.is_copy(signal, origin, now) => None,
            Way::Relayed => Some(false),
        }
    }

    /// A shell whose terminal has gone tells its jobs, and always the whole group of each.
    fn is_shells_hang_up(&self, delivery: &Delivery) -> bool {
        let Origin::Process { pid, .. } = delivery.origin else { return false };
        delivery.signal == Signal::HUP
            && self.terminal.is_some()
            && terminal::is_session_leader(pid)
            && terminal::is_gone()
    }

    fn look_at(&mut self, delivery: &Delivery, to_group: bool) -> Received {
        let Delivery { signal, origin, .. } = *delivery;
        let is_stop = self.machine.plan().stop_on.contains(signal);
        let is_repeat = is_stop && self.machine.phase() == Phase::Terminating;
        Received {
            signal,
            origin,
            main_has_it: self.main_has_it(signal, origin, to_group),
            hangup: signal == Signal::HUP
                && self.terminal.is_some()
                && !self.inherited_ignored.contains(Signal::HUP)
                && terminal::is_gone(),
            from_tree: is_repeat && matches!(origin, Origin::Process { pid, .. } if self.tree.contains(pid)),
        }
    }

    /// Whether the main process got the same signal in the same moment, by the group we share.
    fn main_has_it(&mut self, signal: Signal, origin: Origin, to_group: bool) -> bool {
        if signal == Signal::CONT && std::mem::take(&mut self.pending.resumed) {
            self.reap();
            return !self.tree.main_is_stopped();
        }
        // One that signalled its own group (`kill 0`) has it already; sent back, it would act twice.
        let by_main = matches!(origin, Origin::Process { pid, .. } if self.tree.is_main(pid));
        self.terminal.is_some() && (to_group || by_main) && self.main_shares_group()
    }

    fn main_shares_group(&self) -> bool {
        let main = nix::unistd::Pid::from_raw(self.tree.main().pid);
        nix::unistd::getpgid(Some(main)) == Ok(nix::unistd::getpgrp())
    }

    /// Asks the machine, does what it says, and tells it.
    fn handle(&mut self, event: Event, delivery: Option<&Delivery>) {
        let now = self.clock.now();
        self.handle_at(now, now, event, delivery);
    }

    /// The same for what happened a little before `now`: the clock of a stop starts there, whatever is
    /// done about it happens now.
    fn handle_at(&mut self, at: Duration, now: Duration, event: Event, delivery: Option<&Delivery>) {
        let phase = self.machine.phase();
        let mut effects = std::mem::take(&mut self.pending.effects);
        self.machine.handle(at, event, &mut effects);
        if self.machine.phase() != phase {
            self.pending.facts.push(Fact::Phase(self.machine.phase()));
        }
        for effect in effects.drain(..) {
            self.perform(effect, delivery, at);
        }
        if phase < Phase::Terminating && self.machine.phase() == Phase::Terminating {
            clock::wake_exactly();
        }
        self.pending.effects = effects;
        self.pending.targets.clear();
        let mut facts = std::mem::take(&mut self.pending.facts);
        for fact in facts.drain(..) {
            let is_request = matches!(fact, Fact::StopRequested { .. });
            self.observer.tell(if is_request { at } else { now }, &fact);
        }
        self.pending.facts = facts;
    }

    fn perform(&mut self, effect: Effect, delivery: Option<&Delivery>, now: Duration) {
        match effect {
            Effect::Forward(signal) => self.forward(signal, delivery),
            Effect::AskMain(signal) => {
                let request = self.request(delivery);
                let sent = self.tree.ask_main(signal, request);
                self.sent(sent, Purpose::Ask);
            }
            Effect::AskOrphans(signal, which) => {
                let sent = self.tree.ask_orphans(signal, which);
                self.sent(sent, Purpose::Ask);
            }
            Effect::AskEveryone(signal) => {
                let request = self.request(delivery);
                let sent = self.tree.ask_everyone(signal, request);
                self.sent(sent, Purpose::Ask);
            }
            Effect::AskedByTerminal(signal) => self.tree.asked_by_terminal(signal),
            Effect::AskAgain => self.tree.ask_again(),
            Effect::StartHook(index) => self.start_hook(index, now),
            Effect::StartPostStop => self.start_post_stop(),
            Effect::EndHook => self.end_hook(),
            Effect::Answer(_) => {}
            Effect::ContinueMain => {
                let sent = self.tree.continue_main();
                self.sent(sent, Purpose::Continue);
            }
            Effect::KillTree => {
                let sent = self.tree.kill();
                self.sent(sent, Purpose::Kill);
            }
            Effect::KillOrphans => {
                let sent = self.tree.kill_orphans();
                self.sent(sent, Purpose::Kill);
            }
            Effect::StopWithMain => self.stop_with_main(),
            Effect::Say(note) => {
                let fact = self.fact(note, now);
                self.pending.facts.extend(fact);
            }
        }
    }

    /// The delivery that asked for the stop, if it is this one.
    fn request<'a>(&self, delivery: Option<&'a Delivery>) -> Option<&'a Delivery> {
        delivery.filter(|_| matches!(self.machine.cause(), Some(Cause::Signal(_))))
    }

    fn forward(&mut self, signal: Signal, delivery: Option<&Delivery>) {
        let result = signalling::forward(self.tree.main().pid, signal, delivery);
        // The usual case is on the way of every signal: nothing is built that nobody reads.
        if result.is_err() || self.observer.record.is_some() {
            let sent = Sent { target: self.tree.main().clone(), signal, error: result.err() };
            self.pending.facts.push(Fact::Sent(sent, Purpose::Forward));
        }
    }

    fn sent(&mut self, sent: impl IntoIterator<Item = Sent>, purpose: Purpose) {
        for sent in sent {
            let purpose = if sent.signal == Signal::CONT { Purpose::Continue } else { purpose };
            let counts =
                purpose == Purpose::Kill || (purpose == Purpose::Ask && !self.tree.is_main(sent.target.pid));
            if counts && sent.error.is_none() {
                self.pending.targets.push(sent.target.clone());
            }
            self.pending.facts.push(Fact::Sent(sent, purpose));
        }
    }

    /// Ctrl+Z: the shell waits for us, and has to see us stopped. Also when a shell of its own group
    /// that has the terminal was suspended: it gets the terminal back.
    fn stop_with_main(&mut self) {
        let main = self.tree.main().clone();
        let terminal = self.terminal.as_ref().filter(|_| !self.inherited_ignored.contains(Signal::TSTP));
        let holder = terminal.and_then(|terminal| terminal.holder(main.pid));
        let stops = terminal.is_some() && (holder.is_some() || self.main_shares_group());
        self.pending.resumed = stops && inbox::stop_self();
        if let (Some(terminal), Some(group)) = (terminal, holder) {
            terminal.hand_to(group);
        }
        if !self.pending.resumed {
            self.pending.facts.push(Fact::MainStopped(main));
        }
    }

    /// Writes the record.
    fn end(&mut self) -> Ending {
        let (_, ending) = self.conclude();
        let now = self.clock.now();
        self.observer.write_record(now, self.tree.killed(), ending.status());
        if let Some(link) = &self.link {
            link.page.set_ending(ending);
        }
        ending
    }

    /// Puts the terminal back, looks the exit status up, and tells the end of the workload, once.
    fn conclude(&mut self) -> (Outcome, Ending) {
        if let Some(concluded) = self.pending.concluded {
            return concluded;
        }
        let now = self.clock.now();
        let main_exit = self.machine.main_exit();
        let cause = self.machine.cause();
        if let (Some(terminal), Some(Exit::Signal(_))) = (&self.terminal, main_exit) {
            terminal.restore();
        }
        let any_killed = self.tree.killed().next().is_some();
        let survivors = self.machine.has_survivors();
        let outcome = Outcome::of(main_exit, cause, any_killed, survivors);
        let ending = exit::ending(&exit::Facts {
            main: main_exit,
            main_was_killed: self.tree.main_was_killed(),
            survivors,
            cause,
            remap: &self.remap_exit,
            is_pid_1: self.own_pid == 1,
        });
        let fact = Fact::Ended {
            outcome,
            main: self.tree.main().clone(),
            main_exit,
            took: self.machine.stop_at().map(|at| now.saturating_sub(at)),
            limit: self.machine.plan().limit,
        };
        self.observer.tell(now, &fact);
        *self.pending.concluded.insert((outcome, ending))
    }
}
