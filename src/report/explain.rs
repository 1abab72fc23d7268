//! What the code of a cause means, and what to do about it.

use crate::postmortem::causes::{CAUSES, KnownCause, find};
use crate::text::wrapped;

/// Wide enough to read, narrow enough for every terminal.
const WIDTH: usize = 78;

/// The explanation of a code or a name (`draining`); `None` if it is unknown.
pub(crate) fn explain(word: &str) -> Option<String> {
    let by_name = || CAUSES.iter().copied().find(|cause| cause.name.eq_ignore_ascii_case(word));
    find(word).or_else(by_name).map(describe)
}

/// All codes.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    CAUSES.iter().map(|cause| cause.code)
}

/// All codes, a line each.
pub(super) fn list() -> String {
    let line = |cause: &&KnownCause| format!("{} {:<15} {}\n", cause.code, cause.name, cause.title);
    CAUSES.iter().map(line).collect()
}

fn describe(cause: &KnownCause) -> String {
    let head = format!("{} {}: {}", cause.code, cause.name, cause.title);
    let remedy = format!("Try: {}", cause.remedy);
    format!("{head}\n\n{}\n{}", filled(cause.explanation), filled(&remedy))
}

/// Wraps the text at [`WIDTH`].
pub(crate) fn filled(text: &str) -> String {
    wrapped(text, WIDTH).join("\n") + "\n"
}
