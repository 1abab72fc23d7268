//! The hooks of a run: starts them when the machine says so, and passes them their variables.

use std::io;
use std::time::Duration;

use super::Supervisor;
use crate::os::clock::Clock;
use crate::os::environment::{Entry, entry};
use crate::os::process::hook::{self, Hook, Keeper, Surroundings};
use crate::token::DEADLINE_VARIABLE;
use crate::workload_env::{self, EXIT_STATUS_VARIABLE, MAIN_PID_VARIABLE, OUTCOME_VARIABLE, PIDS_VARIABLE};

/// A hook gets at most this many pids: a fork storm would overflow its environment.
const PIDS_MAX: usize = 1000;

/// The hooks of a run, and the one under way.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    /// The hooks of the plan's steps.
    pub(super) steps: Vec<Hook>,
    /// The hook that follows the end of the workload.
    post_stop: Option<Hook>,
    /// What hooks are started with; `None` for a run without hooks.
    surroundings: Option<Surroundings>,
    /// The hook started last.
    last: Option<StartedHook>,
}

#[derive(Debug)]
struct StartedHook {
    text: String,
    keeper: Option<Keeper>,
    is_over: bool,
    error: Option<io::Error>,
}

impl StartedHook {
    /// The keeper's pid, until it is reaped.
    fn pid(&self) -> Option<i32> {
        self.keeper.as_ref().filter(|_| !self.is_over).map(|keeper| keeper.pid)
    }
}

impl Hooks {
    pub(crate) const fn new(steps: Vec<Hook>, post_stop: Option<Hook>, surroundings: Surroundings) -> Self {
        Self { steps, post_stop, surroundings: Some(surroundings), last: None }
    }

    /// Hooks are those of this try from now on.
    pub(super) fn begin_try(&mut self, attempt: u32) {
        self.last = None;
        if let Some(surroundings) = &mut self.surroundings {
            workload_env::set_attempt(&mut surroundings.environment, attempt);
        }
    }

    /// The hook that runs, as the user wrote it.
    pub(super) fn under_way(&self) -> Option<&str> {
        self.last.as_ref().filter(|last| last.pid().is_some()).map(|last| last.text.as_str())
    }

    /// The hook started last, as the user wrote it.
    pub(super) fn last_text(&self) -> String {
        self.last.as_ref().map(|last| last.text.clone()).unwrap_or_default()
    }

    /// What hooks are started with, if the run has any.
    pub(super) const fn surroundings(&self) -> Option<&Surroundings> {
        self.surroundings.as_ref()
    }

    /// Why the last hook's command could not be executed.
    pub(super) fn why_not(&self) -> Option<String> {
        self.last.as_ref()?.keeper.as_ref()?.words()
    }

    /// Takes the reason why the last hook could not be started.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.last.as_mut().and_then(|last| last.error.take())
    }

    /// Whether the last hook could not be started, and the machine does not know it yet.
    pub(super) fn has_failed(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.error.is_some())
    }

    /// Notes the end of a child. Returns whether it was the hook under way.
    pub(super) fn note_reaped(&mut self, pid: i32) -> bool {
        let is_it = |last: &&mut StartedHook| last.pid() == Some(pid);
        self.last.as_mut().filter(is_it).map(|last| last.is_over = true).is_some()
    }

    fn start(&mut self, hook: &Hook, variables: &[Entry]) -> Option<i32> {
        let started = self.surroundings.as_ref().map(|with| hook::start(hook, variables, with))?;
        let (keeper, error) = match started {
            Ok(keeper) => (Some(keeper), None),
            Err(error) => (None, Some(error)),
        };
        let started = StartedHook { text: hook.text.clone(), keeper, is_over: false, error };
        self.last.insert(started).pid()
    }

    /// Has the hook under way killed, with everything that it has started.
    pub(super) fn end(&self) {
        if let Some(keeper) = self.last.as_ref().and_then(StartedHook::pid) {
            hook::end(keeper);
        }
    }
}

impl Supervisor {
    /// Starts the hook of a step, and passes it the deadline.
    pub(super) fn start_hook(&mut self, index: usize, now: Duration) {
        let Some(hook) = self.hooks.steps.get(index).cloned() else { return };
        let deadline = self.machine.kill_at().map(|at| Clock::wall_ms(now, at));
        let deadline = deadline.and_then(|ms| entry(DEADLINE_VARIABLE, ms.to_string()));
        let variables: Vec<Entry> = deadline.into_iter().chain(self.pids()).collect();
        self.start_and_set_aside(&hook, &variables);
    }

    /// Starts the hook that follows the end of the run, with the outcome.
    pub(super) fn start_post_stop(&mut self) {
        let (Some(hook), Some(end)) = (self.hooks.post_stop.clone(), self.machine.conclusion()) else {
            return;
        };
        let outcome = entry(OUTCOME_VARIABLE, end.outcome.to_string());
        let status = entry(EXIT_STATUS_VARIABLE, end.ending.status().to_string());
        let variables: Vec<Entry> = outcome.into_iter().chain(status).collect();
        self.start_and_set_aside(&hook, &variables);
    }

    /// The pids of the workload, for a debugger.
    fn pids(&self) -> impl Iterator<Item = Entry> {
        let there = self.tree.there();
        let main = there.iter().map(|process| process.pid).find(|pid| self.tree.is_main(*pid));
        let pids: Vec<String> = there.iter().take(PIDS_MAX).map(|process| process.pid.to_string()).collect();
        let main = main.and_then(|pid| entry(MAIN_PID_VARIABLE, pid.to_string()));
        main.into_iter().chain(entry(PIDS_VARIABLE, pids.join(" ")))
    }

    fn start_and_set_aside(&mut self, hook: &Hook, variables: &[Entry]) {
        if let Some(keeper) = self.hooks.start(hook, variables) {
            self.tree.set_hook_aside(keeper);
        }
    }
}
