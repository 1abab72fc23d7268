//! What a measurement yields, and how it is judged.

use crate::programs::{Kind, Program};
use crate::stats::{self, Ratio};

/// One program's result.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<f64>,
    /// Why there is no result, or something to know about it.
    pub(crate) note: Option<String>,
    /// The job was not done right, so its speed does not count.
    pub(crate) failed: bool,
}

impl Row {
    pub(crate) fn new(program: &Program) -> Self {
        Self {
            name: program.kind.label().into(),
            kind: program.kind,
            samples: Vec::new(),
            note: program.path.as_ref().err().cloned(),
            failed: false,
        }
    }

    pub(crate) fn fail(&mut self, reason: String) {
        self.note = Some(reason);
        self.failed = true;
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// Relative to the baseline's median.
    Ratio(f64),
    /// In the figure's unit.
    Value(f64),
}

/// What a row must reach. A goal for a kind holds for each row of that kind.
#[derive(Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) kind: Kind,
    pub(crate) limit: Limit,
}

/// The same goal with and without the guard.
pub(crate) fn both(limit: Limit) -> Vec<Goal> {
    [Kind::Alone, Kind::Guarded].map(|kind| Goal { kind, limit }).into()
}

pub(crate) fn ratios(alone: f64, guarded: f64) -> Vec<Goal> {
    vec![
        Goal { kind: Kind::Alone, limit: Limit::Ratio(alone) },
        Goal { kind: Kind::Guarded, limit: Limit::Ratio(guarded) },
    ]
}

pub(crate) struct Figure {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) baseline: Option<Kind>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    Missed,
    /// Missed, but the goal lies within the interval of the ratio.
    Close,
    /// The program or its baseline could not be measured.
    Open,
}

impl Verdict {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Missed => "MISSED",
            Self::Close => "missed, within the noise",
            Self::Open => "not measured",
        }
    }
}

impl Figure {
    pub(crate) fn ratio(&self, row: &Row) -> Option<Ratio> {
        let baseline = self.rows.iter().find(|other| Some(other.kind) == self.baseline)?;
        stats::ratio_of_medians(&row.samples, &baseline.samples)
    }

    pub(crate) fn goal(&self, row: &Row) -> Option<(Limit, Verdict)> {
        let limit = self.goals.iter().find(|goal| goal.kind == row.kind)?.limit;
        Some((limit, self.verdict(row, limit)))
    }

    fn verdict(&self, row: &Row, limit: Limit) -> Verdict {
        if row.failed {
            return Verdict::Missed;
        }
        let reached = |yes| {
            if yes { Verdict::Reached } else { Verdict::Missed }
        };
        match limit {
            Limit::Value(most) => {
                stats::median(&row.samples).map_or(Verdict::Open, |value| reached(value <= most))
            }
            Limit::Ratio(most) => match self.ratio(row) {
                None => Verdict::Open,
                Some(ratio) if ratio.value > most && ratio.low <= most => Verdict::Close,
                Some(ratio) => reached(ratio.value <= most),
            },
        }
    }
}
