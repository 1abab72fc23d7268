//! Does what the machine has decided.

use std::time::Duration;

use super::Supervisor;
use crate::fact::{Fact, Purpose};
use crate::lifecycle::cause::Cause;
use crate::lifecycle::event::Effect;
use crate::lifecycle::signal::Signal;
use crate::os::process::tree::Sent;
use crate::os::signal::receive::{self, Delivery};
use crate::os::signal::send;

impl Supervisor {
    pub(super) fn perform(&mut self, effect: Effect, delivery: Option<&Delivery>, now: Duration) {
        match effect {
            Effect::StartProbe => self.start_probe(),
            Effect::EndProbe => self.end_probe(),
            Effect::AnnounceReady => self.announce_ready(),
            Effect::RetractReady => self.retract_ready(),
            Effect::Forward(signal) => self.forward(signal, delivery),
            Effect::AskMain(signal) => {
                let request = self.request(delivery);
                let sent = self.tree.ask_main(signal, request);
                self.note_sent(sent, Purpose::Ask);
            }
            Effect::AskOrphans(signal, which, readers) => {
                let sent = self.tree.ask_orphans(signal, which, readers);
                self.note_sent(sent, Purpose::Ask);
            }
            Effect::AskEveryone(signal) => {
                let request = self.request(delivery);
                let sent = self.tree.ask_everyone(signal, request);
                self.note_sent(sent, Purpose::Ask);
            }
            Effect::AskedByOthers(signal, reach) => self.tree.asked_by_others(signal, reach),
            Effect::AskAgain => self.tree.ask_again(),
            Effect::Dump(dump) => {
                let sent = self.tree.dump(dump);
                self.note_sent(sent, Purpose::Dump);
            }
            Effect::StartHook(index) => self.start_hook(index, now),
            Effect::StartPostStop => self.start_post_stop(),
            Effect::EndHook => self.hooks.end(),
            Effect::Answer(answer) => self.contact.answer = answer,
            Effect::ContinueMain => {
                let sent = self.tree.continue_main();
                self.note_sent(sent, Purpose::Continue);
            }
            Effect::KillTree => {
                let is_first = !self.tree.main_was_killed();
                let sent = self.tree.kill();
                if let Some(terminal) = self.terminal.as_ref().filter(|_| is_first) {
                    terminal.leave_screen();
                }
                self.note_sent(sent, Purpose::Kill);
            }
            Effect::KillOrphans => {
                let sent = self.tree.kill_orphans();
                self.note_sent(sent, Purpose::Kill);
            }
            Effect::Look(moment) => self.look(moment),
            Effect::StopWithMain => self.stop_with_main(),
            Effect::BeginDelay(delay) => self.begin_delay(delay),
            Effect::AskForClearance => self.ask_for_clearance(),
            Effect::StartTry => self.pending.starts_try = true,
            Effect::Say(note) => {
                let fact = self.fact(note, now);
                self.pending.facts.extend(fact);
            }
        }
    }

    /// Returns the delivery if a signal asked for the stop.
    fn request<'a>(&self, delivery: Option<&'a Delivery>) -> Option<&'a Delivery> {
        delivery.filter(|_| matches!(self.machine.cause(), Some(Cause::Signal(_))))
    }

    fn forward(&mut self, signal: Signal, delivery: Option<&Delivery>) {
        let result = send::forward(self.tree.main().pid, signal, delivery);
        // The usual case, for every signal: build nothing that is not going to be read.
        if result.is_err() || self.observer.record.is_some() {
            let sent = Sent { target: self.tree.main().clone(), signal, error: result.err() };
            self.pending.facts.push(Fact::Sent { sent, purpose: Purpose::Forward });
        }
    }

    fn note_sent(&mut self, sent: impl IntoIterator<Item = Sent>, purpose: Purpose) {
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
            self.pending.facts.push(Fact::Sent { sent, purpose });
        }
    }

    /// Ctrl+Z: the shell waits for us, and has to see us stopped. The same if the workload is a shell that
    /// holds the terminal with its own group: it gets the terminal back afterwards.
    fn stop_with_main(&mut self) {
        let main = self.tree.main().clone();
        let terminal = self.terminal.as_ref().filter(|_| !self.inherited_ignored.contains(Signal::TSTP));
        let holder = terminal.and_then(|terminal| terminal.holder(main.pid));
        let stops = terminal.is_some() && (holder.is_some() || self.main_shares_group());
        self.pending.resumed = stops && receive::stop_self();
        if let (Some(terminal), Some(group)) = (terminal, holder) {
            terminal.hand_to(group);
        }
        self.forget_suspension();
        if !self.pending.resumed {
            self.pending.facts.push(Fact::MainStopped { process: main });
        }
    }
}
