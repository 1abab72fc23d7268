//! How a server is asked to stop.

use std::time::Duration;

use tracing::info;

use super::ActiveRun;
use crate::check::observed::Missing;
use crate::check::runs::load;
use crate::check::runs::scenario::Ask;
use crate::lifecycle::signal::Signal;
use crate::os::inspect;
use crate::os::process::subprocess::Handle;

/// A second signal comes so long after the first.
const SECOND_SIGNAL: Duration = Duration::from_millis(2);
/// And a second Ctrl+C; or the signal after what was done before.
const SECOND_KEY: Duration = Duration::from_millis(50);

impl ActiveRun<'_> {
    /// Has it stop, as the scenario wants it.
    pub(super) async fn ask(&mut self, main: &Handle) {
        match self.scenario.ask() {
            Ask::Kill => send(main, Signal::KILL),
            Ask::Main => send(main, self.signal()),
            Ask::Twice => {
                self.request();
                tokio::time::sleep(SECOND_SIGNAL).await;
                if main.has_exited() {
                    self.observed.missing = Some(Missing::Skip("it had ended before a second signal"));
                }
                send(main, self.signal());
            }
            Ask::CtrlC => {
                let group = inspect::group_of(main.pid);
                self.request();
                for one in group.iter().filter(|one| one.pid != main.pid) {
                    send(one, Signal::INT);
                }
                tokio::time::sleep(SECOND_KEY).await;
                for one in &group {
                    send(one, Signal::INT);
                }
            }
            Ask::Group => {
                self.request();
                for one in inspect::group_of(main.pid).iter().filter(|one| one.pid != main.pid) {
                    send(one, self.signal());
                }
            }
            Ask::Suspended => {
                send(main, Signal::STOP);
                tokio::time::sleep(SECOND_KEY).await;
                self.request();
            }
            Ask::ChildKilled => {
                match inspect::first_child(main.pid) {
                    Some(child) => send(&Handle::new(child), Signal::KILL),
                    None => self.observed.missing = Some(Missing::Skip("it has no children")),
                }
                tokio::time::sleep(SECOND_KEY).await;
                self.request();
            }
            Ask::Broken => {
                if let Some(command) = &self.options.breaks {
                    self.observed.missing = load::break_it(command, self.clock)
                        .await
                        .err()
                        .map(|why| Missing::Inconclusive(why.to_owned()));
                }
                self.request();
            }
            Ask::OutputFull => {
                if self.job.run.output.hold().is_err() {
                    self.observed.missing =
                        Some(Missing::Inconclusive("its pipes could not be filled".to_owned()));
                }
                self.request();
            }
            Ask::Winddown => self.request(),
        }
    }

    /// To winddown, which asks the server.
    fn request(&self) {
        let outer = &self.job.run.outer;
        outer.signal(Signal::TERM);
        info!(signal = %Signal::TERM, pid = outer.pid, asks_with = %self.signal(), "signal sent");
    }
}

fn send(to: &Handle, signal: Signal) {
    to.signal(signal);
    info!(%signal, pid = to.pid, "signal sent");
}
