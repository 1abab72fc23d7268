//! The pieces of a picture, as SVG, and text that is safe inside it.

use std::fmt::Write as _;

/// How wide a picture is, in pixels.
pub(super) const WIDTH: f64 = 1200.0;

/// Escapes text for a page: any process can choose its name.
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

/// An SVG being written.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
}

/// Where a text stands relative to its position.
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
        // Writing to a String does not fail.
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

    /// The tooltip of the group.
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

    /// A text over an empty plate: no line runs through it that was drawn before.
    pub(super) fn label(&mut self, class: &str, place: (f64, f64), anchor: Anchor, text: &str) {
        let (x, y) = place;
        let length = width(text) + 4.0;
        let left = match anchor {
            Anchor::Start => x - 2.0,
            Anchor::Middle => x - length / 2.0,
            Anchor::End => x - length + 2.0,
        };
        self.rect("plate", (left, y - 10.5), (length, 13.0));
        self.text(class, place, anchor, text);
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

/// An `svg` element of this height with its two alternatives in words: what it is, and what it shows.
pub(super) fn picture(id: &str, height: f64, title: &str, description: &str, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-desc\">\n<title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n{body}</svg>\n",
        escaped(title),
        escaped(description)
    )
}

/// The greatest width that a text can have, at the size of labels.
#[expect(clippy::cast_precision_loss, reason = "texts are short")]
pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.7
}

/// Cuts a text that is too long, and marks the cut.
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
