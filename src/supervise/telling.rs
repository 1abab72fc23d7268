//! Facts for people out of the machine's notes: names and numbers are looked up here, after signals
//! were sent.

use std::time::Duration;

use super::Supervisor;
use crate::lifecycle::event::{Cause, Note};
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::Action;
use crate::lifecycle::signal::Origin;
use crate::observe::{Fact, Sender, Survivor};
use crate::os::tree::Process;
use crate::os::{procfs, signalling};

/// A workload that goes on asking for more time than there is must not fill the log.
const REFUSALS_TOLD: usize = 10;

impl Supervisor {
    /// The fact behind a note, with everything that had to be looked up.
    pub(super) fn fact(&mut self, note: Note, now: Duration) -> Option<Fact> {
        // The usual case, on the way of every signal: nothing is looked up that nobody reads.
        if matches!(note, Note::Forwarded(..)) && !self.observer.wants_details() {
            return None;
        }
        let main = self.tree.main().clone();
        let after = self.machine.stop_at().map_or(Duration::ZERO, |at| now.saturating_sub(at));
        Some(match note {
            Note::Started => Fact::Started(main),
            Note::Forwarded(received, forwarded) => {
                Fact::Forwarded { signal: received.signal, sender: sender(received.origin), forwarded }
            }
            Note::StopRequested(cause) => self.stop_requested(cause, now),
            Note::Repeated(received, forwarded) => {
                Fact::Repeated { received, sender: sender(received.origin), forwarded }
            }
            Note::Abandoned => Fact::Abandoned { kill_in: self.kill_in(now).unwrap_or_default() },
            Note::KillAsked(received) => Fact::KillAsked(sender(received.origin)),
            Note::HalfTime => {
                Fact::HalfTime { left: self.kill_in(now).unwrap_or_default(), there: self.tree.there() }
            }
            Note::ShellHint => {
                let (shell, child) = self.tree.waiting_shell()?;
                Fact::ShellWaits { shell, child }
            }
            Note::MainExited(exit) => {
                Fact::MainExited { main, exit, after, asked: std::mem::take(&mut self.pending.targets) }
            }
            Note::Killing => Fact::Killing { after, victims: std::mem::take(&mut self.pending.targets) },
            Note::PostMortem => self.post_mortem()?,
            Note::GaveUp => Fact::GaveUp {
                waited: self.machine.plan().kill_wait.length().unwrap_or_default(),
                survivors: self.survivors(),
            },
            Note::Dumped => Fact::Dumped(std::mem::take(&mut self.pending.targets)),
            Note::Step(index) => self.step(index)?,
            Note::HookEnded(Some(exit)) => Fact::HookEnded { hook: self.hooks.last_text(), exit },
            Note::HookEnded(None) => {
                Fact::HookFailed { hook: self.hooks.last_text(), error: self.hooks.take_error()? }
            }
            Note::HookOverran => Fact::HookOverran { hook: self.hooks.last_text() },
            Note::Extended(by) => {
                Fact::Extended { by, kill_in: self.kill_in(now), requester: self.contact.sender.clone() }
            }
            Note::NotExtended(wanted) => {
                self.contact.refusals += 1;
                if self.contact.refusals > REFUSALS_TOLD {
                    return None;
                }
                Fact::NotExtended { wanted, requester: self.contact.sender.clone() }
            }
            Note::MainStopped | Note::Stopped => return None,
        })
    }

    fn step(&self, index: usize) -> Option<Fact> {
        let plan = self.machine.plan();
        let step = plan.steps.get(index)?;
        let hook = if let Action::Run(hook) = step.action { self.hooks.steps.get(hook) } else { None };
        Some(Fact::Step {
            number: index + 1,
            count: plan.steps.len(),
            action: step.action,
            hook: hook.map(|hook| hook.text.clone()),
            share: step.share.filter(|_| index + 1 < plan.steps.len()),
        })
    }

    /// Until SIGKILL, while a stop with a deadline is under way.
    fn kill_in(&self, now: Duration) -> Option<Duration> {
        self.machine.kill_at().map(|at| at.saturating_sub(now))
    }

    fn stop_requested(&mut self, cause: Cause, now: Duration) -> Fact {
        let by = if let Cause::Signal(received) = cause { Some(sender(received.origin)) } else { None };
        let is_killing = self.machine.phase() == Phase::Killing;
        Fact::StopRequested {
            cause,
            sender: by,
            main: self.tree.main().clone(),
            main_exit: self.machine.main_exit(),
            asked_with: self.pending.asked_main_with.take(),
            asked: if is_killing { Vec::new() } else { std::mem::take(&mut self.pending.targets) },
            kill_in: if is_killing { Some(Duration::ZERO) } else { self.kill_in(now) },
        }
    }

    fn survivors(&self) -> Vec<Survivor> {
        let reason = |process: &Process| {
            if self.tree.is_unkillable(process.pid) {
                return "it runs as another user, and winddown may not signal it".to_owned();
            }
            let state = procfs::stat(process.pid).map(|stat| stat.state);
            match (state, procfs::wait_channel(process.pid)) {
                (Some('D'), Some(place)) => format!("in uninterruptible sleep in {place}"),
                (Some('D'), None) => "in uninterruptible sleep".to_owned(),
                (Some(state), _) => format!("in state {state}"),
                (None, _) => "gone by now".to_owned(),
            }
        };
        let there = self.tree.there().into_iter();
        there.map(|process| Survivor { reason: reason(&process), process }).collect()
    }
}

/// A sender with the name it has by now. In the /proc of another PID namespace the id is a stranger's.
fn sender(origin: Origin) -> Sender {
    let name = match origin {
        Origin::Process { pid, .. } if pid > 0 && procfs::is_ours() => procfs::name(pid),
        Origin::Kernel | Origin::Process { .. } => None,
    };
    let is_gone = name.is_none()
        && matches!(origin, Origin::Process { pid, .. } if pid > 0 && !signalling::exists(pid));
    Sender { origin, name, is_gone }
}
