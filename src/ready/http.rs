//! Requests by HTTP, and connections that carry them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::duplex::Duplex;
use super::place::{Place, tcp_place};
use super::tls::{Tls, Trust};
use crate::os::reason;

/// A connection, and what the kernel knows of its other end.
pub(crate) struct Connected {
    pub(crate) stream: Box<dyn Duplex>,
    /// For TCP: our own address, and the server's.
    pub(crate) ends: Option<(SocketAddr, SocketAddr)>,
}

/// A connection that speaks HTTP.
pub(crate) type Client = SendRequest<Empty<Bytes>>;

impl Place {
    /// Connects, for what is to be sent.
    pub(crate) async fn open(&self) -> io::Result<Connected> {
        Ok(match self {
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
                Connected { stream: Box::new(stream), ends }
            }
            Self::Unix(path) => {
                let path = path.strip_prefix('@').map_or_else(|| path.clone(), |name| format!("\0{name}"));
                let stream = UnixStream::connect(path).await?;
                Connected { stream: Box::new(stream), ends: None }
            }
        })
    }
}

const HTTP: &str = "http";
const HTTPS: &str = "https";
/// With the ports that need not be named.
const SCHEMES: [(&str, u16); 2] = [(HTTP, 80), (HTTPS, 443)];

/// Where requests go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    pub(crate) place: Place,
    /// The value of the `Host` header.
    pub(crate) host: String,
    pub(crate) path: String,
    /// With `https://`.
    pub(crate) tls: Option<Tls>,
}

impl Url {
    /// Reads `http://127.0.0.1:8080/health`, `http://:8080/`, `https://localhost:8443/`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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

    pub(crate) fn new(place: Place, path: &str) -> Self {
        Self { host: place.host(), place, path: path.to_owned(), tls: None }
    }

    /// As it is written.
    pub(crate) fn text(&self) -> String {
        let scheme = if self.tls.is_some() { HTTPS } else { HTTP };
        format!("{scheme}://{}{}", self.host, self.path)
    }

    /// Connects, with TLS for `https://`.
    pub(crate) async fn connect(&self) -> io::Result<Connected> {
        let connected = self.place.open().await?;
        let Some(tls) = &self.tls else { return Ok(connected) };
        Ok(Connected { stream: tls.begin(connected.stream).await?, ..connected })
    }

    /// Connects, ready for requests.
    pub(crate) async fn client(&self) -> io::Result<Client> {
        let stream = self.connect().await?.stream;
        let (client, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The same URL at one of the addresses of its name.
    pub(crate) fn at(&self, place: Place) -> Self {
        Self { place, ..self.clone() }
    }

    pub(crate) fn request(&self, keeps_open: bool) -> Request<Empty<Bytes>> {
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

/// Sends one request on a connection of its own; returns the head of the answer.
pub(crate) async fn ask(url: &Url) -> io::Result<Response<Incoming>> {
    let mut client = url.client().await?;
    client.send_request(url.request(false)).await.map_err(io::Error::other)
}

/// The status of the answer, or why there is none.
pub(super) fn status(url: &Url, patience: Duration) -> Result<u16, String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| reason(&error))?;
    match runtime.block_on(async { timeout(patience, ask(url)).await }) {
        Ok(Ok(answer)) => Ok(answer.status().as_u16()),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err("no answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read() {
        assert_eq!(Url::parse("http://a/b?c").expect("a URL").path, "/b?c");
        let url = Url::parse("https://a/").expect("a URL");
        assert_eq!((url.text().as_str(), url.place), ("https://a:443/", Place::Tcp("a".to_owned(), 443)));
        assert!(Url::parse("ftp://a/").is_err());
    }
}
