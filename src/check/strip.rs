//! Probes through the whole stop, twenty a second, each on a connection of its own.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::observed::{Listener, Outcome, Probe};
use super::probe::{Place, Url, probe};
use super::time::now_ms;
use crate::os::clock::Clock;

const PERIOD: Duration = Duration::from_millis(50);
/// Longer is no answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it goes on after the end.
const AFTER: usize = 5;

/// The probes under way.
pub(super) struct Strip {
    over: watch::Sender<bool>,
    probes: JoinHandle<Vec<(u64, Outcome)>>,
}

impl Strip {
    /// Begins, with requests if HTTP is spoken, else with connections to the first listener.
    pub(super) fn start(listeners: &[Listener], http: Option<Url>, clock: Clock) -> Self {
        let (over, is_over) = watch::channel(false);
        let place =
            http.as_ref().map(|url| url.place.clone()).or_else(|| listeners.iter().find_map(Place::of));
        Self { over, probes: tokio::spawn(steadily(place, http, is_over, clock)) }
    }

    /// Ends; the outcomes in order, by the time from the signal on.
    pub(super) async fn finish(self, signal_at_ms: u64) -> Vec<Probe> {
        let _ = self.over.send(true);
        let mut outcomes = self.probes.await.unwrap_or_default();
        outcomes.sort_by_key(|(at_ms, _)| *at_ms);
        let from_signal = |at_ms: u64| at_ms.cast_signed().saturating_sub(signal_at_ms.cast_signed());
        outcomes.into_iter().map(|(at_ms, outcome)| Probe { at_ms: from_signal(at_ms), outcome }).collect()
    }
}

async fn steadily(
    place: Option<Place>,
    http: Option<Url>,
    is_over: watch::Receiver<bool>,
    clock: Clock,
) -> Vec<(u64, Outcome)> {
    let Some(place) = place else { return Vec::new() };
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
