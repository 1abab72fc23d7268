//! Requests whose clients hang up in the middle.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::info;

use super::doors::Doors;
use super::{ActiveRun, pids};
use crate::check::clients::held_connections::{Holding, NOWHERE, ask_whole};
use crate::check::observed::{Aborted, HeldEnd, Missing, REQUEST_MS_MIN};
use crate::check::time::{ms, now_ms};
use crate::os::clock::Clock;
use crate::os::inspect;

/// A slow request is measured for at most so long.
const MEASURE_MAX: Duration = Duration::from_secs(30);
/// The work is given up within this time, or it is not.
const GIVE_UP: Duration = Duration::from_secs(1);
/// How long the use of the CPU is measured: some tens of the kernel's ticks.
const CPU_WINDOW: Duration = Duration::from_millis(250);

impl ActiveRun<'_> {
    /// Finds out how long a slow request takes.
    pub(super) async fn measure(&mut self, doors: &Doors) -> Result<(), Missing> {
        let url = self.slow(doors).await?.ok_or(NOWHERE)?;
        let begin = now_ms(self.clock);
        let end = timeout(MEASURE_MAX, ask_whole(&url)).await;
        let took_ms = now_ms(self.clock).saturating_sub(begin);
        info!(took_ms, "measured");
        let why = match end {
            Ok(HeldEnd::Answered(..500)) => {
                self.observed.request_ms = Some(took_ms);
                return Ok(());
            }
            Ok(HeldEnd::Answered(status)) => format!("a slow request was answered with {status}"),
            Ok(_) => "a slow request was cut".to_owned(),
            Err(_) => "a slow request had no answer after 30 s: give --slow a shorter one".to_owned(),
        };
        Err(Missing::Inconclusive(why))
    }

    /// Has clients hang up while their requests are under way.
    pub(super) async fn abandon(&self, doors: &Doors, inner: i32) -> Result<Holding, Missing> {
        let mut holding = self.under_way(doors, inner).await?;
        holding.hang_up(self.clock).await;
        Ok(holding)
    }

    /// The same where the request is long enough, and watches for what goes on, without a stop.
    pub(super) async fn abort(&mut self, doors: &Doors, inner: i32) -> Result<Holding, Missing> {
        let first = opened(inner);
        self.measure(doors).await?;
        let request_ms = self.observed.request_ms.unwrap_or_default();
        if request_ms < REQUEST_MS_MIN {
            return Ok(Holding::default());
        }
        let cpu_idle = cpu_share(inner, self.clock).await;
        let before = opened(inner);
        let is_pooled = !before.is_subset(&first);
        let mut holding = self.under_way(doors, inner).await?;
        let cpu_busy = cpu_share(inner, self.clock).await;
        let for_them: HashSet<u64> =
            opened(inner).difference(&before).copied().filter(|_| !is_pooled).collect();
        let ends_ms = holding.first_opened_at_ms().unwrap_or_default().saturating_add(request_ms);
        holding.hang_up(self.clock).await;
        sleep(GIVE_UP).await;
        let left = opened(inner).intersection(&for_them).count();
        let cpu_after = cpu_share(inner, self.clock).await;
        let remaining_ms = ends_ms.cast_signed().saturating_sub(now_ms(self.clock).cast_signed());
        let seen = Aborted { opened: for_them.len(), left, cpu_idle, cpu_busy, cpu_after, remaining_ms };
        info!(opened = seen.opened, left, cpu_idle, cpu_busy, cpu_after, remaining_ms, "a second later");
        self.observed.aborted = Some(seen);
        Ok(holding)
    }
}

/// The connections that the server has opened.
fn opened(inner: i32) -> HashSet<u64> {
    inspect::opened_connections(&pids(inner))
}

/// How much of a CPU the server uses, in percent.
async fn cpu_share(inner: i32, clock: Clock) -> u64 {
    let (begin, first) = (clock.now(), inspect::cpu_ms(&pids(inner)));
    sleep(CPU_WINDOW).await;
    let last = inspect::cpu_ms(&pids(inner));
    let lasted_ms = ms(clock.now().saturating_sub(begin)).max(1);
    let grown = |(pid, used): (&i32, &u64)| used.saturating_sub(first.get(pid).copied().unwrap_or_default());
    last.iter().map(grown).sum::<u64>().saturating_mul(100) / lasted_ms
}
