//! What may be left behind: `--allow port:9090,file:*.log,proc:agent`.

use crate::check::observed::Listener;

/// One thing that may be left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) enum Allowance {
    /// A TCP port.
    Port(u16),
    /// Files whose path, or whose name, matches.
    File(String),
    /// Processes with this name.
    Process(String),
}

impl Allowance {
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        let remedy = || "use port:9090, file:*.log or proc:NAME".to_owned();
        let (kind, what) = text.split_once(':').filter(|(_, what)| !what.is_empty()).ok_or_else(remedy)?;
        match kind {
            "port" => what.parse().map(Self::Port).map_err(|_| remedy()),
            "file" => Ok(Self::File(what.to_owned())),
            "proc" => Ok(Self::Process(what.to_owned())),
            _ => Err(remedy()),
        }
    }

    pub(in crate::check) fn covers_process(&self, name: &str) -> bool {
        matches!(self, Self::Process(allowed) if allowed == name)
    }

    pub(in crate::check) fn covers_listener(&self, listener: &Listener) -> bool {
        match self {
            Self::Port(port) => {
                listener.protocol == "tcp" && listener.address.rsplit(':').next() == Some(&port.to_string())
            }
            _ => false,
        }
    }

    pub(in crate::check) fn covers_file(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        matches!(self, Self::File(pattern) if matches_glob(pattern, path) || matches_glob(pattern, name))
    }
}

/// `*` stands for anything, `?` for one character.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let mut letters = text.chars();
    match first {
        '*' => {
            matches_glob(rest, text)
                || letters.next().is_some_and(|_| matches_glob(pattern, letters.as_str()))
        }
        '?' => letters.next().is_some_and(|_| matches_glob(rest, letters.as_str())),
        _ => letters.next() == Some(first) && matches_glob(rest, letters.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_paths_and_names() {
        let allows = |pattern: &str, path: &str| Allowance::File(pattern.to_owned()).covers_file(path);
        assert!(allows("*.sock", "/run/a.sock"));
        assert!(allows("/run/?.sock", "/run/a.sock"));
        assert!(!allows("*.sock", "/run/a.sock.lock"));
        assert!(!allows("a", "/run/ab"));
    }

    #[test]
    fn only_known_kinds_are_read() {
        assert_eq!(Allowance::parse("port:80"), Ok(Allowance::Port(80)));
        for text in ["", "port:", "port:x", "tcp:80", "a"] {
            assert!(Allowance::parse(text).is_err(), "{text}");
        }
    }
}
