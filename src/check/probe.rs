//! One connection to the server: plain, or with one HTTP request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::observed::{Listener, Outcome};

/// Where connections go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A host by name or address, and a port.
    Tcp(String, u16),
    /// The path of a socket; `@name` for an abstract one.
    Unix(String),
}

/// An open connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that speaks HTTP.
pub(super) type Client = SendRequest<Empty<Bytes>>;

impl Place {
    /// The address that reaches a listener from here.
    pub(super) fn of(listener: &Listener) -> Option<Self> {
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

    pub(super) async fn connect(&self) -> io::Result<Box<dyn Duplex>> {
        self.connect_from().await.map(|(stream, _)| stream)
    }

    /// The connection, and the address that it comes from.
    pub(super) async fn connect_from(&self) -> io::Result<(Box<dyn Duplex>, Option<SocketAddr>)> {
        Ok(match self {
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                let from = stream.local_addr().ok();
                (Box::new(stream), from)
            }
            Self::Unix(path) => match path.strip_prefix('@') {
                Some(name) => {
                    (Box::new(UnixStream::connect(PathBuf::from(format!("\0{name}"))).await?), None)
                }
                None => (Box::new(UnixStream::connect(path).await?), None),
            },
        })
    }

    /// Connected, and ready for requests.
    pub(super) async fn client(&self) -> io::Result<Client> {
        let stream = self.connect().await?;
        let (client, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// As the header `Host` and URLs have it.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp(host, port) => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// What requests are for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Url {
    pub(super) place: Place,
    pub(super) path: String,
}

impl Url {
    /// `http://127.0.0.1:8080/health`, `http://:8080/`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let remedy = || "use e.g. http://127.0.0.1:8080/health".to_owned();
        let rest = text.strip_prefix("http://").ok_or_else(remedy)?;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let place = tcp_place(authority, Some(80)).ok_or_else(remedy)?;
        if path.parse::<hyper::Uri>().is_err() {
            return Err(remedy());
        }
        Ok(Self { place, path: path.to_owned() })
    }

    pub(super) fn request(&self, keeps_open: bool) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = self.place.host().parse() {
            headers.insert(HOST, host);
        }
        if !keeps_open {
            headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("close"));
        }
        request
    }
}

/// A URL, or only its path: then of the server that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Resource {
    Url(Url),
    Path(String),
}

impl Resource {
    /// `http://127.0.0.1:8080/slow`, `/slow`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') && text.parse::<hyper::Uri>().is_ok() {
            return Ok(Self::Path(text.to_owned()));
        }
        Url::parse(text).map(Self::Url).map_err(|_| "use a path (/slow) or http://HOST:PORT/PATH".to_owned())
    }

    /// Where it is.
    pub(super) fn at(&self, found: Option<&Place>) -> Option<Url> {
        match self {
            Self::Url(url) => Some(url.clone()),
            Self::Path(path) => Some(Url { place: found?.clone(), path: path.clone() }),
        }
    }
}

/// `8080`, `:8080`, `127.0.0.1:8080`, `[::1]:8080`.
pub(super) fn tcp_place(text: &str, default_port: Option<u16>) -> Option<Place> {
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

/// Asks once, on a connection of its own; the answer's head.
pub(super) async fn ask(url: &Url) -> io::Result<Response<Incoming>> {
    let mut client = url.place.client().await?;
    client.send_request(url.request(false)).await.map_err(io::Error::other)
}

/// One probe: how a connection of its own, or a request on it, goes.
pub(super) async fn probe(place: &Place, url: Option<&Url>, patience: Duration) -> Outcome {
    let once = async {
        let Some(url) = url else {
            return place.connect().await.map_or_else(|error| outcome(&error), |_| Outcome::Ok);
        };
        let mut client = match url.place.client().await {
            Ok(client) => client,
            Err(error) => return outcome(&error),
        };
        let Ok(answer) = client.send_request(url.request(false)).await else { return Outcome::Reset };
        let status = answer.status();
        match answer.into_body().collect().await {
            Err(_) => Outcome::Reset,
            Ok(_) if status.is_server_error() => Outcome::Error,
            Ok(_) => Outcome::Ok,
        }
    };
    tokio::time::timeout(patience, once).await.unwrap_or(Outcome::TimedOut)
}

fn outcome(error: &io::Error) -> Outcome {
    match error.kind() {
        // A socket's file that is gone is as good as a refusal.
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Outcome::Refused,
        _ => Outcome::Reset,
    }
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
        assert!(Url::parse("https://a/").is_err());
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
