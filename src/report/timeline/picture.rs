//! The picture of one run: what goes into which lane, before anything is drawn.

use super::super::clients::{Attempt, Connection};
use super::super::events::{describe_hook, describe_step};
use super::super::read::Named;
use super::bars::{Bar, bars};
use super::curves::{Curve, curves};
use super::marks::{Mark, marks};
use super::scale::Scale;
use crate::record::schema::{Record, TryRecord};

/// A limit much later than the end is not drawn: it would squeeze the stop.
const LIMIT_SHOWN_WITHIN: f64 = 1.4;
/// At most this many lines of the log get a tick.
const TICKS_MAX: usize = 200;

/// A step of the plan, or a hook.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Stage {
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
    pub(super) text: String,
}

/// What to draw.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) scale: Scale,
    pub(super) marks: Vec<Mark>,
    pub(super) marks_left_out: usize,
    /// The limit, if it is too late to be in the picture.
    pub(super) far_limit_ms: Option<f64>,
    pub(super) tries: Vec<TryRecord>,
    pub(super) stages: Vec<Stage>,
    pub(super) bars: Vec<Bar>,
    pub(super) bars_left_out: usize,
    pub(super) connections: Vec<Connection>,
    pub(super) probes: Vec<Attempt>,
    pub(super) curves: Vec<Curve>,
    /// Time, level and text of each line.
    pub(super) ticks: Vec<(f64, String, String)>,
}

impl Picture {
    /// `None` for a run that was not started.
    pub(super) fn of(named: &Named) -> Option<Self> {
        let Named { record, clients, .. } = named;
        record.main.as_ref()?;
        let zero_ms = record.zero_ms();
        let hooks = record.hooks.iter().map(|hook| hook.at_ms);
        let probes = clients.probes.iter().map(|probe| probe.at_ms);
        let mut end_ms = hooks.chain(probes).fold(record.end_ms(), f64::max);
        let deadline_ms = record.stop.as_ref().and_then(|stop| stop.deadline_ms);
        let is_near = |at_ms: &f64| *at_ms - zero_ms <= (end_ms - zero_ms) * LIMIT_SHOWN_WITHIN;
        let near_limit_ms = deadline_ms.filter(is_near);
        end_ms = near_limit_ms.map_or(end_ms, |at_ms| at_ms.max(end_ms));
        let (marks, marks_left_out) = marks(record, end_ms);
        let (bars, bars_left_out) = bars(record, end_ms);
        let ticks = record.log.iter().take(TICKS_MAX);
        Some(Self {
            scale: Scale::new(zero_ms, end_ms),
            marks,
            marks_left_out,
            far_limit_ms: deadline_ms.filter(|_| near_limit_ms.is_none()),
            tries: record.tries.clone(),
            stages: stages(record),
            bars,
            bars_left_out,
            connections: clients.connections.clone(),
            probes: clients.probes.clone(),
            curves: curves(record),
            ticks: ticks.map(|line| (line.at_ms, line.level.clone(), line.message.clone())).collect(),
        })
    }
}

/// The steps, each up to the next or the end; then the hook that follows the end.
fn stages(record: &Record) -> Vec<Stage> {
    let ends = record.steps.iter().skip(1).map(|step| step.at_ms).chain([record.end_ms()]);
    let steps = record.steps.iter().zip(ends).map(|(step, to_ms)| Stage {
        from_ms: step.at_ms,
        to_ms,
        text: describe_step(&step.step),
    });
    let stopped_ms = record.end_ms();
    let hooks = record.hooks.iter().filter(|hook| hook.at_ms > stopped_ms);
    let hooks = hooks.map(|hook| Stage { from_ms: stopped_ms, to_ms: hook.at_ms, text: describe_hook(hook) });
    steps.chain(hooks).collect()
}
