//! Colours, where they are wanted.

/// Colours a word, or leaves it alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    /// stdout is a terminal that shows colours, and nobody asked for none.
    pub(super) is_on: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What to look at first.
    pub(super) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What is not so important.
    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// The outcome: green, yellow or red.
    pub(super) fn outcome(self, outcome: &str, text: &str) -> String {
        let code = match outcome {
            "completed" | "stopped" => "32",
            "failed" | "crashed" => "33",
            _ => "31",
        };
        self.with(code, text)
    }
}
