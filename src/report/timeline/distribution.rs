//! How long the stops of several runs took, as a histogram.

use super::super::groups::sentences;
use super::super::words;
use super::canvas::{Anchor, Canvas, picture};
use super::scale::{LEFT, RIGHT};
use crate::statistics::{StopTimes, histogram, tallest};

const BARS_MAX: usize = 20;
const HEIGHT: f64 = 90.0;
const BASE: f64 = 112.0;

/// Empty with fewer than two stop times.
pub(super) fn svg(times: &StopTimes, id: &str, title: &str) -> String {
    if times.times_ms.len() < 2 {
        return String::new();
    }
    let bars = histogram(&times.times_ms, BARS_MAX.min(times.times_ms.len()));
    let most = tallest(&bars);
    let mut canvas = Canvas::default();
    canvas.text("lane", (8.0, BASE - 4.0), Anchor::Start, "stop times");
    #[expect(clippy::cast_precision_loss, reason = "there are few bars")]
    let step = (RIGHT - LEFT) / bars.len() as f64;
    let mut x = LEFT;
    for bar in &bars {
        #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
        let height = bar.count as f64 / most as f64 * HEIGHT;
        if bar.count > 0 {
            canvas.open("bar", &format!("data-count=\"{}\"", bar.count));
            canvas.title(&format!("{} to {}", words::short(bar.from), words::short(bar.to)));
            canvas.rect("s", (x + 1.0, BASE - height), (step - 2.0, height));
            let place = (x + step / 2.0, BASE - height - 3.0);
            canvas.text("number", place, Anchor::Middle, &bar.count.to_string());
            canvas.close();
        }
        x += step;
    }
    canvas.line("axis", (LEFT, BASE), (RIGHT, BASE));
    let ends = bars.first().zip(bars.last());
    if let Some((first, last)) = ends {
        canvas.text("time", (LEFT, BASE + 15.0), Anchor::Start, &words::short(first.from));
        canvas.text("time", (RIGHT, BASE + 15.0), Anchor::End, &words::short(last.to));
    }
    picture(id, 132.0, title, &sentences(times).join(" "), &canvas.finish())
}
