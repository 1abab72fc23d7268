//! Maps moments to places in the picture.

/// The part of the picture with a time scale, in pixels.
pub(super) const LEFT: f64 = 190.0;
pub(super) const RIGHT: f64 = 1010.0;
/// What was before the stop takes at most this many pixels of it.
const BEFORE_MAX: f64 = 130.0;
/// Marks of the axis are at least this many pixels apart.
const TICK_GAP: f64 = 80.0;

/// Milliseconds to pixels: the stop has one scale; a long time before it is compressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The zero of all times that are shown.
    pub(super) zero_ms: f64,
    pub(super) end_ms: f64,
    zero_x: f64,
    before_px_per_ms: f64,
    after_px_per_ms: f64,
}

impl Scale {
    /// A scale from the start to the end, with zero at the stop request, if there was one.
    pub(super) fn new(zero_ms: f64, end_ms: f64) -> Self {
        let zero_ms = zero_ms.max(0.0);
        let end_ms = end_ms.max(zero_ms + 0.001);
        let in_proportion = (RIGHT - LEFT) * zero_ms / end_ms;
        let before = in_proportion.min(BEFORE_MAX);
        let zero_x = LEFT + before;
        Self {
            zero_ms,
            end_ms,
            zero_x,
            before_px_per_ms: if zero_ms > 0.0 { before / zero_ms } else { 0.0 },
            after_px_per_ms: (RIGHT - zero_x) / (end_ms - zero_ms),
        }
    }

    /// The place of a moment, always inside the picture.
    pub(super) fn x(&self, at_ms: f64) -> f64 {
        let from_zero_ms = at_ms - self.zero_ms;
        let by = if from_zero_ms < 0.0 { self.before_px_per_ms } else { self.after_px_per_ms };
        from_zero_ms.mul_add(by, self.zero_x).clamp(LEFT, RIGHT)
    }

    /// Whether the time before the stop is compressed.
    pub(super) fn is_pressed(&self) -> bool {
        self.before_px_per_ms > 0.0 && self.before_px_per_ms < self.after_px_per_ms * 0.99
    }

    /// The marks of the axis, at round times, in milliseconds since the start.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let step_ms = round_up(TICK_GAP / self.after_px_per_ms);
        let first_ms = if self.is_pressed() { 0.0 } else { -(self.zero_ms / step_ms).floor() * step_ms };
        let after = std::iter::successors(Some(first_ms), |at_ms| Some(at_ms + step_ms));
        let after = after.take_while(|at_ms| *at_ms <= self.end_ms - self.zero_ms).take(100);
        after.map(|at_ms| at_ms + self.zero_ms).collect()
    }
}

/// Rounds up to 1, 2 or 5 times a power of ten.
fn round_up(wanted_ms: f64) -> f64 {
    let magnitude = 10_f64.powf(wanted_ms.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * magnitude);
    steps.into_iter().find(|step_ms| *step_ms >= wanted_ms).unwrap_or(magnitude * 10.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(one: f64, other: f64) -> bool {
        (one - other).abs() < 0.01
    }

    #[test]
    fn a_run_of_hours_leaves_the_room_to_the_stop() {
        let scale = Scale::new(7_200_000.0, 7_202_000.0);
        assert!(scale.is_pressed());
        let places = [0.0, 7_200_000.0, 7_201_000.0, 7_202_000.0].map(|at_ms| scale.x(at_ms));
        assert!(is_near(places[0], LEFT) && is_near(places[1], LEFT + BEFORE_MAX));
        assert!(is_near(places[2], f64::midpoint(LEFT + BEFORE_MAX, RIGHT)) && is_near(places[3], RIGHT));
        assert!(scale.ticks().iter().all(|at_ms| *at_ms >= 7_200_000.0));
    }

    #[test]
    fn a_short_run_has_one_scale() {
        let scale = Scale::new(100.0, 2100.0);
        assert!(!scale.is_pressed());
        assert!(is_near(scale.x(1100.0), f64::midpoint(scale.x(100.0), scale.x(2100.0))));
        assert!(is_near(scale.x(0.0), LEFT));
    }

    #[test]
    fn strange_times_stay_inside() {
        for (zero_ms, end_ms) in [(0.0, 0.0), (-5.0, -9.0), (1e12, 0.0), (0.0, 1e12)] {
            let scale = Scale::new(zero_ms, end_ms);
            for at_ms in [-1e9, 0.0, 1.0, 1e15] {
                assert!((LEFT..=RIGHT).contains(&scale.x(at_ms)), "{zero_ms} {end_ms} {at_ms}");
            }
            assert!(scale.ticks().len() <= 100);
        }
    }

    #[test]
    fn marks_of_the_axis_are_round() {
        let rounded = [0.3, 7.0, 12.0, 240.0, 5100.0].map(|wanted_ms| round_up(wanted_ms).to_string());
        assert_eq!(rounded, ["1", "10", "20", "500", "10000"]);
    }
}
