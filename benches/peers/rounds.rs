//! Round robin, so that drift of the machine affects all programs alike.

use std::io;
use std::time::Duration;

use crate::figure::Row;
use crate::os::{self, Watch};
use crate::programs::Program;

/// The longest time for a single run.
const RUN_LIMIT_S: i32 = 20;

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Warm-up rounds, which don't count: caches are cold.
    pub(crate) warm_up: usize,
    /// No round begins after this time.
    pub(crate) budget: Duration,
}

/// Takes one sample of each program in each round; each round begins with another program. A program that fails gets
/// the reason in its row and takes no further part.
pub(crate) fn interleave(
    programs: &[&Program],
    plan: Plan,
    mut sample: impl FnMut(usize, &Program) -> io::Result<f64>,
) -> Vec<Row> {
    let mut rows: Vec<Row> = programs.iter().map(|program| Row::new(program)).collect();
    let end_ns = os::now_ns() + u64::try_from(plan.budget.as_nanos()).unwrap_or(u64::MAX / 2);
    for round in 0..plan.warm_up + plan.rounds {
        for turn in 0..programs.len() {
            let at = (round + turn) % programs.len();
            if programs[at].path.is_err() || rows[at].failed || os::interrupted() {
                continue;
            }
            let watch = Watch::seconds(RUN_LIMIT_S);
            let result = sample(at, programs[at]);
            drop(watch);
            match result {
                Ok(value) if round >= plan.warm_up => rows[at].samples.push(value),
                Ok(_) => {}
                Err(error) => rows[at].fail(explain(&error)),
            }
        }
        // At least one round counts, however slow the machine.
        if os::interrupted() || (round >= plan.warm_up && os::now_ns() > end_ns) {
            break;
        }
    }
    rows
}

pub(crate) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Interrupted => format!("FAILED: not done within {RUN_LIMIT_S} s"),
        _ => format!("FAILED: {error}"),
    }
}
