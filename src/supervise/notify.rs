//! The channels between winddown and the workload: the token of a stop, `sd_notify` messages, and which of
//! them go on to winddown's own parent.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use super::{BATCH, Supervisor};
use crate::fact::Fact;
use crate::lifecycle::cause::Cause;
use crate::lifecycle::event::{Answer, Event, Extend};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::Limit;
use crate::lifecycle::signal::Signal;
use crate::notify::{self, Item, Message};
use crate::os::clock::Clock;
use crate::os::io::closing::Closing;
use crate::os::io::datagram::{Datagram, MessageSender};
use crate::os::io::notify::{Inlet, Outlet};
use crate::os::io::token::Token;
use crate::os::process::reap;
use crate::os::process::tree::Process;
use crate::os::signal::send;
use crate::text::short;
use crate::token;

/// More than winddown needs for its own end, so that a parent's limit is never the shorter one.
const MARGIN: Duration = Duration::from_secs(1);

/// How long the end of a process that writes the token may take.
const PATIENCE: Duration = Duration::from_millis(50);

/// A workload that keeps asking for more time than there is must not fill the log.
const REFUSALS_LOGGED: usize = 10;

/// Our ends of the channels.
#[derive(Debug)]
pub(crate) struct Contact {
    /// The socket that receives the workload's messages.
    pub(super) inlet: Option<Inlet>,
    /// The socket of winddown's own parent.
    outlet: Option<Outlet>,
    /// Descriptors that came with messages, to be closed.
    pub(crate) closing: Closing,
    /// Too many descriptors wait to be closed: messages may be left in the socket.
    is_held_up: bool,
    /// Descriptors are refused, because a stranger has sent some.
    refuses: bool,
    /// Announces a stop.
    pub(crate) token: Option<Token>,
    /// The short-lived process that writes the token.
    writer: Option<i32>,
    /// The deadline has moved since that process was started.
    is_outdated: bool,
    /// The sender of the message under way.
    pub(super) sender: Option<Process>,
    /// The answer to its request for more time.
    pub(super) answer: Answer,
    /// How many such requests were refused.
    pub(super) refusals: usize,
}

impl Contact {
    pub(crate) fn new(inlet: Option<Inlet>, outlet: Option<Outlet>, token: Option<Token>) -> Self {
        Self {
            inlet,
            outlet,
            closing: Closing::default(),
            is_held_up: false,
            refuses: false,
            token,
            writer: None,
            is_outdated: false,
            sender: None,
            answer: Answer::Refused(None),
            refusals: 0,
        }
    }

    /// Whether messages that were left can be taken now.
    pub(super) const fn goes_on(&self) -> bool {
        self.is_held_up && !self.closing.is_full()
    }

    fn refuse_descriptors(&mut self, refuses: bool) {
        if let Some(inlet) = self.inlet.as_ref().filter(|_| self.refuses != refuses) {
            inlet.refuse_descriptors(refuses);
            self.refuses = refuses;
        }
    }

    /// Leaves descriptors from others open: closing one can block, and the kernel closes them when this
    /// process ends.
    pub(super) fn leave_open(&mut self) {
        std::mem::forget((self.inlet.take(), std::mem::take(&mut self.closing)));
    }

    /// A try is over: no message of its processes, and no announcement of its stop, reaches the next one.
    pub(super) fn let_go(&mut self) {
        // A message that nobody has taken may hold a descriptor that takes long to be closed.
        self.closing.add(self.inlet.take().map(OwnedFd::from).into_iter().collect());
        self.token = None;
        if let Some(writer) = self.writer.take() {
            let _ = send::send(writer, Signal::KILL);
            let _ = reap::ends_within(writer, PATIENCE);
        }
    }

    /// The channels of the next try.
    pub(super) fn begin(&mut self, inlet: Option<Inlet>, token: Option<Token>) {
        (self.inlet, self.token) = (inlet, token);
        (self.is_outdated, self.refuses, self.refusals) = (false, false, 0);
    }

    /// How many refused requests were not logged.
    pub(super) const fn refusals_unlogged(&self) -> usize {
        self.refusals.saturating_sub(REFUSALS_LOGGED)
    }

    /// Descriptors to keep open.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let inlet = self.inlet.as_ref().map(Inlet::descriptor);
        let outlet = self.outlet.as_ref().map(Outlet::descriptor);
        let token = self.token.as_ref().and_then(Token::descriptor);
        [inlet, outlet, token].into_iter().flatten()
    }
}

impl Supervisor {
    /// Takes the workload's messages, up to a batch; true if there may be more. Runs before children are
    /// reaped: a sender that has ended since is still known by its pid.
    pub(super) fn take_messages(&mut self) -> bool {
        let mut may_be_more = self.contact.inlet.is_some();
        for _ in 0..BATCH {
            self.contact.is_held_up = self.contact.closing.is_full();
            let next = self.contact.inlet.as_ref().filter(|_| !self.contact.is_held_up);
            let Some(mut datagram) = next.and_then(Inlet::next) else {
                may_be_more = false;
                break;
            };
            let sender = self.sender_in_tree(&datagram);
            if sender.is_some() {
                self.children_first();
                self.contact.sender = sender;
                self.take_message(&datagram);
                self.contact.sender = None;
            } else if !datagram.descriptors.is_empty() {
                self.contact.refuse_descriptors(true);
            }
            self.contact.closing.add(std::mem::take(&mut datagram.descriptors));
            if self.batch_is_over() {
                return true;
            }
        }
        self.close_received();
        may_be_more
    }

    /// Has the descriptors that came with messages closed. None are accepted until a stranger's are.
    fn close_received(&mut self) {
        if let Some(helper) = self.contact.closing.close(self.one_thread) {
            self.tree.set_aside(helper);
        }
        if self.contact.closing.is_over() {
            self.contact.refuse_descriptors(false);
        }
    }

    /// The sender, if it belongs to the workload. A sender that is gone is known by its user, who could just
    /// as well have signalled us.
    fn sender_in_tree(&self, datagram: &Datagram) -> Option<Process> {
        let MessageSender { pid, user, .. } = *datagram.sender.as_ref()?;
        let found = self.tree.descendant(pid);
        // Checked after the lookup: while the sender exists, no other process has its pid.
        let was_reaped = datagram.sender.as_ref().and_then(MessageSender::was_reaped);
        match found {
            Some(process) if was_reaped != Some(true) => Some(process),
            _ if (was_reaped == Some(true) || self.tree.is_free_id(pid)) && self.tree.is_user_of(user) => {
                Some(Process { pid, name: String::new() })
            }
            _ => None,
        }
    }

    fn take_message(&mut self, datagram: &Datagram) {
        let Some(mut message) = Message::read(&datagram.bytes) else { return };
        if self.start.takes_ready() {
            message.keep_readiness();
        }
        if !self.machine.is_last() {
            message.keep_stop();
        }
        if message.is_barrier() {
            // With its sender's descriptor: that is closed only once the parent has got this far, too.
            self.notify_parent("BARRIER=1\n", &datagram.descriptors);
            return;
        }
        for item in &message.items {
            self.take_item(*item, datagram);
        }
        if !message.relayed.is_empty() {
            let descriptors = if message.relays_descriptors { datagram.descriptors.as_slice() } else { &[] };
            self.notify_parent(&message.relayed, descriptors);
        }
    }

    fn take_item(&mut self, item: Item, datagram: &Datagram) {
        match item {
            Item::Ready => {
                self.handle(Event::Alive, None);
                self.take_ready_message();
            }
            Item::Alive => self.handle(Event::Alive, None),
            Item::Ailing => self.handle(Event::Ailing, None),
            Item::Extend(by) => {
                if self.machine.phase() < Phase::Terminating {
                    // The limit on the start is the parent's.
                    self.notify_parent(&notify::extension(by), &[]);
                }
                let deadline = self.machine.kill_at();
                let reads_answer = datagram.answer_to.is_some();
                self.handle(Event::Extend(Extend { by, reads_answer }), None);
                if let Some(inlet) = &self.contact.inlet {
                    inlet.answer(datagram, self.contact.answer);
                }
                if self.machine.kill_at() != deadline {
                    self.announce_stop();
                }
            }
            Item::MainPid(pid) => {
                if self.tree.descendant(pid).is_some() {
                    self.tree.ask_first(pid);
                }
            }
            Item::Barrier => {}
        }
    }

    pub(super) fn notify_parent(&self, text: &str, descriptors: &[OwnedFd]) {
        if let Some(outlet) = &self.contact.outlet {
            outlet.send(text.as_bytes(), descriptors);
        }
    }

    /// Announces the stop, and the time left, by the token and to winddown's parent; again when the
    /// deadline has moved, and when no try can follow any longer.
    pub(super) fn announce_stop(&mut self) {
        if self.contact.outlet.is_some() && self.machine.stop_at().is_some() {
            self.notify_parent(&self.stopping(), &[]);
        }
        if self.contact.token.is_some() && self.machine.phase() == Phase::Terminating {
            self.write_token();
        }
    }

    /// The message to the parent about the stop, with the time for everything that follows it.
    fn stopping(&self) -> String {
        let is_over = self.machine.phase() > Phase::Terminating;
        let left = self.machine.kill_at().map(|at| at.saturating_sub(self.clock.now()));
        let left = if is_over { Some(Duration::ZERO) } else { left };
        let plan = self.machine.plan();
        let needed = match (left, plan.kill_wait) {
            (Some(left), Limit::Finite(kill_wait)) => {
                let after = kill_wait.saturating_add(plan.post_stop.unwrap_or_default());
                Some(left.saturating_add(after).saturating_add(MARGIN))
            }
            _ => None,
        };
        let rest = left.map_or_else(|| "no limit".to_owned(), |left| format!("{} left", short(left)));
        if self.machine.is_last() {
            notify::stopping(&format!("stopping: {rest}"), needed)
        } else {
            notify::status(&format!("stopping try {}: {rest}", self.machine.attempt()))
        }
    }

    /// Runs one writer at a time: of two, the one with the older text could finish last, and a workload that
    /// keeps asking for more time would start as many.
    fn write_token(&mut self) {
        self.contact.is_outdated = self.contact.writer.is_some();
        if self.contact.is_outdated {
            return;
        }
        let text = self.token_text();
        match self.contact.token.as_ref().map(|token| token.write_file(self.one_thread, &text)) {
            Some(Ok(writer)) => {
                self.tree.set_aside(writer);
                self.contact.writer = Some(writer);
            }
            Some(Err(error)) => self.token_failed(error),
            None => {}
        }
    }

    /// Makes the token's descriptor readable, before any process is asked: one that checks it because of the
    /// signal must see the stop.
    pub(super) fn make_token_readable(&mut self) {
        if self.contact.token.is_none() {
            return;
        }
        let text = self.token_text();
        self.contact.token.iter_mut().for_each(|token| token.make_readable(&text));
    }

    fn token_text(&self) -> String {
        let now = self.clock.now();
        let deadline = self.machine.kill_at();
        let deadline = deadline.map(|at| (Clock::wall_ms(now, at), Clock::monotonic_ms(now, at)));
        token::text(&self.reason_of_stop(), deadline)
    }

    fn reason_of_stop(&self) -> String {
        match self.machine.cause() {
            Some(Cause::Signal(received)) if !received.hangup => received.signal.to_string(),
            Some(cause) => cause.name().to_owned(),
            None => String::new(),
        }
    }

    /// Notes the end of a child that closes descriptors or writes the token for us, and returns whether it was
    /// one. The writer's exit status is the error of its write.
    pub(super) fn helper_ended(&mut self, pid: i32, exit: Exit) -> bool {
        if self.contact.closing.note_reaped(pid) {
            self.close_received();
            return true;
        }
        if self.contact.writer.take_if(|writer| *writer == pid).is_none() {
            return false;
        }
        if let Exit::Code(error @ 1..) = exit {
            self.token_failed(io::Error::from_raw_os_error(error.into()));
        }
        if self.contact.is_outdated && self.machine.phase() == Phase::Terminating {
            self.write_token();
        }
        true
    }

    fn token_failed(&mut self, error: io::Error) {
        let file = self.contact.token.as_ref().map(|token| token.path().display().to_string());
        let fact = Fact::TokenFailed { file: file.unwrap_or_default(), error };
        self.observer.observe(self.clock.now(), &fact);
    }
}
