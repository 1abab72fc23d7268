//! What the signs and colours mean: once a page, and only of what is in its pictures.

use super::bars::{Bar, BarEnd};
use super::picture::Picture;

const SIGNALS: &str = "Signals: ▼ received, ▲ sent, ✕ SIGKILL; ½ half of the limit, ◆ its end.";
const STATES: &str = "States of a process, from one snapshot to the next: <span><b class=\"r\">R</b> runs</span> <span><b class=\"s\">S</b> sleeps</span> \
    <span><b class=\"d\">D</b> waits in the kernel</span> <span><b class=\"t\">T</b> stopped</span> <span><b class=\"z\">Z</b> dead</span> <span><b class=\"unseen\">\u{a0}</b> not seen</span>.";
const ENDS: &str = "Ends: ● exited with 0, ◆ another end, ✕ killed, → outlived SIGKILL.";
const UNKNOWN: &str =
    "<b class=\"hatched\">\u{a0}</b> its end was not seen: it ended at some moment of this time.";
const PROBES: &str = "Probes: low bar, answered; stroke, refused; high bar, cut off or not answered.";

/// Nothing of a page without a picture.
pub(super) fn legend<'a>(pictures: impl Iterator<Item = &'a Picture>, has_stop: bool) -> String {
    let pictures: Vec<&Picture> = pictures.collect();
    if pictures.is_empty() {
        return String::new();
    }
    let any = |has: &dyn Fn(&Picture) -> bool| pictures.iter().any(|picture| has(picture));
    let any_bar = |has: &dyn Fn(&Bar) -> bool| any(&|picture| picture.bars.iter().any(has));
    let zero = if has_stop {
        "Times are from the stop request, or from the start where there was none. What was before it is pressed together if it was long."
    } else {
        "Times are from the start."
    };
    let lines = [
        (true, zero),
        (any(&|picture| !picture.marks.is_empty()), SIGNALS),
        (any_bar(&|bar| !bar.states.is_empty()), STATES),
        (any_bar(&|bar| bar.end != BarEnd::Unknown), ENDS),
        (any_bar(&|bar| bar.end == BarEnd::Unknown), UNKNOWN),
        (any(&|picture| !picture.probes.is_empty()), PROBES),
    ];
    let items =
        lines.into_iter().filter(|(is_there, _)| *is_there).map(|(_, line)| format!("<li>{line}</li>\n"));
    format!(
        "<section class=\"legend\" aria-labelledby=\"legend\">\n<h2 id=\"legend\">How to read the pictures</h2>\n<ul>\n{}</ul>\n</section>\n",
        items.collect::<String>()
    )
}
