//! How long the stops of several runs took: one bar for each stretch of time.

use super::super::several::StopTimes;
use super::super::words;
use super::canvas::{Anchor, Canvas};
use super::scale::{LEFT, RIGHT};
use crate::statistics::histogram;

const BARS: usize = 20;
const HEIGHT: f64 = 90.0;
const BASE: f64 = 112.0;

/// Nothing of less than two stop times.
pub(super) fn svg(times: &StopTimes) -> String {
    if times.ended_ms.len() < 2 {
        return String::new();
    }
    let bars = histogram(&times.ended_ms, BARS);
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(1).max(1);
    let mut canvas = Canvas::default();
    canvas.title("How long the stops took");
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
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1200 132\" role=\"img\">\n{}</svg>\n",
        canvas.finish()
    )
}
