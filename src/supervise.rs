//! The driver of the main job: a plain loop on the one thread. It takes signals, reaps children,
//! asks the machine what is to be done, does it, and tells it afterwards.

use std::time::Duration;

mod contact;
mod hooks;
mod live;
mod looking;
mod receiving;
mod telling;

pub use contact::Contact;
pub use hooks::Hooks;
pub use receiving::GroupSignals;
use receiving::Way;

use crate::lifecycle::event::{Cause, Effect, Event};
use crate::lifecycle::exit::{self, Ending, Exit};
use crate::lifecycle::machine::Machine;
use crate::lifecycle::outcome::Outcome;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::signal::{Origin, Signal, SignalSet};
use crate::observe::{Fact, Observer, Purpose, record};
use crate::os::cgroup;
use crate::os::clock::{self, Clock};
use crate::os::inbox::{self, Delivery};
use crate::os::link::{self, InnerEnd};
use crate::os::parent::Parent;
use crate::os::reap::{self, Change, Usage};
use crate::os::signalling;
use crate::os::terminal::Terminal;
use crate::os::tree::{Process, Sent, Tree};
use crate::postmortem::look::Look;

/// So many in a row before the others get their turn: a storm of one kind starves none.
const BATCH: usize = 64;

/// Only with so much time left until SIGKILL there is some for a log line, too.
const UNHURRIED: Duration = Duration::from_millis(100);

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
    /// Its id, also when it has gone.
    pub outer_pid: Option<i32>,
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
    /// What winddown and the workload tell each other.
    pub contact: Contact,
    /// What was seen of the workload during its stop.
    pub looks: Vec<Look>,
    /// When the live line is renewed.
    pub live_next: Duration,
    /// What the workload has used.
    pub usage: Usage,
    /// The parent that the run is to end with, if no outer process watches it.
    pub parent: Option<Parent>,
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
            let messages_left = self.take_messages();
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
            self.look_for_parent();
            self.tick();
            if self.machine.is_stopped() {
                break;
            }
            self.show_live();
            // One that was started in this very turn may have failed.
            let more = reap_more || relay_more || messages_left || self.hooks.has_failed();
            let patience = if more { Some(Duration::ZERO) } else { self.patience() };
            match inbox::take(SignalSet::ALL, patience) {
                Some(delivery) if delivery.signal == Signal::CHLD => reap_more = true,
                Some(delivery) if self.is_wake(&delivery) => relay_more = true,
                Some(delivery) => self.receive(&delivery, Way::Direct, self.clock.now()),
                None => {}
            }
        }
        self.end()
    }

    /// In each turn: the signal for it is lost where another one of its number waits already.
    fn look_for_parent(&mut self) {
        let by_outer = self.link.as_ref().is_some_and(|link| link.page.take_parent_ended());
        if by_outer || self.parent.as_mut().is_some_and(Parent::has_ended) {
            self.handle(Event::ParentEnded, None);
        }
    }

    /// What a descriptor of ours raises, or the end of our parent. Without a guard a process may send the
    /// same for the workload.
    fn is_wake(&self, delivery: &Delivery) -> bool {
        let is_ours = match delivery.origin {
            _ if self.link.is_some() => true,
            // Of the outer process's end too, which may be known before its signals have come.
            Origin::Kernel => self.contact.inlet.is_some() || self.outer_pid.is_some(),
            Origin::Process { pid, .. } => self.outer_pid == Some(pid),
        };
        let by_parent = self.parent.is_some_and(|parent| parent.raised(delivery));
        delivery.signal == link::WAKE && (is_ours || by_parent)
    }

    /// How long to wait for a signal; for ever when nothing is due.
    fn patience(&self) -> Option<Duration> {
        let now = self.clock.now();
        let next = [self.machine.deadline(), self.live_at(now)].into_iter().flatten().min();
        next.map(|at| at.saturating_sub(now))
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

    /// The machine does what is due with every event: as in a tick, the children come first.
    fn children_first(&mut self) {
        if self.is_due() {
            self.reap();
        }
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
                Change::Ended { pid, exit, usage } => self.child_ended(pid, exit, usage),
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

    fn child_ended(&mut self, pid: i32, exit: Exit, usage: Usage) {
        self.tree.reaped(pid, exit);
        self.pending.ended_children = true;
        if self.writer_ended(pid, exit) {
            return;
        }
        if self.hooks.reaped(pid) {
            self.handle(Event::HookEnded(Some(exit)), None);
            return;
        }
        self.usage = self.usage.and(usage);
        if self.tree.is_main(pid) {
            if let Some(link) = &self.link {
                link.page.set_main_exit(exit);
            }
            self.handle(Event::MainExited(exit), None);
        }
        if self.observer.wants_details() {
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
        let begins_stop = phase < Phase::Terminating && self.machine.phase() == Phase::Terminating;
        let mut due = effects.drain(..).peekable();
        if begins_stop {
            // Who hears of the stop by the token is not to be at its end when the signal comes: the look, which
            // takes a moment, comes before both.
            if let Some(look) = due.next_if(|effect| matches!(effect, Effect::Look(_))) {
                self.perform(look, delivery, at);
            }
            self.make_token_readable();
        }
        for effect in due {
            self.perform(effect, delivery, at);
        }
        if begins_stop {
            clock::wake_exactly();
            self.tell_stop();
        }
        self.pending.effects = effects;
        self.pending.targets.clear();
        self.tell(at, now);
    }

    /// Tells what has been done, for a request that was made `at` that moment.
    fn tell(&mut self, at: Duration, now: Duration) {
        if self.pending.facts.is_empty() {
            return;
        }
        let mut facts = std::mem::take(&mut self.pending.facts);
        let kill_is_far = self.machine.kill_at().is_none_or(|at| at.saturating_sub(now) >= UNHURRIED);
        self.observer.log.set_unhurried(self.machine.phase() < Phase::Killing && kill_is_far);
        for fact in facts.drain(..) {
            let is_request = matches!(fact, Fact::StopRequested { .. });
            self.observer.tell(if is_request { at } else { now }, &fact);
        }
        self.observer.log.set_unhurried(false);
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
            Effect::Dump(dump) => {
                let sent = self.tree.dump(dump);
                self.sent(sent, Purpose::Dump);
            }
            Effect::StartHook(index) => self.start_hook(index, now),
            Effect::StartPostStop => self.start_post_stop(),
            Effect::EndHook => self.hooks.end(),
            Effect::Answer(granted) => self.contact.granted = granted,
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
            Effect::Look(moment) => self.look(moment),
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
            if purpose == Purpose::Ask && self.tree.is_main(sent.target.pid) {
                self.pending.asked_main_with = Some(sent.signal);
            }
            let counts = match purpose {
                Purpose::Kill | Purpose::Dump => true,
                Purpose::Ask => !self.tree.is_main(sent.target.pid),
                Purpose::Forward | Purpose::Continue => false,
            };
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
        let end = record::End {
            killed: self.tree.killed().collect(),
            looks: &self.looks,
            usage: Some(self.usage),
            exit_status: ending.status(),
        };
        self.observer.write_record(now, &end);
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
        if main_exit == Some(Exit::Signal(Signal::KILL)) && !self.tree.main_was_killed() {
            let fact =
                Fact::KilledByOthers { main: self.tree.main().clone(), oom_kills: cgroup::oom_kills() };
            self.observer.tell(now, &fact);
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
