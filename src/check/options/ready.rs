//! When a server counts as ready: the words of `--ready`.

use std::path::PathBuf;

use regex_lite::Regex;

use crate::check::clients::probe::{Place, Url, tcp_place};

/// One condition.
#[derive(Clone, Debug)]
pub(in crate::check) enum Ready {
    /// A socket of its processes accepts connections, or it sends READY=1.
    Auto,
    /// It sends READY=1.
    Notify,
    /// A connection is accepted.
    Connect(Place),
    /// An answer from 200 to 399.
    Http(Url),
    /// A line of output matches.
    Log(Regex),
    /// A file exists.
    File(PathBuf),
    /// A command succeeds.
    Command(String),
}

impl Ready {
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        const REMEDY: &str = "use auto, notify, tcp:[HOST:]PORT, http[s]://HOST:PORT/PATH, unix:PATH, log:REGEX, file:PATH or cmd:COMMAND";
        if text.starts_with("http://") || text.starts_with("https://") {
            return Url::parse(text).map(Self::Http);
        }
        match text.split_once(':').filter(|(_, rest)| !rest.is_empty()) {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "notify" => Ok(Self::Notify),
            Some(("tcp", place)) => {
                tcp_place(place, None).map(Self::Connect).ok_or_else(|| REMEDY.to_owned())
            }
            Some(("unix", path)) => Ok(Self::Connect(Place::Unix(path.to_owned()))),
            Some(("log", pattern)) => {
                let known = Regex::new(pattern);
                known
                    .map(Self::Log)
                    .map_err(|_| "that is not a regular expression; try e.g. log:listening".to_owned())
            }
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("cmd", command)) => Ok(Self::Command(command.to_owned())),
            _ => Err(REMEDY.to_owned()),
        }
    }

    pub(in crate::check) fn asks_for(&self) -> String {
        match self {
            Self::Auto => "a socket that accepts, or READY=1".to_owned(),
            Self::Notify => "READY=1".to_owned(),
            Self::Connect(Place::Tcp(host, port)) => format!("tcp:{host}:{port}"),
            Self::Connect(Place::Unix(path)) => format!("unix:{path}"),
            Self::Http(url) => format!("an answer at {}", url.path),
            Self::Log(pattern) => format!("a line that matches {pattern}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command(command) => format!("success of {command}"),
        }
    }
}
