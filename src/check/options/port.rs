//! A port for the server, so that jobs on one machine don't collide.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

/// Below the kernel's ports for clients: a client could have the port when the server starts again.
const FIRST: u16 = 20_000;
const COUNT: u64 = 12_000;
const TRIES: u64 = 1000;
/// Stands for the port in the command.
const PLACEHOLDER: &str = "{port}";

/// The value of `--port`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum PortChoice {
    /// Any free port.
    Any,
    /// This one.
    Number(u16),
}

impl PortChoice {
    /// `auto`, `8080`.
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Any);
        }
        let number = text.parse().ok().filter(|number| *number > 0).map(Self::Number);
        number.ok_or_else(|| "use auto, or a number from 1 to 65535".to_owned())
    }

    /// Returns the port; `None` if none is free.
    pub(in crate::check) fn port(self) -> Option<Port> {
        if let Self::Number(number) = self {
            return Some(Port { number, reserved: None });
        }
        let random = RandomState::new();
        let offsets = (0..TRIES).filter_map(|at| u16::try_from(random.hash_one(at) % COUNT).ok());
        offsets.map(|offset| FIRST + offset).find_map(Port::reserve)
    }
}

/// The port for the server.
#[derive(Clone, Debug)]
pub(in crate::check) struct Port {
    pub(in crate::check) number: u16,
    /// While this exists, no other check takes the same port.
    reserved: Option<Arc<UnixDatagram>>,
}

impl Port {
    /// Reserves a port that is free now, and that no other check has reserved without using it yet. The
    /// socket's name belongs to the network namespace, like the port, and disappears with its process.
    fn reserve(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("winddown-check-port-{number}")).ok()?;
        let reserved = UnixDatagram::bind_addr(&name).ok()?;
        TcpListener::bind(("0.0.0.0", number)).ok()?;
        // A server may listen on IPv4, and another process on IPv6. Not every machine has IPv6.
        let is_taken = |error: io::Error| error.kind() == io::ErrorKind::AddrInUse;
        if TcpListener::bind(("::", number)).is_err_and(is_taken) {
            return None;
        }
        Some(Self { number, reserved: Some(Arc::new(reserved)) })
    }

    /// Whether it was found free, rather than named by the user.
    pub(in crate::check) const fn is_reserved(&self) -> bool {
        self.reserved.is_some()
    }

    /// Returns the word, of any bytes, with the port filled in.
    pub(in crate::check) fn fill(&self, word: &OsString) -> OsString {
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

    fn port(text: &str) -> Port {
        PortChoice::parse(text).expect("a port").port().expect("one is free")
    }

    #[test]
    fn the_port_is_put_in_each_place() {
        let port = port("80");
        assert_eq!(port.fill(&OsString::from("{port}:[::]:{port}x")), "80:[::]:80x");
        assert_eq!(port.fill(&OsString::from("{por")), "{por");
    }

    #[test]
    fn only_ports_are_taken() {
        assert_eq!(port("80").number, 80);
        assert!(port("auto").number >= FIRST);
        for text in ["", "0", "65536", "x"] {
            assert!(PortChoice::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_port_is_given_twice() {
        let first = port("auto");
        assert!(Port::reserve(first.number).is_none(), "the port is taken, though no process listens yet");
        let number = first.number;
        drop(first);
        assert!(Port::reserve(number).is_some());
        for host in ["127.0.0.1", "::1"] {
            let Ok(_listener) = TcpListener::bind((host, number)) else { continue };
            assert!(Port::reserve(number).is_none(), "a process listens on {host}");
        }
    }
}
