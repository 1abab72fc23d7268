//! Probes through the whole stop, twenty a second, each on a connection of its own.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::probe::probe;
use crate::check::observed::{Probe, ProbeOutcome};
use crate::check::time::now_ms;
use crate::os::clock::Clock;
use crate::ready::http::Url;
use crate::ready::place::Place;

const PERIOD: Duration = Duration::from_millis(50);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many probes follow the end.
const AFTER: usize = 5;

/// The probes under way.
pub(in crate::check) struct Strip {
    over: watch::Sender<bool>,
    probes: JoinHandle<Vec<(u64, ProbeOutcome)>>,
}

impl Strip {
    /// Starts the probes: requests if the server speaks HTTP, else bare connections.
    pub(in crate::check) fn start(place: Place, http: Option<Url>, clock: Clock) -> Self {
        let (over, is_over) = watch::channel(false);
        Self { over, probes: tokio::spawn(steadily(place, http, is_over, clock)) }
    }

    /// Ends the probes; returns them in order, with times counted from the signal.
    pub(in crate::check) async fn finish(self, signal_at_ms: u64) -> Vec<Probe> {
        let _ = self.over.send(true);
        let mut outcomes = self.probes.await.unwrap_or_default();
        outcomes.sort_by_key(|(at_ms, _)| *at_ms);
        let from_signal = |at_ms: u64| at_ms.cast_signed().saturating_sub(signal_at_ms.cast_signed());
        outcomes.into_iter().map(|(at_ms, outcome)| Probe { at_ms: from_signal(at_ms), outcome }).collect()
    }
}

async fn steadily(
    place: Place,
    http: Option<Url>,
    is_over: watch::Receiver<bool>,
    clock: Clock,
) -> Vec<(u64, ProbeOutcome)> {
    let mut probes = JoinSet::new();
    let mut left = AFTER;
    let mut ticks = tokio::time::interval(PERIOD);
    while left > 0 {
        ticks.tick().await;
        left -= usize::from(*is_over.borrow());
        let (place, http) = (place.clone(), http.clone());
        let at_ms = now_ms(clock);
        probes.spawn(async move { (at_ms, probe(&place, http.as_ref(), PATIENCE).await) });
    }
    probes.join_all().await
}
