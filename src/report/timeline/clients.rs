//! The lanes of clients: their attempts to connect, and the connections that they had open.

use super::super::clients::{Attempt, Connection, Met};
use super::super::words;
use super::canvas::{Anchor, Canvas};
use super::scale::Scale;

const ROW: f64 = 19.0;
const BAR: f64 = 13.0;
const GAP: f64 = 16.0;
const DOT: f64 = 6.0;

/// Draws both below `y`, and returns where the next lane begins.
pub(super) fn clients(canvas: &mut Canvas, scale: &Scale, all: (&[Connection], &[Attempt]), y: f64) -> f64 {
    let (held, probes) = all;
    let mut y = y;
    for one in held {
        connection(canvas, scale, one, y);
        y += ROW;
    }
    if !probes.is_empty() {
        canvas.text("lane", (8.0, y + 10.5), Anchor::Start, "probes");
        for one in probes {
            probe(canvas, scale, one, y);
        }
        y += ROW;
    }
    if held.is_empty() && probes.is_empty() { y } else { y + GAP }
}

fn connection(canvas: &mut Canvas, scale: &Scale, one: &Connection, y: f64) {
    let to_ms = one.to_ms.unwrap_or(scale.end_ms);
    let (from, to) = (scale.x(one.from_ms), scale.x(to_ms));
    canvas.open("connection", "");
    canvas.title(&format!("{}: {}, {}", one.name, words::offset(to_ms - scale.zero_ms), one.text));
    canvas.text("name", (8.0, y + 10.5), Anchor::Start, &one.name);
    canvas.rect("step", (from, y), ((to - from).max(1.5), BAR));
    let text = format!("{} {}", sign(one.result), one.text);
    canvas.label(&format!("end {}", class(one.result)), (to + 5.0, y + 10.5), Anchor::Start, &text);
    canvas.close();
}

/// Good and bad also differ in height, for readers who don't see the colours.
fn probe(canvas: &mut Canvas, scale: &Scale, one: &Attempt, y: f64) {
    let height = if one.result == Met::Bad { DOT * 2.0 } else { DOT };
    canvas.open("probe", "");
    canvas.title(&format!("{} {}", words::offset(one.at_ms - scale.zero_ms), one.text));
    let x = scale.x(one.at_ms) - DOT / 2.0;
    match one.result {
        Met::Away => canvas.line("away", (x, y + BAR), (x + DOT, y + BAR - DOT)),
        result => canvas.rect(class(result), (x, y + BAR - height), (DOT - 1.0, height)),
    }
    canvas.close();
}

const fn class(result: Met) -> &'static str {
    match result {
        Met::Good => "good",
        Met::Away => "away",
        Met::Bad => "bad",
    }
}

const fn sign(result: Met) -> char {
    match result {
        Met::Good | Met::Away => '●',
        Met::Bad => '✕',
    }
}
