//! A port for the server, so that jobs beside each other do not meet.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Below those that the kernel gives to clients: one of them could have the port when the server starts again.
const FIRST: u16 = 20_000;
const COUNT: u64 = 12_000;
const TRIES: u64 = 1000;
/// What stands for the port in the command.
const PLACEHOLDER: &[u8] = b"{port}";

/// `auto`, `8080`.
pub(super) fn parse(text: &str) -> Result<u16, String> {
    let remedy = || "use auto, or a number from 1 to 65535".to_owned();
    if text != "auto" {
        return text.parse().ok().filter(|port| *port > 0).ok_or_else(remedy);
    }
    let is_free = |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok();
    let random = RandomState::new();
    let mut ports = (0..TRIES).filter_map(|at| u16::try_from(random.hash_one(at) % COUNT).ok());
    let found = ports.find_map(|offset| Some(FIRST + offset).filter(is_free));
    found.ok_or_else(|| "no port is free; give a number".to_owned())
}

/// The word with the port in its place.
pub(super) fn fill(word: &OsString, port: u16) -> OsString {
    let mut filled = Vec::new();
    let mut rest = word.as_bytes();
    while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|part| part == PLACEHOLDER) {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(port.to_string().as_bytes());
        rest = &rest[at + PLACEHOLDER.len()..];
    }
    filled.extend_from_slice(rest);
    OsString::from_vec(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_put_in_each_place() {
        assert_eq!(fill(&OsString::from("{port}:[::]:{port}x"), 80), "80:[::]:80x");
        assert_eq!(fill(&OsString::from("{por"), 80), "{por");
    }

    #[test]
    fn only_ports_are_taken() {
        assert_eq!(parse("80"), Ok(80));
        assert!(parse("auto").is_ok_and(|port| port >= FIRST));
        for text in ["", "0", "65536", "x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
