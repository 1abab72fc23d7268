//! What winddown and the workload tell each other: the token of a stop, messages of `sd_notify`, and
//! what of them goes on to winddown's own parent.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use super::{BATCH, Supervisor};
use crate::lifecycle::event::{Cause, Event};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::Limit;
use crate::notify::{self, Item, Message};
use crate::observe::{Fact, message};
use crate::os::datagram::{Datagram, Sender};
use crate::os::notify::{Inlet, Outlet};
use crate::os::token::Token;
use crate::os::tree::Process;
use crate::token;

/// More than winddown needs for its end, so that a parent's limit is never the shorter one.
const MARGIN: Duration = Duration::from_secs(1);

/// Our ends of it.
#[derive(Debug)]
pub struct Contact {
    /// Where the workload's messages come in.
    pub(super) inlet: Option<Inlet>,
    /// The socket of winddown's own parent.
    outlet: Option<Outlet>,
    /// Where a stop is told.
    pub token: Option<Token>,
    /// The short-lived process that writes the token.
    writer: Option<i32>,
    /// The deadline has moved since that process was started.
    is_outdated: bool,
    /// Who has sent the message under way.
    pub(super) sender: Option<Process>,
    /// Whether its request for more time was granted.
    pub(super) granted: bool,
    /// How many of such requests were refused.
    pub(super) refusals: usize,
}

impl Contact {
    /// Nothing has been said yet.
    #[must_use]
    pub const fn new(inlet: Option<Inlet>, outlet: Option<Outlet>, token: Option<Token>) -> Self {
        Self {
            inlet,
            outlet,
            token,
            writer: None,
            is_outdated: false,
            sender: None,
            granted: false,
            refusals: 0,
        }
    }

    /// Descriptors to be kept open.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let inlet = self.inlet.as_ref().map(Inlet::descriptor);
        let outlet = self.outlet.as_ref().map(Outlet::descriptor);
        let token = self.token.as_ref().and_then(Token::descriptor);
        [inlet, outlet, token].into_iter().flatten()
    }
}

impl Supervisor {
    /// The workload's messages, up to a batch; true if there may be more. Before children are reaped:
    /// a sender that has ended since is still known by its id.
    pub(super) fn take_messages(&mut self) -> bool {
        for _ in 0..BATCH {
            let Some(datagram) = self.contact.inlet.as_ref().and_then(Inlet::next) else { return false };
            if let Some(sender) = self.sender_in_tree(&datagram) {
                self.children_first();
                self.contact.sender = Some(sender);
                self.take_message(&datagram);
                self.contact.sender = None;
            }
        }
        self.contact.inlet.is_some()
    }

    /// Who sent it, if it comes from the workload. A sender that is gone is known by its user, who could as
    /// well have signalled us.
    fn sender_in_tree(&self, datagram: &Datagram) -> Option<Process> {
        let Sender { pid, user, .. } = *datagram.sender.as_ref()?;
        let found = self.tree.descendant(pid);
        // After the look at it: as long as it is there its id is nobody else's.
        let is_gone = datagram.sender.as_ref().and_then(Sender::is_gone);
        match found {
            Some(process) if is_gone != Some(true) => Some(process),
            _ if (is_gone == Some(true) || self.tree.is_gone(pid)) && self.tree.is_user_of(user) => {
                Some(Process { pid, name: String::new() })
            }
            _ => None,
        }
    }

    fn take_message(&mut self, datagram: &Datagram) {
        let Some(message) = Message::read(&datagram.bytes) else { return };
        if message.is_barrier() {
            // With the descriptor of its sender: it is closed when the parent has come so far, too.
            self.tell_parent("BARRIER=1\n", &datagram.descriptors);
            return;
        }
        for item in &message.items {
            self.take_item(*item, datagram);
        }
        if !message.relayed.is_empty() {
            let descriptors = if message.relays_descriptors { datagram.descriptors.as_slice() } else { &[] };
            self.tell_parent(&message.relayed, descriptors);
        }
    }

    fn take_item(&mut self, item: Item, datagram: &Datagram) {
        match item {
            Item::Ready | Item::Alive => self.handle(Event::Alive, None),
            Item::Ailing => self.handle(Event::Ailing, None),
            Item::Extend(by) => {
                if self.machine.phase() < Phase::Terminating {
                    // The limit on its start is the parent's.
                    self.tell_parent(&notify::extension(by), &[]);
                }
                let deadline = self.machine.kill_at();
                self.handle(Event::Extend(by), None);
                if let Some(inlet) = &self.contact.inlet {
                    inlet.answer(datagram, self.contact.granted);
                }
                if self.machine.kill_at() != deadline {
                    self.tell_stop();
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

    fn tell_parent(&self, text: &str, descriptors: &[OwnedFd]) {
        if let Some(outlet) = &self.contact.outlet {
            outlet.send(text.as_bytes(), descriptors);
        }
    }

    /// Tells the stop, and how long is left, by the token and to winddown's parent; again when the
    /// deadline has moved.
    pub(super) fn tell_stop(&mut self) {
        if self.machine.phase() != Phase::Terminating {
            return;
        }
        if self.contact.outlet.is_some() {
            self.tell_parent(&self.stopping(), &[]);
        }
        if self.contact.token.is_some() {
            self.write_token();
        }
    }

    /// What the parent is told of the stop, with everything that follows it.
    fn stopping(&self) -> String {
        let left = self.machine.kill_at().map(|at| at.saturating_sub(self.clock.now()));
        let plan = self.machine.plan();
        let needed = match (left, plan.kill_wait) {
            (Some(left), Limit::Finite(kill_wait)) => {
                let after = kill_wait.saturating_add(plan.post_stop.unwrap_or_default());
                Some(left.saturating_add(after).saturating_add(MARGIN))
            }
            _ => None,
        };
        let told =
            left.map_or_else(|| "no limit".to_owned(), |left| format!("{} left", message::short(left)));
        notify::stopping(&format!("stopping: {told}"), needed)
    }

    /// One writer at a time: of two, the one with the older text could be the last, and a workload that
    /// asks for more time again and again would have as many.
    fn write_token(&mut self) {
        self.contact.is_outdated = self.contact.writer.is_some();
        if self.contact.is_outdated {
            return;
        }
        let text = self.token_text();
        match self.contact.token.as_ref().map(|token| token.write_file(&text)) {
            Some(Ok(writer)) => {
                self.tree.set_aside(writer);
                self.contact.writer = Some(writer);
            }
            Some(Err(error)) => self.token_failed(error),
            None => {}
        }
    }

    /// Has the token's descriptor tell the stop. Before anybody is asked: who looks at it because of the
    /// signal is to find it readable.
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
        let deadline = deadline.map(|at| (self.clock.wall_ms(now, at), self.clock.monotonic_ms(now, at)));
        token::text(&self.reason_of_stop(), deadline)
    }

    fn reason_of_stop(&self) -> String {
        match self.machine.cause() {
            Some(Cause::Signal(received)) if !received.hangup => received.signal.to_string(),
            Some(cause) => crate::observe::record::cause(cause).to_owned(),
            None => String::new(),
        }
    }

    /// Notes the end of a child, if it is the token's writer: its status tells whether it could write.
    pub(super) fn writer_ended(&mut self, pid: i32, exit: Exit) -> bool {
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
        self.observer.tell(self.clock.now(), &fact);
    }
}
