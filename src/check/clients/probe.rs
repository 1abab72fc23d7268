//! One connection to the server: plain, or with one HTTP request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use super::duplex::Duplex;
use super::tls::{Tls, Trust};
use crate::check::observed::{Listener, ProbeOutcome};

/// How long it may take to look up a name.
const NAME_PATIENCE: Duration = Duration::from_secs(2);

/// Where connections go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) enum Place {
    /// A host by name or address, and a port.
    Tcp(String, u16),
    /// The path of a socket; `@name` for an abstract one.
    Unix(String),
}

/// A connection, and what the kernel knows of its other end.
pub(in crate::check) struct Connected {
    pub(in crate::check) stream: Box<dyn Duplex>,
    /// For TCP: our own address, and the server's.
    pub(in crate::check) ends: Option<(SocketAddr, SocketAddr)>,
    /// For a unix socket: the process that began to listen there.
    pub(in crate::check) listener: Option<i32>,
}

/// A connection that speaks HTTP.
pub(in crate::check) type Client = SendRequest<Empty<Bytes>>;

impl Place {
    /// The place at which a listener is reached from here.
    pub(in crate::check) fn of(listener: &Listener) -> Option<Self> {
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
    pub(in crate::check) async fn addresses(&self) -> Vec<Self> {
        let Self::Tcp(host, port) = self else { return vec![self.clone()] };
        let looked_up = tokio::time::timeout(NAME_PATIENCE, tokio::net::lookup_host((host.as_str(), *port)));
        let found = looked_up.await.into_iter().flatten().flatten();
        found.map(|address| Self::Tcp(address.ip().to_string(), address.port())).collect()
    }

    pub(in crate::check) async fn connect(&self) -> io::Result<Connected> {
        Ok(match self {
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
                Connected { stream: Box::new(stream), ends, listener: None }
            }
            Self::Unix(path) => {
                let path = path.strip_prefix('@').map_or_else(|| path.clone(), |name| format!("\0{name}"));
                let stream = UnixStream::connect(path).await?;
                let listener = stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0);
                Connected { stream: Box::new(stream), ends: None, listener }
            }
        })
    }

    /// For TCP.
    pub(in crate::check) const fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(_, port) => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// The name in messages.
    pub(in crate::check) fn name(&self) -> String {
        match self {
            Self::Tcp(..) => self.host(),
            Self::Unix(path) => path.clone(),
        }
    }

    /// The form in URLs and the `Host` header.
    pub(in crate::check) fn host(&self) -> String {
        match self {
            Self::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp(host, port) => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

const HTTP: &str = "http";
const HTTPS: &str = "https";
/// With the ports that need not be named.
const SCHEMES: [(&str, u16); 2] = [(HTTP, 80), (HTTPS, 443)];

/// Where requests go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) struct Url {
    pub(in crate::check) place: Place,
    /// The value of the `Host` header.
    pub(in crate::check) host: String,
    pub(in crate::check) path: String,
    /// With `https://`.
    pub(in crate::check) tls: Option<Tls>,
}

impl Url {
    /// Reads `http://127.0.0.1:8080/health`, `http://:8080/`, `https://localhost:8443/`.
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        let remedy = || "use e.g. http://127.0.0.1:8080/health or https://localhost:8443/".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(remedy)?;
        let port = SCHEMES.iter().find(|(known, _)| *known == scheme).ok_or_else(remedy)?.1;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let place = tcp_place(authority, Some(port)).ok_or_else(remedy)?;
        if path.parse::<hyper::Uri>().is_err() {
            return Err(remedy());
        }
        let tls = match &place {
            Place::Tcp(name, _) if scheme == HTTPS => Some(Tls { name: name.clone(), trust: Trust::System }),
            _ => None,
        };
        Ok(Self { tls, ..Self::new(place, path) })
    }

    pub(in crate::check) fn new(place: Place, path: &str) -> Self {
        Self { host: place.host(), place, path: path.to_owned(), tls: None }
    }

    /// As it is written.
    pub(in crate::check) fn text(&self) -> String {
        let scheme = if self.tls.is_some() { HTTPS } else { HTTP };
        format!("{scheme}://{}{}", self.host, self.path)
    }

    /// Connects, with TLS for `https://`.
    pub(in crate::check) async fn connect(&self) -> io::Result<Connected> {
        let connected = self.place.connect().await?;
        let Some(tls) = &self.tls else { return Ok(connected) };
        Ok(Connected { stream: tls.begin(connected.stream).await?, ..connected })
    }

    /// Connects, ready for requests.
    pub(in crate::check) async fn client(&self) -> io::Result<Client> {
        let stream = self.connect().await?.stream;
        let (client, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The same URL at one of the addresses of its name.
    pub(in crate::check) fn at(&self, place: Place) -> Self {
        Self { place, ..self.clone() }
    }

    pub(in crate::check) fn request(&self, keeps_open: bool) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = self.host.parse() {
            headers.insert(HOST, host);
        }
        if !keeps_open {
            headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("close"));
        }
        request
    }
}

/// A URL, or only a path at the server that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::check) enum Resource {
    Url(Url),
    Path(String),
}

impl Resource {
    /// Reads `http://127.0.0.1:8080/slow`, `/slow`.
    pub(in crate::check) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') && text.parse::<hyper::Uri>().is_ok() {
            return Ok(Self::Path(text.to_owned()));
        }
        Url::parse(text)
            .map(Self::Url)
            .map_err(|_| "use a path (/slow) or http[s]://HOST:PORT/PATH".to_owned())
    }
}

/// Reads `8080`, `:8080`, `127.0.0.1:8080`, `[::1]:8080`.
pub(in crate::check) fn tcp_place(text: &str, default_port: Option<u16>) -> Option<Place> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => match (text.parse(), default_port) {
            (Ok(port), _) => ("", port),
            (Err(_), Some(port)) => (text, port),
            (Err(_), None) => return None,
        },
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Place::Tcp(if host.is_empty() { "localhost".to_owned() } else { host.to_owned() }, port))
}

/// Sends one request on a connection of its own; returns the head of the answer.
pub(in crate::check) async fn ask(url: &Url) -> io::Result<Response<Incoming>> {
    let mut client = url.client().await?;
    client.send_request(url.request(false)).await.map_err(io::Error::other)
}

/// One probe: a connection of its own, with one request if there is a URL.
pub(in crate::check) async fn probe(place: &Place, url: Option<&Url>, patience: Duration) -> ProbeOutcome {
    let once = async {
        let Some(url) = url else {
            return place.connect().await.map_or_else(|error| outcome(&error), |_| ProbeOutcome::Ok);
        };
        let mut client = match url.client().await {
            Ok(client) => client,
            Err(error) => return outcome(&error),
        };
        let Ok(answer) = client.send_request(url.request(false)).await else { return ProbeOutcome::Reset };
        let status = answer.status();
        match answer.into_body().collect().await {
            Err(_) => ProbeOutcome::Reset,
            Ok(_) if status.is_server_error() => ProbeOutcome::Error,
            Ok(_) => ProbeOutcome::Ok,
        }
    };
    tokio::time::timeout(patience, once).await.unwrap_or(ProbeOutcome::TimedOut)
}

fn outcome(error: &io::Error) -> ProbeOutcome {
    match error.kind() {
        // A unix socket whose file is gone counts as a refusal.
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => ProbeOutcome::Refused,
        _ => ProbeOutcome::Reset,
    }
}

/// The outcome of a probe that these bytes answer.
#[cfg(any(test, fuzzing))]
pub(in crate::check) async fn answered(bytes: &[u8]) -> ProbeOutcome {
    use std::os::linux::net::SocketAddrExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let name = format!("winddown-answer-{}-{:p}", std::process::id(), bytes);
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = std::os::unix::net::UnixListener::bind_addr(&address).expect("a socket");
    socket.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::UnixListener::from_std(socket).expect("a socket");
    let answer = bytes.to_owned();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(&answer).await;
    });
    let url = Url::new(Place::Unix(format!("@{name}")), "/");
    let outcome = probe(&url.place, Some(&url), Duration::from_secs(20)).await;
    assert_ne!(outcome, ProbeOutcome::TimedOut, "the end of an answer was not seen");
    server.await.expect("its end");
    outcome
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
        assert_eq!(Url::parse("http://a/b?c").expect("a URL").path, "/b?c");
        let url = Url::parse("https://a/").expect("a URL");
        assert_eq!((url.text().as_str(), url.place), ("https://a:443/", Place::Tcp("a".to_owned(), 443)));
        assert!(Url::parse("ftp://a/").is_err());
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
}
