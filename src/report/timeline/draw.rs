//! Draws a picture, lane by lane.

use super::super::words;
use super::bars::{Bar, BarEnd};
use super::canvas::{Anchor, Canvas, WIDTH, cut, width};
use super::clients::clients;
use super::curves::Curve;
use super::marks::{Mark, MarkKind};
use super::picture::Picture;
use super::scale::{LEFT, RIGHT};
use super::tries::tries;

const TOP: f64 = 22.0;
const LABEL_ROW: f64 = 17.0;
const LABEL_ROWS_MAX: usize = 8;
const BAR_ROW: f64 = 19.0;
const BAR: f64 = 13.0;
/// Of a text beside a bar, so that both have one middle.
const BASELINE: f64 = 10.5;
const CURVE_ROW: f64 = 34.0;
const GAP: f64 = 16.0;
/// Where the names of lanes and processes begin.
const NAME_LEFT: f64 = 8.0;
/// How many characters have room beside a lane.
const NAME_MAX: usize = 26;

/// The table of the log has the whole line.
const TITLE_MAX: usize = 120;

/// The whole picture as an `svg` element. Lines and grid come first: what has words lies over them.
pub(super) fn svg(picture: &Picture, id: &str, title: &str, description: &str) -> String {
    let mut lanes = Canvas::default();
    let rows = label_rows(picture);
    let mut y = signals(&mut lanes, picture, &rows);
    y = tries(&mut lanes, &picture.scale, &picture.tries, y);
    y = stages(&mut lanes, picture, y);
    y = processes(&mut lanes, picture, y);
    y = clients(&mut lanes, &picture.scale, (&picture.connections, &picture.probes), y);
    y = curves(&mut lanes, picture, y);
    y = log(&mut lanes, picture, y);
    let mut back = Canvas::default();
    axis(&mut back, picture, y);
    lines(&mut back, picture, &rows, y);
    super::canvas::picture(id, y + 26.0, title, description, &(back.finish() + &lanes.finish()))
}

fn lane_name(canvas: &mut Canvas, y: f64, name: &str) {
    canvas.text("lane", (NAME_LEFT, y), Anchor::Start, name);
}

/// For each mark the row of its label, and whether the label stands left of its line; `None` if there is no room.
/// Marks of the stop choose first.
fn label_rows(picture: &Picture) -> Vec<Option<(usize, bool)>> {
    let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut place = |mark: &Mark| {
        let x = picture.scale.x(mark.at_ms);
        let length = width(&label(mark)) + 10.0;
        let is_left = x + length > WIDTH;
        let span = if is_left { (x - length, x) } else { (x, x + length) };
        let is_free = |row: &Vec<(f64, f64)>| row.iter().all(|(from, to)| span.1 <= *from || span.0 >= *to);
        let row = taken.iter().position(is_free).unwrap_or(taken.len());
        if row >= LABEL_ROWS_MAX {
            return None;
        }
        if row == taken.len() {
            taken.push(Vec::new());
        }
        taken[row].push(span);
        Some((row, is_left))
    };
    let mut rows = vec![None; picture.marks.len()];
    for is_of_stop in [true, false] {
        for (row, mark) in
            rows.iter_mut().zip(&picture.marks).filter(|(_, mark)| mark.is_of_stop == is_of_stop)
        {
            *row = place(mark);
        }
    }
    rows
}

fn label(mark: &Mark) -> String {
    let sign = match mark.kind {
        MarkKind::Received => "▼ ",
        MarkKind::Sent => "▲ ",
        MarkKind::Kill => "✕ ",
        MarkKind::Half => "½ ",
        MarkKind::Limit => "◆ ",
    };
    cut(&format!("{sign}{}", mark.text), 60)
}

const fn class(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Received => "received",
        MarkKind::Sent => "sent",
        MarkKind::Kill => "kill",
        MarkKind::Half => "half",
        MarkKind::Limit => "limit",
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are few rows")]
fn row_y(row: usize) -> f64 {
    (row as f64).mul_add(LABEL_ROW, TOP)
}

fn signals(canvas: &mut Canvas, picture: &Picture, rows: &[Option<(usize, bool)>]) -> f64 {
    lane_name(canvas, TOP, "signals, limit");
    for (mark, row) in picture.marks.iter().zip(rows) {
        let Some((row, is_left)) = row else { continue };
        let x = picture.scale.x(mark.at_ms);
        let (x, anchor) = if *is_left { (x - 4.0, Anchor::End) } else { (x + 4.0, Anchor::Start) };
        canvas.label(&format!("label {}", class(mark.kind)), (x, row_y(*row)), anchor, &label(mark));
    }
    let far_limit = picture
        .far_limit_ms
        .map(|at_ms| format!("(limit {}: later)", words::short(at_ms - picture.scale.zero_ms)));
    let left_out = Some(picture.marks_left_out).filter(|count| *count > 0);
    let notes = far_limit.into_iter().chain(left_out.map(|count| format!("(and {count} more signals)")));
    let mut used = rows.iter().flatten().map(|(row, _)| row + 1).max().unwrap_or(1);
    for (index, note) in notes.enumerate() {
        canvas.text("faint", (NAME_LEFT, row_y(index + 1)), Anchor::Start, &note);
        used = used.max(index + 2);
    }
    row_y(used) + GAP / 2.0
}

/// The lines of the marks, through all lanes.
fn lines(canvas: &mut Canvas, picture: &Picture, rows: &[Option<(usize, bool)>], bottom: f64) {
    for (mark, row) in picture.marks.iter().zip(rows) {
        let x = picture.scale.x(mark.at_ms);
        let top = row_y(row.map_or(LABEL_ROWS_MAX, |(row, _)| row)) - 10.0;
        let attributes = format!("data-at-ms=\"{}\"", mark.at_ms);
        canvas.open(if mark.is_of_stop { "mark" } else { "mark minor" }, &attributes);
        canvas.title(&format!("{} {}", words::offset(mark.at_ms - picture.scale.zero_ms), mark.text));
        canvas.line(class(mark.kind), (x, top), (x, bottom));
        canvas.close();
    }
}

fn axis(canvas: &mut Canvas, picture: &Picture, y: f64) {
    let scale = &picture.scale;
    if scale.zero_ms > 0.0 {
        let x = scale.x(scale.zero_ms);
        canvas.rect("before", (LEFT, TOP - 14.0), (x - LEFT, y - TOP + 14.0));
        if scale.is_pressed() {
            canvas.text("time", (LEFT, y + 17.0), Anchor::Start, &words::offset(-scale.zero_ms));
            canvas.path("break", &format!("M{0:.1} {1:.1}l5 -10m3 0l-5 10", f64::midpoint(LEFT, x), y + 5.0));
        }
    }
    canvas.line("axis", (LEFT, y), (RIGHT, y));
    for at_ms in scale.ticks() {
        let x = scale.x(at_ms);
        canvas.line("tick", (x, TOP - 8.0), (x, y + 4.0));
        canvas.text("time", (x, y + 17.0), Anchor::Middle, &words::offset(at_ms - scale.zero_ms));
    }
}

fn stages(canvas: &mut Canvas, picture: &Picture, y: f64) -> f64 {
    let mut y = y;
    for (index, stage) in picture.stages.iter().enumerate() {
        if index == 0 {
            lane_name(canvas, y + BASELINE, "plan");
        }
        let (from, to) = (picture.scale.x(stage.from_ms), picture.scale.x(stage.to_ms));
        canvas.open("stage", "");
        canvas.title(&stage.text);
        canvas.rect("step", (from, y), ((to - from).max(2.0), BAR));
        beside(canvas, "over", (from, to), y, &cut(&stage.text, 90));
        canvas.close();
        y += BAR_ROW;
    }
    if picture.stages.is_empty() { y } else { y + GAP }
}

/// In the bar if there is room, else behind it, else before it.
fn beside(canvas: &mut Canvas, class: &str, (from, to): (f64, f64), y: f64, text: &str) {
    let length = width(text) + 8.0;
    let y = y + BASELINE;
    if to - from >= length {
        canvas.text(class, (from + 4.0, y), Anchor::Start, text);
    } else if to + length <= WIDTH {
        canvas.label(class, (to + 5.0, y), Anchor::Start, text);
    } else {
        canvas.label(class, (from - 5.0, y), Anchor::End, text);
    }
}

fn processes(canvas: &mut Canvas, picture: &Picture, y: f64) -> f64 {
    let mut y = y;
    for bar in &picture.bars {
        process(canvas, picture, bar, y);
        y += BAR_ROW;
    }
    if picture.bars_left_out > 0 {
        let text = format!("and {} more processes", picture.bars_left_out);
        canvas.label("faint", (LEFT, y + BASELINE), Anchor::Start, &text);
        y += BAR_ROW;
    }
    y + GAP
}

fn process(canvas: &mut Canvas, picture: &Picture, bar: &Bar, y: f64) {
    let scale = &picture.scale;
    let (from, to) = (scale.x(bar.from_ms), scale.x(bar.to_ms));
    let name = cut(bar.name.as_deref().unwrap_or("?"), NAME_MAX.saturating_sub(9));
    canvas.open("process", &format!("data-pid=\"{}\"", bar.pid));
    let how = bar.end.text();
    let until = words::offset(bar.to_ms - scale.zero_ms);
    canvas.title(&format!(
        "{}: {} to {until}, {how}",
        words::named(bar.pid, bar.name.as_deref()),
        words::offset(bar.from_ms - scale.zero_ms)
    ));
    canvas.text("name", (NAME_LEFT, y + BASELINE), Anchor::Start, &format!("{name} {}", bar.pid));
    canvas.rect("unseen", (from, y), ((to - from).max(1.5), BAR));
    for (index, (at_ms, state)) in bar.states.iter().enumerate() {
        let until_ms = bar.states.get(index + 1).map_or(bar.to_ms, |(next_ms, _)| *next_ms);
        let (start, width) = (scale.x(*at_ms), scale.x(until_ms) - scale.x(*at_ms));
        canvas.rect(state_class(*state), (start, y), (width.max(1.0), BAR));
        let is_new = index == 0 || bar.states[index - 1].1 != *state;
        if width > 12.0 && is_new {
            canvas.text("state", (start + 3.0, y + BASELINE), Anchor::Start, &state.to_string());
        }
    }
    let gone_by = bar.gone_by_ms.map(|at_ms| hatched(canvas, (to, scale.x(at_ms)), y));
    end(canvas, bar, (gone_by.unwrap_or(to), y));
    canvas.close();
}

/// Between the last that was seen of a process and the moment at which it was gone; returns where that is.
fn hatched(canvas: &mut Canvas, (from, to): (f64, f64), y: f64) -> f64 {
    const PITCH: f64 = 5.0;
    let to = to.max(from + PITCH * 2.0);
    let starts = std::iter::successors(Some(from), |x| Some(x + PITCH)).take_while(|x| x + PITCH <= to);
    let strokes = starts.map(|x| format!("M{x:.1} {:.1}L{:.1} {y:.1}", y + BAR, x + PITCH));
    canvas.rect("hatched", (from, y), (to - from, BAR));
    canvas.path("hatch", &strokes.collect::<String>());
    to
}

const fn state_class(state: char) -> &'static str {
    match state {
        'R' => "r",
        'S' | 'I' => "s",
        'D' => "d",
        'T' | 't' => "t",
        'Z' | 'X' => "z",
        _ => "unseen",
    }
}

/// A symbol and the words for how the process ended.
fn end(canvas: &mut Canvas, bar: &Bar, (x, y): (f64, f64)) {
    let (sign, class) = match &bar.end {
        BarEnd::Ended(exit) if exit.code == Some(0) => ("●", "good"),
        BarEnd::Ended(_) => ("◆", "fair"),
        BarEnd::Killed => ("✕", "bad"),
        BarEnd::Survived => ("→", "bad"),
        BarEnd::Unknown => ("", "faint"),
    };
    let text = format!("{sign} {}", bar.end.text());
    canvas.label(&format!("end {class}"), (x + 5.0, y + BASELINE), Anchor::Start, text.trim_start());
}

fn curves(canvas: &mut Canvas, picture: &Picture, y: f64) -> f64 {
    let mut y = y;
    for one in &picture.curves {
        curve(canvas, picture, one, y);
        y += CURVE_ROW;
    }
    if picture.curves.is_empty() { y } else { y + GAP / 2.0 }
}

/// A step curve: between two looks nothing is known, so each value holds until the next look.
fn curve(canvas: &mut Canvas, picture: &Picture, one: &Curve, y: f64) {
    const HEIGHT: f64 = 16.0;
    let base = y + 12.0 + HEIGHT;
    let most = one.points.iter().map(|(_, value)| *value).max().unwrap_or(1).max(1);
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let height = |value: u64| value as f64 / most as f64 * HEIGHT;
    canvas.open("figure", "");
    lane_name(canvas, base - 1.0, one.name);
    canvas.line("base", (LEFT, base), (RIGHT, base));
    let mut path = String::new();
    let mut last_label = f64::MIN;
    let mut labels = Vec::new();
    for (index, (at_ms, value)) in one.points.iter().enumerate() {
        let (x, top) = (picture.scale.x(*at_ms), base - height(*value));
        let step = if index == 0 { format!("M{x:.1} {top:.1}") } else { format!("H{x:.1}V{top:.1}") };
        path.push_str(&step);
        let is_new = index == 0 || one.points[index - 1].1 != *value;
        let text = value.to_string();
        if is_new && x - last_label > 8.0 {
            last_label = x + width(&text);
            labels.push((x, top, text));
        }
    }
    for (x, top, text) in labels {
        canvas.label("number", (x + 4.0, top - 2.5), Anchor::Start, &text);
    }
    canvas.path("curve", &path);
    for (at_ms, value) in &one.points {
        let (x, top) = (picture.scale.x(*at_ms), base - height(*value));
        canvas.rect("point", (x - 1.5, top - 1.5), (3.0, 3.0));
    }
    canvas.close();
}

fn log(canvas: &mut Canvas, picture: &Picture, y: f64) -> f64 {
    if picture.ticks.is_empty() {
        return y;
    }
    lane_name(canvas, y + 12.0, "log");
    for (at_ms, level, message) in &picture.ticks {
        let x = picture.scale.x(*at_ms);
        let class = if level == "error" { "line error" } else { "line" };
        canvas.open("entry", "");
        let offset = words::offset(at_ms - picture.scale.zero_ms);
        canvas.title(&format!("{offset} {}", cut(message, TITLE_MAX)));
        canvas.line(class, (x, y + 2.0), (x, y + 15.0));
        canvas.close();
    }
    y + BAR_ROW
}
