//! The driver of the main job: a plain loop on the one thread. It takes signals, reaps children,
//! asks the machine what to do, does it, and reports it afterwards.

use std::sync::atomic::AtomicI32;
use std::time::Duration;

mod arrivals;
mod ending;
mod facts;
mod hooks;
mod killer;
mod live;
mod notify;
mod perform;
mod ready;
mod signals;
mod snapshots;
mod tries;

pub(crate) use arrivals::Arrivals;
pub(crate) use hooks::Hooks;
pub(crate) use killer::Killer;
pub(crate) use notify::Contact;
pub(crate) use ready::Start;
use signals::Way;
pub(crate) use tries::StartedTry;

use crate::fact::Fact;
use crate::lifecycle::event::{Effect, Event, Moment, Note};
use crate::lifecycle::exit::{Ending, Exit, Statuses};
use crate::lifecycle::phase::Phase;
use crate::lifecycle::retry::Tries;
use crate::lifecycle::signal::{Origin, Signal, SignalSet};
use crate::observe::Observer;
use crate::os::clock::{self, Clock};
use crate::os::guard::channel::InnerEnd;
use crate::os::io::terminal::Terminal;
use crate::os::one_thread::OneThread;
use crate::os::process::parent::Parent;
use crate::os::process::reap::{self, Change, Usage};
use crate::os::process::tree::{Process, StillThere, Tree};
use crate::os::signal::receive::{self, Delivery};
use crate::os::signal::wake::WAKE;
use crate::postmortem::look::Look;

/// At most this many events of one kind before the others get their turn: a storm of one starves none.
const BATCH: usize = 64;

/// A log line may take time only while at least this much is left until SIGKILL.
const UNHURRIED: Duration = Duration::from_millis(100);

/// A run under way.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// Proof that there is no other thread, so forking is safe.
    pub(crate) one_thread: OneThread,
    /// Decides.
    pub(crate) machine: Tries,
    /// When the try under way was started.
    pub(crate) try_started: Duration,
    /// The exit status of winddown if the command could not be started again.
    pub(crate) not_started: Option<u8>,
    /// Finds and signals processes.
    pub(crate) tree: Tree,
    /// Cached: it never changes.
    pub(crate) own_pid: i32,
    /// Writes the log and the record.
    pub(crate) observer: Observer,
    /// The process that callers see, if this run is guarded.
    pub(crate) channel: Option<InnerEnd>,
    /// Its pid, also after it has gone.
    pub(crate) outer_pid: Option<i32>,
    /// Our controlling terminal; the main process then shares our group.
    pub(crate) terminal: Option<Terminal>,
    /// Counts from the start of the run.
    pub(crate) clock: Clock,
    /// Earlier signals, as far as they matter for the next ones.
    pub(crate) arrivals: Arrivals,
    /// Signals that were ignored when winddown was started, as far as they matter.
    pub(crate) inherited_ignored: SignalSet,
    /// Commands to run during a stop, and after it.
    pub(crate) hooks: Hooks,
    /// What the workload has to do to become ready.
    pub(crate) start: Start,
    /// The channels between winddown and the workload.
    pub(crate) contact: Contact,
    /// The snapshots of the workload during its stop.
    pub(crate) looks: Vec<Look>,
    /// When to renew the live line.
    pub(crate) live_next: Duration,
    /// The resources that the workload has used.
    pub(crate) usage: Usage,
    /// The evidence of what killed the main process.
    pub(crate) killer: Killer,
    /// The parent to stop with, unless an outer process watches it.
    pub(crate) parent: Option<Parent>,
    /// What the user has said about exit statuses.
    pub(crate) statuses: Statuses,
    /// What was done since facts were last reported.
    pub(crate) pending: Pending,
}

/// What one event has led to, not reported yet: signals are sent before anything is logged.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    effects: Vec<Effect>,
    facts: Vec<Fact>,
    /// The processes that this event's effects have signalled, except the main process when it was asked.
    targets: Vec<Process>,
    /// The signal that the main process was asked with.
    asked_main_with: Option<Signal>,
    /// When the main process was reaped.
    main_ended_at: Option<Duration>,
    /// The shell has resumed us: its SIGCONT has yet to be taken.
    resumed: bool,
    ended_children: bool,
    full_batches: usize,
    /// How long the stop took, if there was one.
    stop_took: Option<Duration>,
    /// The next try is to be started.
    starts_try: bool,
}

/// What follows once the loop has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Continuation {
    /// Start the next try.
    Try,
    /// End: the run is over.
    End(Ending),
}

impl Supervisor {
    /// Supervises a main process that was just started, until the next try starts or the run is over.
    pub(crate) fn run(&mut self) -> Continuation {
        self.try_started = self.clock.now();
        self.handle(Event::Started, None);
        if let Some(length) = self.machine.plan().watchdog {
            self.observer.observe(self.clock.now(), &Fact::WatchdogWaits { length });
        }
        self.supervise()
    }

    /// Finishes the job of a supervisor that was killed; it may have reaped the main process, which ended by itself
    /// unless somebody has asked for a stop.
    pub(crate) fn take_over(
        &mut self,
        main_exit: Option<Exit>,
        is_requested: bool,
        ready_writer: &'static AtomicI32,
    ) -> Continuation {
        self.take_over_ready(ready_writer);
        // The supervisor before us has logged the start, and we don't know when it was.
        if let Some(exit) = main_exit {
            self.tree.note_reaped(self.tree.main().pid, exit);
            if is_requested {
                self.handle(Event::Abandoned, None);
            }
            self.handle(Event::MainExited(exit), None);
        }
        self.handle(Event::Abandoned, None);
        self.supervise()
    }

    pub(super) fn supervise(&mut self) -> Continuation {
        // Something may have come before the first wait.
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
            self.settle();
            if self.hooks.has_failed() {
                self.handle(Event::HookEnded(None), None);
            }
            self.report_failed_probe();
            self.look_for_parent();
            self.tick();
            self.clear();
            self.conclude();
            if self.pending.starts_try {
                return Continuation::Try;
            }
            if self.machine.is_stopped() {
                break;
            }
            self.show_live();
            // A hook that was started in this very turn may have failed.
            let has_failed = self.hooks.has_failed() || self.start.has_failed();
            let more = reap_more || relay_more || messages_left || self.contact.goes_on() || has_failed;
            let more = more || self.is_clear();
            let patience = if more { Some(Duration::ZERO) } else { self.patience() };
            if let Some(delivery) = receive::take(SignalSet::ALL, patience) {
                // A SIGCHLD from a process may have absorbed one from the kernel.
                reap_more |= delivery.signal == Signal::CHLD;
                relay_more |= delivery.signal == WAKE;
                let is_childs = delivery.signal == Signal::CHLD && delivery.origin == Origin::Kernel;
                if !is_childs && !self.is_wake(&delivery) {
                    self.receive(&delivery, Way::Direct, self.clock.now());
                }
            }
        }
        Continuation::End(self.end())
    }

    /// Runs in each turn: the signal for it is lost while another with the same number is pending.
    fn look_for_parent(&mut self) {
        let by_outer = self.channel.as_ref().is_some_and(|channel| channel.page.take_parent_ended());
        if by_outer || self.parent.as_mut().is_some_and(Parent::take_end) {
            self.handle(Event::ParentEnded, None);
        }
    }

    /// Whether one of our descriptors or the end of our parent has raised it. Without a guard, a process may
    /// send the same signal for the workload.
    fn is_wake(&self, delivery: &Delivery) -> bool {
        let is_ours = match delivery.origin {
            // The outer process's end raises it as well, perhaps before its last signals have come.
            Origin::Kernel => self.contact.inlet.is_some() || self.outer_pid.is_some(),
            Origin::Process { pid, .. } => self.outer_pid == Some(pid),
        };
        let by_parent = self.parent.is_some_and(|parent| parent.raised(delivery));
        delivery.signal == WAKE && (is_ours || by_parent)
    }

    /// How long to wait for a signal; `None`, for ever, when nothing is due.
    fn patience(&self) -> Option<Duration> {
        let now = self.clock.now();
        let next =
            [self.machine.deadline(), self.live_at(now), self.arrivals.next()].into_iter().flatten().min();
        next.map(|at| at.saturating_sub(now))
    }

    /// The machine does what is due with every event: as in a tick, children are reaped first.
    fn children_first(&mut self) {
        if self.is_due() {
            self.reap();
        }
    }

    /// Whether something is due that nothing in the batch can put off. A sign of life in it can put off the
    /// watchdog.
    fn batch_is_over(&self) -> bool {
        let due = match self.machine.phase() {
            Phase::Starting | Phase::Running => self.machine.plan().time_up_at(),
            _ => self.machine.deadline(),
        };
        due.is_some_and(|at| at <= self.clock.now())
    }

    /// Does whatever is due. A process that has ended by then has ended in time, so children are reaped
    /// first: as many as there can be at one moment, but not those of a storm that goes on.
    fn tick(&mut self) {
        if self.is_due() {
            (0..BATCH).take_while(|_| self.reap()).count();
            self.handle(Event::Tick, None);
        }
    }

    fn is_due(&self) -> bool {
        self.machine.deadline().is_some_and(|at| at <= self.clock.now())
    }

    /// Reaps children, up to a batch; true if there may be more.
    fn reap(&mut self) -> bool {
        self.look_for_killer();
        for _ in 0..BATCH {
            match reap::next() {
                Change::Ended { pid, exit, usage } => self.child_ended(pid, exit, usage),
                Change::Stopped { pid } if self.tree.is_main(pid) => {
                    self.tree.set_main_stopped(true);
                    self.handle(Event::MainStopped, None);
                }
                Change::Continued { pid } if self.tree.is_main(pid) => self.tree.set_main_stopped(false),
                Change::Stopped { .. } | Change::Continued { .. } => {}
                Change::Nothing => {
                    self.children_reaped();
                    return false;
                }
                Change::NoChild => {
                    self.tree_is_empty();
                    return false;
                }
            }
        }
        // An endless storm of deaths must not hide the other processes; but the fewer dead there are in the
        // list of children, the sooner the living are found in it.
        self.pending.full_batches += 1;
        if self.pending.full_batches.is_multiple_of(BATCH) && self.machine.phase() >= Phase::Terminating {
            self.children_reaped();
        }
        true
    }

    fn child_ended(&mut self, pid: i32, exit: Exit, usage: Usage) {
        if self.tree.is_main(pid) {
            self.settle_all();
        }
        self.tree.note_reaped(pid, exit);
        self.pending.ended_children = true;
        if self.helper_ended(pid, exit) || self.ready_file_made(pid, exit) || self.probe_ended(pid, exit) {
            return;
        }
        if self.hooks.note_reaped(pid) {
            self.handle(Event::HookEnded(Some(exit)), None);
            return;
        }
        self.usage = self.usage.and(usage);
        if self.tree.is_main(pid) {
            self.pending.main_ended_at = Some(self.clock.now());
            if let Some(channel) = &self.channel {
                channel.page.set_main_exit(exit);
            }
            self.handle(Event::MainExited(exit), None);
        }
        if self.observer.wants_details() {
            let name = if self.tree.is_main(pid) { self.tree.main().name.clone() } else { String::new() };
            self.observer.observe(self.clock.now(), &Fact::Reaped { process: Process { pid, name }, exit });
        }
    }

    fn children_reaped(&mut self) {
        if std::mem::take(&mut self.pending.ended_children) {
            match self.tree.left() {
                StillThere::Workload => self.handle(Event::Remains, None),
                StillThere::Hook => self.handle(Event::HookRemains, None),
                StillThere::Nobody => self.tree_is_empty(),
            }
        }
    }

    /// A run that somebody has asked to stop is not a completed one, so requests that came before are taken first: the
    /// main process may have been faster to act upon Ctrl+C.
    fn tree_is_empty(&mut self) {
        let is_over = |this: &Self| this.machine.phase() == Phase::Stopped;
        if !is_over(self) && self.machine.request().is_none() {
            self.take_stop_signals();
            self.take_relayed();
            self.settle_all();
            self.look_for_parent();
            if is_over(self) {
                return;
            }
        }
        self.handle(Event::TreeEmpty, None);
    }

    /// Passes an event to the machine, does what it says, and reports that.
    fn handle(&mut self, event: Event, delivery: Option<&Delivery>) {
        let now = self.clock.now();
        self.handle_at(now, now, event, delivery);
    }

    /// The same for an event a little before `now`: a stop's clock starts with the event, its effects happen
    /// now.
    fn handle_at(&mut self, at: Duration, now: Duration, event: Event, delivery: Option<&Delivery>) {
        let (phase, attempt, was_last) =
            (self.machine.phase(), self.machine.attempt(), self.machine.is_last());
        let had_request = self.machine.request().is_some();
        let mut effects = std::mem::take(&mut self.pending.effects);
        self.machine.handle(at, event, &mut effects);
        if let Some(channel) =
            self.channel.as_ref().filter(|_| !had_request && self.machine.request().is_some())
        {
            channel.page.set_requested();
        }
        self.tree.set_kill_at(self.clock, self.machine.kill_expected_at());
        if self.machine.attempt() != attempt {
            self.pending.facts.push(Fact::Try { attempt: self.machine.attempt() });
        }
        if self.machine.phase() != phase {
            self.pending.facts.push(Fact::Phase(self.machine.phase()));
        }
        let begins_stop = phase < Phase::Terminating && self.machine.phase() == Phase::Terminating;
        let mut due = effects.drain(..).peekable();
        if begins_stop {
            // What a start that failed has come to is seen first. Clients stay away from a server that is no longer
            // ready.
            let is_of_start = |effect: &Effect| {
                use Effect::{EndProbe, Look, RetractReady, Say};
                matches!(effect, RetractReady | EndProbe | Look(Moment::Start) | Say(Note::NotReady(_)))
            };
            while let Some(effect) = due.next_if(is_of_start) {
                self.perform(effect, delivery, at);
            }
            // The look takes a moment, so it comes before both token and signal: a process that learns of the
            // stop from the token must not have ended already when the signal comes.
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
        }
        if begins_stop || (!was_last && self.machine.is_last()) {
            self.announce_stop();
        }
        self.pending.effects = effects;
        self.pending.targets.clear();
        self.report(at, now);
        if self.tree.take_pipe_ended() {
            self.handle(Event::PipeEnded, None);
        }
    }

    /// Reports what was done; a stop request is dated `at`.
    fn report(&mut self, at: Duration, now: Duration) {
        if self.pending.facts.is_empty() {
            return;
        }
        let mut facts = std::mem::take(&mut self.pending.facts);
        let kill_is_far = self.machine.kill_at().is_none_or(|at| at.saturating_sub(now) >= UNHURRIED);
        self.observer.log.set_unhurried(self.machine.phase() < Phase::Killing && kill_is_far);
        for fact in facts.drain(..) {
            let is_request = matches!(fact, Fact::StopRequested { .. });
            self.observer.observe(if is_request { at } else { now }, &fact);
        }
        self.observer.log.set_unhurried(false);
        self.pending.facts = facts;
    }
}
