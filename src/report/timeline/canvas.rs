//! The pieces of a picture, as SVG, and text that is safe inside of it.

use std::fmt::Write as _;

/// Text as it may stand in a page: names of processes are anybody's.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            '\n' | '\t' => safe.push(' '),
            other if other.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// SVG under way.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
}

/// Where a text is in relation to its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    pub(super) fn finish(self) -> String {
        self.body
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Nothing can go wrong with a String.
        let _ = self.body.write_fmt(arguments);
        self.body.push('\n');
    }

    /// Opens a group; `attributes` must be safe.
    pub(super) fn open(&mut self, class: &str, attributes: &str) {
        self.put(format_args!("<g class=\"{class}\" {attributes}>"));
    }

    pub(super) fn close(&mut self) {
        self.put(format_args!("</g>"));
    }

    /// What is shown when the pointer rests on the group.
    pub(super) fn title(&mut self, text: &str) {
        self.put(format_args!("<title>{}</title>", escaped(text)));
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    pub(super) fn rect(&mut self, class: &str, place: (f64, f64), size: (f64, f64)) {
        let ((x, y), (width, height)) = (place, size);
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    pub(super) fn path(&mut self, class: &str, points: &str) {
        self.put(format_args!("<path class=\"{class}\" d=\"{points}\"/>"));
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escaped(text)
        ));
    }
}

/// How wide a text is at most, at the size of labels.
#[expect(clippy::cast_precision_loss, reason = "texts are short")]
pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.7
}

/// Text that is too long for its place, with a sign that there was more.
pub(super) fn cut(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    text.chars().take(characters_max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("<script a='\"'>&"), "&lt;script a=&#39;&quot;&#39;&gt;&amp;");
        assert_eq!(escaped("\u{0}\u{1b}\u{ffff}a\nb"), "\u{fffd}\u{fffd}\u{fffd}a b");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!((cut("worker", 6), cut("workers", 6)), ("worker".to_owned(), "worke…".to_owned()));
    }
}
