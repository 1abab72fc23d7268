//! Turns the machine's notes into facts for people: names and numbers are looked up here, after signals
//! were sent.

use std::time::Duration;

use super::Supervisor;
use crate::fact::{Fact, Sender, Survivor};
use crate::lifecycle::cause::{Cause, Received};
use crate::lifecycle::event::{NoRetry, Note};
use crate::lifecycle::exit::Exit;
use crate::lifecycle::phase::Phase;
use crate::lifecycle::plan::Action;
use crate::lifecycle::routing::Reason;
use crate::lifecycle::signal::{Origin, Signal};
use crate::os::process::procfs;
use crate::os::process::tree::Process;
use crate::os::signal::send;

/// A command that has work to do seldom ends this soon.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Returns the fact behind a note, with everything that had to be looked up.
    pub(super) fn fact(&mut self, note: Note, now: Duration) -> Option<Fact> {
        // The usual case, for every signal: look up nothing that is not going to be read.
        if matches!(note, Note::Forwarded(..)) && !self.observer.wants_details() {
            return None;
        }
        let main = self.tree.main().clone();
        let after = self.machine.stop_at().map_or(Duration::ZERO, |at| now.saturating_sub(at));
        Some(match note {
            Note::Started => Fact::Started { process: main },
            Note::Ready => self.ready(now),
            Note::NotReady(within) => self.not_ready(within),
            // Logging our own SIGPIPE, to the broken pipe, would raise the next one.
            Note::MainStopped | Note::Stopped | Note::Forwarded(_, Err(Reason::Own)) => return None,
            Note::TryEnded { conclusion, next } => self.try_ended(conclusion, next, now),
            Note::NoFurtherTry(why) => Fact::NoFurtherTry { why, sender: sender_of(why) },
            Note::Ended => return self.ended(),
            Note::Forwarded(received, forwarded) => Fact::Forwarded {
                signal: received.signal,
                sender: sender(received.origin),
                forwarded,
                was_ignored: received.signal == Signal::INT && self.inherited_ignored.contains(Signal::INT),
            },
            Note::StopRequested(cause) => self.stop_requested(cause, now),
            Note::Repeated(received, forwarded) => {
                Fact::Repeated { received, sender: sender(received.origin), forwarded }
            }
            Note::Abandoned => Fact::Abandoned { kill_in: self.kill_in(now).unwrap_or_default() },
            Note::KillAsked(received) => Fact::KillAsked { sender: sender(received.origin) },
            Note::HalfTime => {
                Fact::HalfTime { left: self.kill_in(now).unwrap_or_default(), there: self.tree.there() }
            }
            Note::StillThere => match self.tree.waiting_shell() {
                Some((shell, child)) => Fact::ShellWaits { shell, child },
                None => self.has_pressed_key().then_some(Fact::InterruptOutlived { process: main })?,
            },
            Note::Grace => Fact::StragglerGrace { main, grace: self.machine.plan().straggler_grace },
            Note::MainExited { exit, is_last } => Fact::MainExited {
                main,
                exit,
                after,
                asked: std::mem::take(&mut self.pending.targets),
                readers: self.tree.readers().collect(),
                is_last,
            },
            Note::Killing => Fact::Killing { after, victims: std::mem::take(&mut self.pending.targets) },
            Note::PostMortem => self.post_mortem()?,
            Note::GaveUp => Fact::GaveUp {
                waited: self.machine.plan().kill_wait.length().unwrap_or_default(),
                survivors: self.survivors(),
            },
            Note::Dumped => Fact::Dumped { processes: std::mem::take(&mut self.pending.targets) },
            Note::Step(index) => self.step(index)?,
            Note::HookEnded(Some(exit)) => {
                Fact::HookEnded { hook: self.hooks.last_text(), exit, why_not: self.hooks.why_not() }
            }
            Note::HookEnded(None) => {
                Fact::HookFailed { hook: self.hooks.last_text(), error: self.hooks.take_error()? }
            }
            Note::HookOverran => Fact::HookOverran { hook: self.hooks.last_text() },
            Note::Extended { by, is_last } => Fact::Extended {
                by,
                is_last,
                start_ends_in: self.machine.start_ends_at().map(|at| at.saturating_sub(now)),
                kill_in: self.kill_in(now),
                requester: self.contact.sender.clone(),
            },
            Note::NotExtended(wanted) => {
                self.contact.refusals += 1;
                if self.contact.refusals_unlogged() > 0 {
                    return None;
                }
                Fact::NotExtended { wanted, requester: self.contact.sender.clone() }
            }
        })
    }

    /// Whether Ctrl+C began the stop.
    fn has_pressed_key(&self) -> bool {
        let is_key = |received: Received| received.signal == Signal::INT && received.origin == Origin::Kernel;
        matches!(self.machine.cause(), Some(Cause::Signal(received)) if is_key(received))
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

    /// The time until SIGKILL, while a stop with a deadline is under way.
    fn kill_in(&self, now: Duration) -> Option<Duration> {
        self.machine.kill_at().map(|at| at.saturating_sub(now))
    }

    fn stop_requested(&mut self, cause: Cause, now: Duration) -> Fact {
        let by = if let Cause::Signal(received) = cause { Some(sender(received.origin)) } else { None };
        let is_killing = self.machine.phase() == Phase::Killing;
        let in_background = cause == Cause::MainExited && self.is_in_background();
        Fact::StopRequested {
            cause,
            sender: by,
            main: self.tree.main().clone(),
            main_exit: self.machine.main_exit(),
            asked_with: self.pending.asked_main_with.take(),
            asked: if is_killing { Vec::new() } else { std::mem::take(&mut self.pending.targets) },
            kill_in: if is_killing { Some(Duration::ZERO) } else { self.kill_in(now) },
            in_background,
        }
    }

    /// Whether the main process has put itself into the background, as servers do by default: it has exited
    /// with 0 at once, and has left a process in a session of its own.
    fn is_in_background(&self) -> bool {
        let lived = self.pending.main_ended_at.map(|at| at.saturating_sub(self.try_started));
        lived.is_some_and(|lived| lived < AT_ONCE)
            && self.machine.main_exit() == Some(Exit::Code(0))
            && self.pending.targets.iter().any(|process| send::has_other_session(process.pid))
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

/// The sender of the signal because of which no try follows.
fn sender_of(why: NoRetry) -> Option<Sender> {
    match why {
        NoRetry::Asked(Cause::Signal(received)) => Some(sender(received.origin)),
        _ => None,
    }
}

/// Returns a sender with its present name. In the /proc of another PID namespace its pid is a stranger's.
fn sender(origin: Origin) -> Sender {
    let name = match origin {
        Origin::Process { pid, .. } if pid > 0 && procfs::is_ours() => procfs::name(pid),
        Origin::Kernel | Origin::Process { .. } => None,
    };
    let is_gone =
        name.is_none() && matches!(origin, Origin::Process { pid, .. } if pid > 0 && !send::exists(pid));
    Sender { origin, name, is_gone }
}
