//! Timers: a process that reads one, or an event loop that nothing else can wake.

use super::{Hit, Rule, Strength, does, hit, who};
use crate::postmortem::causes;
use crate::postmortem::look::{Call, Thread, TimeOut};
use crate::postmortem::series::Series;
use crate::postmortem::threads::LOOPS;
use crate::postmortem::words;

pub(super) const RULES: &[(Strength, Rule)] =
    &[(Strength::Sure, reads_a_timer), (Strength::Weak, nothing_but_a_timer)];

/// As with any sleep, it has to be one and the same.
fn reads_a_timer(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread()?;
    let file = series.main_call().filter(|call| call.name == "read").and_then(|call| series.file_of(call))?;
    let text = format!("{} sleeps, {}", who(series), does(series, main));
    (file.timer.is_some() && series.is_still(main)).then(|| hit(&causes::SLEEPING, text))
}

/// Nobody else can wake its event loop: no descriptor leads out of the process, it has no child, and its other threads
/// have nothing to do.
fn nothing_but_a_timer(series: &Series<'_>) -> Option<Hit> {
    let main = series.main_thread().filter(|main| main.is_in(&LOOPS))?;
    let is_idle = |thread: &Thread| thread.is_in(&["futex", "futex_waitv"]) || thread.is_in(&LOOPS);
    let is_alone = series.last.sources == Some(0)
        && series.children().next().is_none()
        && series.other_threads().all(is_idle);
    if !is_alone {
        return None;
    }
    let has_limit = matches!(main.call.as_ref().map(Call::time_out), Some(TimeOut::Ms(1..)));
    let set = series
        .last
        .files
        .iter()
        .filter(|file| file.timer.is_some())
        .min_by_key(|file| file.timer.map(|timer| timer.left_ms));
    let timer = match set {
        Some(file) => format!(" ({})", words::timer(file)),
        None if has_limit => String::new(),
        None => return None,
    };
    let text = format!(
        "{} has nothing left in its event loop but a timer{timer}: it is {}",
        who(series),
        does(series, main)
    );
    let remedy = "cancel the timer when the stop signal arrives (clearInterval, unref, cancel)";
    Some(hit(&causes::SLEEPING, text).with(remedy.to_owned()))
}
