//! Parts of what people read: durations, counts, untrusted text, colours.

use std::borrow::Cow;
use std::time::Duration;

/// `250ms`, `16.8s`, `2m 5s`: as precise as a person who waits cares about.
pub(crate) fn short(duration: Duration) -> String {
    let milliseconds = duration.saturating_add(Duration::from_micros(500)).as_millis();
    if milliseconds < 1000 {
        return format!("{milliseconds}ms");
    }
    if duration.as_secs() >= 60 {
        return in_full(Duration::from_secs(duration.as_secs()));
    }
    let tenths = milliseconds / 100;
    if tenths.is_multiple_of(10) {
        format!("{}s", tenths / 10)
    } else {
        format!("{}.{}s", tenths / 10, tenths % 10)
    }
}

/// `2m 5s 250ms`: as the user gave it, or where the exact value matters.
pub(crate) fn in_full(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Two durations that differ: briefly, or exactly where they would look the same.
#[cfg(feature = "check")]
pub(crate) fn apart(one: Duration, other: Duration) -> [String; 2] {
    let brief = [one, other].map(short);
    if brief[0] == brief[1] { [one, other].map(in_full) } else { brief }
}

/// Milliseconds with three decimals: the kernel's clock has more, but nothing else is that exact.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for runs of up to 285 years")]
    let microseconds = duration.as_micros() as f64;
    // A single division rounds once: 1.402, never 1.4020000000000001.
    microseconds / 1000.0
}

/// `1 straggler`, `3 stragglers`.
pub(crate) fn counted(count: usize, noun: &str, plural: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}{plural}") }
}

/// `server (pid 4711)`; `pid 4711` if the name is not known.
pub(crate) fn named(pid: i32, name: &str) -> String {
    if name.is_empty() { format!("pid {pid}") } else { format!("{name} (pid {pid})") }
}

/// `server (pid 4711), worker (pid 4720) and 3 more`.
pub(crate) fn and_more(named: &[String], more: usize) -> String {
    let named = named.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// ` (and 2 other processes)`; empty if there are none.
pub(crate) fn and_others(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (and {})", counted(count, "other process", "es")) }
}

/// Escapes control characters: the name of a command, file or process must neither break the line nor control the
/// terminal.
pub(crate) fn printable(text: &str) -> String {
    escaped(text, |character| character.escape_default().to_string()).into_owned()
}

/// Escapes what JSON leaves as it is, and terminals act upon: DEL and the C1 control characters. Outside of strings
/// JSON has none.
pub(crate) fn printable_json(json: String) -> String {
    if let Cow::Owned(escaped) = escaped(&json, |character| format!("\\u{:04x}", u32::from(character))) {
        return escaped;
    }
    json
}

/// The text with an escape for each control character; the same text if it has none.
fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.push_str(&escape(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// The text in lines of so many columns at most, broken between words. A word that is longer has a line of its own.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > columns {
            lines.push(String::new());
            width = 0;
        }
        let Some(line) = lines.last_mut() else { continue };
        if width > 0 {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    lines
}

/// Colours text, or leaves it alone.
#[cfg(feature = "report")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    /// stdout is a terminal that shows colours, and the user has not turned them off.
    pub(crate) is_on: bool,
}

#[cfg(feature = "report")]
impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Text to read first.
    pub(crate) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Less important text.
    pub(crate) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// An outcome: green, yellow or red.
    pub(crate) fn outcome(self, outcome: &str, text: &str) -> String {
        let code = match outcome {
            "completed" | "stopped" => "32",
            "failed" | "crashed" => "33",
            _ => "31",
        };
        self.with(code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_people_care() {
        for (milliseconds, text) in
            [(0, "0ms"), (250, "250ms"), (1000, "1s"), (16_849, "16.8s"), (30_000, "30s"), (90_500, "1m 30s")]
        {
            assert_eq!(short(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 6), ["one", "two", "three"]);
        assert_eq!(wrapped("a-long-word and", 4), ["a-long-word", "and"]);
        assert_eq!(wrapped("äöü äöü", 7), ["äöü äöü"]);
        assert_eq!(wrapped(" ", 7), [""]);
    }

    #[test]
    fn times_have_three_digits_at_most() {
        for (microseconds, text) in
            [(0, "0.0"), (1402, "1.402"), (16_820, "16.82"), (2001, "2.001"), (1_234_567_891, "1234567.891")]
        {
            assert_eq!(
                serde_json::json!(milliseconds(Duration::from_micros(microseconds))).to_string(),
                text
            );
        }
    }

    #[test]
    fn names_can_neither_break_a_line_nor_command_the_terminal() {
        assert_eq!(printable("a\nb\x1b[2Jc"), "a\\nb\\u{1b}[2Jc");
        assert_eq!(printable("plain 'text', ünd ∞"), "plain 'text', ünd ∞");
    }

    #[test]
    fn json_controls_no_terminal() {
        let json = serde_json::to_string("a\u{7f}\u{9b}2Jb\n").expect("a string");
        assert_eq!(printable_json(json), r#""a\u007f\u009b2Jb\n""#);
    }
}
