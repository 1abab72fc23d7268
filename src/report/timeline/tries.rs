//! The lane of a run's tries.

use super::super::{tries, words};
use super::canvas::{Anchor, Canvas};
use super::scale::Scale;
use crate::record::schema::TryRecord;

const ROW: f64 = 19.0;
const BAR: f64 = 13.0;
const GAP: f64 = 16.0;
/// A bar with its number needs this much room.
const NUMBERED: f64 = 24.0;
/// Bars that begin closer to the one before can't be told from it, and are left out.
const PITCH: f64 = 3.0;

/// Draws them below `y`, and returns where the next lane begins.
pub(super) fn tries(canvas: &mut Canvas, scale: &Scale, all: &[TryRecord], y: f64) -> f64 {
    if all.len() < 2 {
        return y;
    }
    canvas.text("lane", (8.0, y + 10.5), Anchor::Start, "tries");
    let mut last_x = f64::NEG_INFINITY;
    for one in all {
        let (from, to) = (scale.x(one.started_ms), scale.x(one.ended_ms));
        if from - last_x >= PITCH {
            last_x = from;
            bar(canvas, scale, one, (from, to), y);
        }
    }
    y + ROW + GAP
}

fn bar(canvas: &mut Canvas, scale: &Scale, one: &TryRecord, (from, to): (f64, f64), y: f64) {
    let length = (to - from).max(2.0);
    canvas.open("try", "");
    canvas.title(&format!("{} {}", words::offset(one.started_ms - scale.zero_ms), tries::describe(one)));
    canvas.rect("step", (from, y), (length, BAR));
    if length >= NUMBERED {
        canvas.text("over", (from + 4.0, y + 10.5), Anchor::Start, &one.attempt.to_string());
    }
    canvas.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(count: u32) -> String {
        let one = |attempt: u32| TryRecord {
            attempt,
            started_ms: f64::from(attempt) * 1000.0,
            ended_ms: f64::from(attempt).mul_add(1000.0, 700.0),
            ..TryRecord::default()
        };
        let all: Vec<TryRecord> = (1..=count).map(one).collect();
        let mut canvas = Canvas::default();
        tries(&mut canvas, &Scale::new(0.0, f64::from(count + 1) * 1000.0), &all, 0.0);
        canvas.finish()
    }

    #[test]
    fn a_run_of_one_try_has_no_such_lane() {
        assert_eq!(drawn(1), "");
        assert_eq!(drawn(4).matches("<rect").count(), 4);
    }

    #[test]
    fn a_thousand_tries_stay_a_picture() {
        let picture = drawn(1000);
        let bars = picture.matches("<rect").count();
        assert!((100..=280).contains(&bars) && picture.len() < 80_000, "{bars} {}", picture.len());
    }
}
