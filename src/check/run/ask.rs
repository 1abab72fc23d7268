//! How a server is asked to stop.

use std::time::Duration;

use super::Run;
use crate::check::catalogue::Scenario;
use crate::check::load;
use crate::check::observed::Missing;
use crate::lifecycle::signal::Signal;
use crate::os::below;
use crate::os::child::Handle;

/// A second signal comes so long after the first.
const SECOND_SIGNAL: Duration = Duration::from_millis(2);
/// And a second Ctrl+C; or the signal after what was done before.
const SECOND_KEY: Duration = Duration::from_millis(50);

impl Run<'_> {
    /// Has it stop, as the scenario wants it.
    pub(super) async fn ask(&mut self, main: &Handle) {
        match self.scenario {
            Scenario::Kill | Scenario::KillRestart => main.signal(Signal::KILL),
            Scenario::Pid1 => main.signal(self.signal()),
            Scenario::Twice => {
                self.job.run.outer.signal(Signal::TERM);
                tokio::time::sleep(SECOND_SIGNAL).await;
                if main.is_gone() {
                    self.observed.missing = Some(Missing::Skip("it had ended before a second signal"));
                }
                main.signal(self.signal());
            }
            Scenario::CtrlC => {
                let group = below::group_of(main.pid);
                self.job.run.outer.signal(Signal::TERM);
                for one in group.iter().filter(|one| one.pid != main.pid) {
                    one.signal(Signal::INT);
                }
                tokio::time::sleep(SECOND_KEY).await;
                for one in &group {
                    one.signal(Signal::INT);
                }
            }
            Scenario::Group => {
                self.job.run.outer.signal(Signal::TERM);
                for one in below::group_of(main.pid).iter().filter(|one| one.pid != main.pid) {
                    one.signal(self.signal());
                }
            }
            Scenario::Stopped => {
                main.signal(Signal::STOP);
                tokio::time::sleep(SECOND_KEY).await;
                self.job.run.outer.signal(Signal::TERM);
            }
            Scenario::WorkerKilled => {
                match below::first_child(main.pid) {
                    Some(child) => Handle::new(child).signal(Signal::KILL),
                    None => self.observed.missing = Some(Missing::Skip("it has no children")),
                }
                tokio::time::sleep(SECOND_KEY).await;
                self.job.run.outer.signal(Signal::TERM);
            }
            Scenario::Broken => {
                if let Some(command) = &self.options.breaks {
                    self.observed.missing =
                        load::break_it(command, self.clock).await.err().map(Missing::Inconclusive);
                }
                self.job.run.outer.signal(Signal::TERM);
            }
            Scenario::FullOutput => {
                if self.job.run.output.hold().is_err() {
                    self.observed.missing = Some(Missing::Inconclusive("its pipes could not be filled"));
                }
                self.job.run.outer.signal(Signal::TERM);
            }
            _ => self.job.run.outer.signal(Signal::TERM),
        }
    }
}
