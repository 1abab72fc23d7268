//! What a code means, and what to do.

use crate::postmortem::causes::{CAUSES, Cause, find};

/// Wide enough to read, narrow enough for every terminal.
const WIDTH: usize = 78;

/// The explanation of a code, or of a name (`draining`); nothing if there is no such one.
pub(crate) fn explain(word: &str) -> Option<String> {
    let by_name = || CAUSES.iter().copied().find(|cause| cause.name.eq_ignore_ascii_case(word));
    find(word).or_else(by_name).map(told)
}

/// All codes, a line each.
pub(super) fn list() -> String {
    let line = |cause: &&Cause| format!("{} {:<15} {}\n", cause.code, cause.name, cause.title);
    CAUSES.iter().map(line).collect()
}

fn told(cause: &Cause) -> String {
    let head = format!("{} {}: {}", cause.code, cause.name, cause.title);
    format!("{head}\n\n{}\nTry: {}", filled(cause.explanation), filled(cause.remedy))
}

/// In lines that are not too long.
fn filled(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines + "\n"
}
