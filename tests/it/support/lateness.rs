//! How late the machine itself was, by which tests that measure time are judged.
//!
//! A thread wakes every few milliseconds and records how late it was, and for how long some process waited
//! for a processor. A promised time may take 100 ms longer, plus the time by which that thread was late
//! meanwhile. If the machine is too busy to judge by, the test is repeated, and in the end reported as not
//! judged, which is neither a pass nor a failure.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::holds_within;

/// How much longer a promised time may take on an idle machine.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(100);
/// With delays of this much in total, a late time no longer says anything about winddown.
const TOO_LATE: Duration = Duration::from_millis(500);
/// Between two samples.
const TICK: Duration = Duration::from_millis(5);
/// Every timer may be late by this much.
const JITTER: Duration = Duration::from_millis(1);
/// How long samples are kept: longer than any test takes.
const KEPT: Duration = Duration::from_secs(600);

/// Sums since the start.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    late: Duration,
    waited: Duration,
    crowded: Duration,
}

static SAMPLES: Mutex<VecDeque<Sample>> = Mutex::new(VecDeque::new());

fn samples() -> MutexGuard<'static, VecDeque<Sample>> {
    SAMPLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that watches the machine.
pub(crate) fn watch() {
    let first =
        Sample { at: Instant::now(), late: Duration::ZERO, waited: Duration::ZERO, crowded: Duration::ZERO };
    samples().push_back(first);
    std::thread::spawn(move || {
        let (mut last, mut pressure) = (first, stalled());
        loop {
            std::thread::sleep(TICK);
            let at = Instant::now();
            let late = (at - last.at).saturating_sub(TICK + JITTER);
            let now = stalled();
            let waited = match (pressure, now) {
                (Some(before), Some(now)) => now.saturating_sub(before),
                // The kernel doesn't measure this.
                _ => Duration::ZERO,
            };
            let crowded = if is_crowded() { at - last.at } else { Duration::ZERO };
            pressure = now;
            last = Sample {
                at,
                late: last.late + late,
                waited: last.waited + waited,
                crowded: last.crowded + crowded,
            };
            let mut samples = samples();
            samples.push_back(last);
            while samples.front().is_some_and(|oldest| at - oldest.at > KEPT) {
                samples.pop_front();
            }
        }
    });
}

/// For how long some process has waited for a processor since boot.
fn stalled() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = text.lines().next()?.split_once("total=")?.1;
    total.trim().parse().ok().map(Duration::from_micros)
}

/// Whether twice as many processes want to run as there are processors.
fn is_crowded() -> bool {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running = text.split(' ').nth(3).and_then(|both| both.split_once('/')?.0.parse::<usize>().ok());
    running.is_some_and(|running| running > 2 * processors())
}

/// How many processors this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// The share of the last second in which some process waited for a processor.
pub(crate) fn pressure() -> f64 {
    let samples = samples();
    let Some(last) = samples.back() else { return 0.0 };
    let earlier = samples.partition_point(|one| one.at + Duration::from_secs(1) < last.at);
    let first = samples[earlier.saturating_sub(1)];
    let length = (last.at - first.at).as_secs_f64();
    if length > 0.0 { last.waited.saturating_sub(first.waited).as_secs_f64() / length } else { 0.0 }
}

/// What the machine did between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) length: Duration,
    /// How late the thread woke, in total.
    pub(crate) late: Duration,
    /// For how long some process waited for a processor, as the kernel counts it.
    pub(crate) waited: Duration,
    /// For how long twice as many processes wanted to run as there are processors. Work of many steps, each by another
    /// process, is then later than a single thread.
    pub(crate) crowded: Duration,
}

impl Machine {
    pub(crate) fn between(from: Instant, to: Instant) -> Self {
        // The thread may be late at this very moment.
        holds_within(Duration::from_secs(20), || samples().back().is_some_and(|last| last.at >= to));
        let samples = samples();
        let after = |moment| samples.partition_point(|one| one.at < moment);
        let first = samples[after(from).saturating_sub(1)];
        let last = samples[after(to).min(samples.len() - 1)];
        Self {
            length: last.at - first.at,
            late: last.late.saturating_sub(first.late),
            waited: last.waited.saturating_sub(first.waited),
            crowded: last.crowded.saturating_sub(first.crowded),
        }
    }

    /// Whether a late time says nothing about winddown.
    pub(crate) fn is_starved(&self) -> bool {
        let is_most = |time: Duration| time * 2 > self.length;
        self.late > TOO_LATE.max(self.length / 4) || is_most(self.waited) || is_most(self.crowded)
    }

    /// The verdict on something that was this late.
    pub(crate) fn judge(&self, late: Duration) -> Verdict {
        if late <= TOLERANCE {
            Verdict::InTime
        } else if self.is_starved() {
            Verdict::NotJudged
        } else if late <= TOLERANCE + self.late {
            Verdict::InTime
        } else {
            Verdict::Late
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    InTime,
    Late,
    NotJudged,
}

/// Ends a test on a machine that is too busy for it; the test is repeated, see `trial::Test`.
pub(crate) struct NotJudged(pub(crate) String);

impl NotJudged {
    pub(crate) fn new(machine: &Machine) -> Self {
        let Machine { length, late, waited, .. } = machine;
        let (length, late, waited) = (length.as_millis(), late.as_millis(), waited.as_millis());
        Self(format!(
            "machine too busy: not judged (in {length} ms: timers {late} ms late, processes waited {waited} ms)"
        ))
    }
}

/// The only assertion about time: `time`, measured somewhere between these two moments, is at most the
/// promised time plus 100 ms plus the machine's own lateness meanwhile.
#[track_caller]
pub(crate) fn expect_within(
    time: Duration,
    promised: Duration,
    (from, to): (Instant, Instant),
    dump: impl FnOnce() -> String,
) {
    let late = time.saturating_sub(promised);
    if late <= TOLERANCE {
        return;
    }
    let machine = Machine::between(from, to);
    match machine.judge(late) {
        Verdict::InTime => {}
        Verdict::NotJudged => resume_unwind(Box::new(NotJudged::new(&machine))),
        Verdict::Late => panic!("{time:?} instead of {promised:?}; {machine:?}\n{}", dump()),
    }
}

/// Waits until the condition holds, which is promised within this time after `from`.
#[track_caller]
pub(crate) fn expect_soon(what: &str, from: Instant, promised: Duration, condition: impl FnMut() -> bool) {
    super::eventually(what, condition);
    let now = Instant::now();
    expect_within(now - from, promised, (from, now), || what.to_owned());
}
