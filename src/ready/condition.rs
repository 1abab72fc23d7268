//! The words of `--ready`.

use std::path::PathBuf;

#[cfg(feature = "check")]
use super::http::Url;
use super::place::{Place, tcp_place};

/// The forms that take a value.
#[cfg(feature = "check")]
pub(crate) const FORMS: &str = "auto, notify, tcp:[HOST:]PORT, http[s]://HOST:PORT/PATH, unix:PATH";
#[cfg(not(feature = "check"))]
const FORMS: &str = "auto, notify, tcp:[ADDRESS:]PORT, unix:PATH";

/// One condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Condition {
    /// A socket of its processes accepts connections, or it sends READY=1.
    Auto,
    /// It sends READY=1.
    Notify,
    /// A connection is accepted.
    Connect(Place),
    /// An answer from 200 to 399.
    #[cfg(feature = "check")]
    Http(Url),
    /// A file exists.
    File(PathBuf),
    /// A command succeeds.
    Command(String),
}

impl Condition {
    /// Reads one; an error is the remedy.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let remedy = || format!("use {FORMS}, file:PATH or cmd:COMMAND");
        if text.starts_with("http://") || text.starts_with("https://") {
            return http(text);
        }
        match text.split_once(':').filter(|(_, rest)| !rest.is_empty()) {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "notify" => Ok(Self::Notify),
            Some(("tcp", place)) => {
                tcp_place(place, None).filter(is_reachable).map(Self::Connect).ok_or_else(remedy)
            }
            Some(("unix", path)) => Ok(Self::Connect(Place::Unix(path.to_owned()))),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("cmd", command)) => Ok(Self::Command(command.to_owned())),
            Some(("log", _)) => Err(format!(
                "log: is for winddown check, since COMMAND's output is not winddown's to read; {}",
                remedy()
            )),
            _ => Err(remedy()),
        }
    }

    /// What is missing while it does not hold.
    pub(crate) fn asks_for(&self) -> String {
        match self {
            Self::Auto => "a socket that accepts, or READY=1".to_owned(),
            Self::Notify => "READY=1".to_owned(),
            Self::Connect(place @ Place::Tcp(..)) => format!("tcp:{}", place.host()),
            Self::Connect(Place::Unix(path)) => format!("unix:{path}"),
            #[cfg(feature = "check")]
            Self::Http(url) => format!("an answer at {}", url.path),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command(command) => format!("success of {command}"),
        }
    }
}

#[cfg(feature = "check")]
fn http(text: &str) -> Result<Condition, String> {
    Url::parse(text).map(Condition::Http)
}

#[cfg(not(feature = "check"))]
fn http(_: &str) -> Result<Condition, String> {
    Err("http:// is not part of this build of winddown; use tcp:PORT, or cmd: with curl or wget".to_owned())
}

/// Without a resolver, only an address or localhost.
fn is_reachable(place: &Place) -> bool {
    let Place::Tcp(host, _) = place else { return true };
    cfg!(feature = "check") || host == "localhost" || host.parse::<std::net::IpAddr>().is_ok()
}
