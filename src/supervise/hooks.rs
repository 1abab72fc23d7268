//! The hooks of a run: what is started when the machine says so, and what is told of it.

use std::io;
use std::time::Duration;

use super::Supervisor;
use crate::offer::{EXIT_STATUS_VARIABLE, MAIN_PID_VARIABLE, OUTCOME_VARIABLE, PIDS_VARIABLE};
use crate::os::environment::{Entry, entry};
use crate::os::hook::{self, Hook, Surroundings};
use crate::token::DEADLINE_VARIABLE;

/// A hook is told of so many processes: all of a fork storm would be too much for its environment.
const PIDS_MAX: usize = 1000;

/// The commands of a run, and which of them is under way.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Those of the plan's steps.
    pub(super) steps: Vec<Hook>,
    /// The one that follows the end.
    post_stop: Option<Hook>,
    /// What they are started with; nothing where there are none.
    surroundings: Option<Surroundings>,
    /// The one that was started last, and the process that keeps it.
    last: Option<Started>,
}

#[derive(Debug)]
struct Started {
    text: String,
    /// Until it was reaped.
    keeper: Option<i32>,
    error: Option<io::Error>,
}

impl Hooks {
    /// None of them is under way.
    #[must_use]
    pub const fn new(steps: Vec<Hook>, post_stop: Option<Hook>, surroundings: Surroundings) -> Self {
        Self { steps, post_stop, surroundings: Some(surroundings), last: None }
    }

    /// The one that runs, as it was written.
    pub(super) fn under_way(&self) -> Option<&str> {
        self.last.as_ref().filter(|last| last.keeper.is_some()).map(|last| last.text.as_str())
    }

    /// As it was written.
    pub(super) fn last_text(&self) -> String {
        self.last.as_ref().map(|last| last.text.clone()).unwrap_or_default()
    }

    /// Why it could not be started.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.last.as_mut().and_then(|last| last.error.take())
    }

    /// Whether the one started last could not be started, which is to be told to the machine still.
    pub(super) fn has_failed(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.error.is_some())
    }

    /// Notes the end of a child: whether it was the hook under way.
    pub(super) fn reaped(&mut self, pid: i32) -> bool {
        let is_it = |last: &&mut Started| last.keeper == Some(pid);
        self.last.as_mut().filter(is_it).map(|last| last.keeper = None).is_some()
    }

    fn start(&mut self, hook: &Hook, variables: &[Entry]) -> Option<i32> {
        let started = self.surroundings.as_ref().map(|with| hook::start(hook, variables, with))?;
        let (keeper, error) = match started {
            Ok(keeper) => (Some(keeper), None),
            Err(error) => (None, Some(error)),
        };
        self.last = Some(Started { text: hook.text.clone(), keeper, error });
        keeper
    }

    /// Has the one under way killed, with everything that it has started.
    pub(super) fn end(&self) {
        if let Some(keeper) = self.last.as_ref().and_then(|last| last.keeper) {
            hook::end(keeper);
        }
    }
}

impl Supervisor {
    /// Starts the hook of a step, which is told the deadline.
    pub(super) fn start_hook(&mut self, index: usize, now: Duration) {
        let Some(hook) = self.hooks.steps.get(index).cloned() else { return };
        let deadline = self.machine.kill_at().map(|at| self.clock.wall_ms(now, at));
        let deadline = deadline.and_then(|ms| entry(DEADLINE_VARIABLE, ms.to_string()));
        let variables: Vec<Entry> = deadline.into_iter().chain(self.pids()).collect();
        self.start_and_set_aside(&hook, &variables);
    }

    /// Tells the end of the workload, and starts the hook that follows it, which is told too.
    pub(super) fn start_post_stop(&mut self) {
        let (outcome, ending) = self.conclude();
        let Some(hook) = self.hooks.post_stop.clone() else { return };
        let outcome = entry(OUTCOME_VARIABLE, outcome.to_string());
        let status = entry(EXIT_STATUS_VARIABLE, ending.status().to_string());
        let variables: Vec<Entry> = outcome.into_iter().chain(status).collect();
        self.start_and_set_aside(&hook, &variables);
    }

    /// Who is there, for a debugger.
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
