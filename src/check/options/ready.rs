//! When a server counts as ready: the words of `--ready`, with those that only check has.

use regex_lite::Regex;

use crate::ready::condition::{Condition, FORMS};

/// One condition.
#[derive(Clone, Debug)]
pub(in crate::check) enum Ready {
    /// One that the main job has, too.
    Seen(Condition),
    /// A line of output matches.
    Log(Regex),
}

impl Ready {
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        let others = || format!("use {FORMS}, log:REGEX, file:PATH or cmd:COMMAND");
        match text.split_once(':') {
            Some(("log", "")) => Err(others()),
            Some(("log", pattern)) => {
                let known = Regex::new(pattern);
                known
                    .map(Self::Log)
                    .map_err(|_| "that is not a regular expression; try e.g. log:listening".to_owned())
            }
            _ => Condition::parse(text)
                .map(Self::Seen)
                .map_err(|remedy| if remedy.starts_with("use auto") { others() } else { remedy }),
        }
    }

    pub(in crate::check) fn asks_for(&self) -> String {
        match self {
            Self::Seen(condition) => condition.asks_for(),
            Self::Log(pattern) => format!("a line that matches {pattern}"),
        }
    }

    /// The condition, if it is one that the main job has, too.
    pub(in crate::check) const fn seen(&self) -> Option<&Condition> {
        if let Self::Seen(condition) = self { Some(condition) } else { None }
    }
}
