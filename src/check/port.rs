//! A port for the server, so that jobs beside each other do not meet.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

/// Below those that the kernel gives to clients: one of them could have the port when the server starts again.
const FIRST: u16 = 20_000;
const COUNT: u64 = 12_000;
const TRIES: u64 = 1000;
/// What stands for the port in the command.
const PLACEHOLDER: &str = "{port}";

/// A port that the server is given.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) number: u16,
    /// As long as this is there, no other check takes the same.
    _reserved: Option<Arc<UnixDatagram>>,
}

impl Port {
    /// `auto`, `8080`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let remedy = || "use auto, or a number from 1 to 65535".to_owned();
        if text != "auto" {
            let number = text.parse().ok().filter(|number| *number > 0).ok_or_else(remedy)?;
            return Ok(Self { number, _reserved: None });
        }
        let random = RandomState::new();
        let offsets = (0..TRIES).filter_map(|at| u16::try_from(random.hash_one(at) % COUNT).ok());
        let found = offsets.map(|offset| FIRST + offset).find_map(Self::reserve);
        found.ok_or_else(|| "no port is free; give a number".to_owned())
    }

    /// It is free now, and not given to another check that has not used it yet. The name is one of the network
    /// namespace, as the port is, and goes with its process.
    fn reserve(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("winddown-check-port-{number}")).ok()?;
        let reserved = UnixDatagram::bind_addr(&name).ok()?;
        TcpListener::bind(("0.0.0.0", number)).ok()?;
        Some(Self { number, _reserved: Some(Arc::new(reserved)) })
    }

    /// The text with the port in its place.
    pub(super) fn fill_text(&self, text: &str) -> String {
        text.replace(PLACEHOLDER, &self.number.to_string())
    }

    /// The word, of any bytes, with the port in its place.
    pub(super) fn fill(&self, word: &OsString) -> OsString {
        let mut filled = Vec::new();
        let mut rest = word.as_bytes();
        while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|part| part == PLACEHOLDER.as_bytes()) {
            filled.extend_from_slice(&rest[..at]);
            filled.extend_from_slice(self.number.to_string().as_bytes());
            rest = &rest[at + PLACEHOLDER.len()..];
        }
        filled.extend_from_slice(rest);
        OsString::from_vec(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_put_in_each_place() {
        let port = Port::parse("80").expect("a port");
        assert_eq!(port.fill(&OsString::from("{port}:[::]:{port}x")), "80:[::]:80x");
        assert_eq!(port.fill(&OsString::from("{por")), "{por");
        assert_eq!(port.fill_text("http://:{port}/"), "http://:80/");
    }

    #[test]
    fn only_ports_are_taken() {
        assert_eq!(Port::parse("80").expect("a port").number, 80);
        assert!(Port::parse("auto").is_ok_and(|port| port.number >= FIRST));
        for text in ["", "0", "65536", "x"] {
            assert!(Port::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_port_is_given_twice() {
        let first = Port::parse("auto").expect("a port");
        assert!(Port::reserve(first.number).is_none(), "it is taken, though nobody listens yet");
        let number = first.number;
        drop(first);
        assert!(Port::reserve(number).is_some());
    }
}
