//! Where a server is reached.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::os::io::connect::{self, Reached};
use crate::os::listening::Listener;

const LOCALHOST: &str = "localhost";

/// Where connections go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A host by name or address, and a port.
    Tcp(String, u16),
    /// The path of a socket; `@name` for an abstract one.
    Unix(String),
}

impl Place {
    /// The place at which a listener is reached from here.
    pub(crate) fn of(listener: &Listener) -> Option<Self> {
        if listener.protocol == "unix" {
            return (!listener.address.is_empty()).then(|| Self::Unix(listener.address.clone()));
        }
        let address: SocketAddr = listener.address.parse().ok()?;
        let ip = match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Some(Self::Tcp(ip.to_string(), address.port()))
    }

    /// All addresses of its name.
    pub(crate) fn addresses(&self) -> Vec<Self> {
        let Self::Tcp(host, port) = self else { return vec![self.clone()] };
        ips(host).into_iter().map(|ip| Self::Tcp(ip.to_string(), *port)).collect()
    }

    /// Connects to an address.
    pub(crate) fn connect(&self, patience: Duration) -> io::Result<Reached> {
        match self {
            Self::Tcp(host, port) => {
                let ip: IpAddr = host.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
                connect::tcp(SocketAddr::new(ip, *port), patience)
            }
            Self::Unix(path) => connect::unix(path),
        }
    }

    /// For TCP.
    #[cfg(feature = "check")]
    pub(crate) const fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(_, port) => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// The name in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Tcp(..) => self.host(),
            Self::Unix(path) => path.clone(),
        }
    }

    /// The form in URLs and the `Host` header.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp(host, port) => format!("{host}:{port}"),
            Self::Unix(_) => LOCALHOST.to_owned(),
        }
    }
}

/// The addresses of a host. `localhost` needs no look-up, which the slim build can't do.
fn ips(host: &str) -> Vec<IpAddr> {
    match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) if host == LOCALHOST => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Err(_) => look_up(host),
    }
}

#[cfg(feature = "check")]
fn look_up(host: &str) -> Vec<IpAddr> {
    use std::net::ToSocketAddrs;
    let found = (host, 0).to_socket_addrs().into_iter().flatten();
    found.map(|address| address.ip()).collect()
}

#[cfg(not(feature = "check"))]
const fn look_up(_: &str) -> Vec<IpAddr> {
    Vec::new()
}

/// Reads `8080`, `:8080`, `127.0.0.1:8080`, `[::1]:8080`.
pub(crate) fn tcp_place(text: &str, default_port: Option<u16>) -> Option<Place> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => match (text.parse(), default_port) {
            (Ok(port), _) => ("", port),
            (Err(_), Some(port)) => (text, port),
            (Err(_), None) => return None,
        },
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Place::Tcp(if host.is_empty() { LOCALHOST.to_owned() } else { host.to_owned() }, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_form_are_read() {
        let tcp = |host: &str, port| Some(Place::Tcp(host.to_owned(), port));
        assert_eq!(tcp_place("8080", None), tcp("localhost", 8080));
        assert_eq!(tcp_place(":8080", None), tcp("localhost", 8080));
        assert_eq!(tcp_place("[::1]:80", None), tcp("::1", 80));
        assert_eq!(tcp_place("[::1]", Some(80)), tcp("::1", 80));
        assert_eq!(tcp_place("host", None), None);
    }

    #[test]
    fn a_wildcard_is_reached_by_loopback() {
        let of = |address: &str| {
            Place::of(&Listener { protocol: "tcp".to_owned(), address: address.to_owned(), inode: 1 })
        };
        assert_eq!(of("0.0.0.0:80"), Some(Place::Tcp("127.0.0.1".to_owned(), 80)));
        assert_eq!(of("[::]:80"), Some(Place::Tcp("::1".to_owned(), 80)));
        assert_eq!(of("10.0.0.1:80"), Some(Place::Tcp("10.0.0.1".to_owned(), 80)));
    }

    #[test]
    fn localhost_has_two_addresses() {
        let found = Place::Tcp(LOCALHOST.to_owned(), 80).addresses();
        assert_eq!(found.iter().map(Place::name).collect::<Vec<_>>(), ["127.0.0.1:80", "[::1]:80"]);
    }
}
