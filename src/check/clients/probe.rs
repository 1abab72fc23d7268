//! One connection to the server: plain, or with one HTTP request.

use std::io;
use std::time::Duration;

use http_body_util::BodyExt;

use crate::check::observed::ProbeOutcome;
use crate::ready::http::Url;
use crate::ready::place::Place;

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

/// One probe: a connection of its own, with one request if there is a URL.
pub(in crate::check) async fn probe(place: &Place, url: Option<&Url>, patience: Duration) -> ProbeOutcome {
    let once = async {
        let Some(url) = url else {
            return place.open().await.map_or_else(|error| outcome(&error), |_| ProbeOutcome::Ok);
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
