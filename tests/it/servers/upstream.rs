//! For servers that pass on another server's page: the test itself is the other server, so it decides how
//! slowly the page arrives.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::{Place, Response, Stopped};
use crate::support::eventually;
use crate::support::running::Running;

/// The server that the page comes from.
pub(super) struct Upstream(TcpListener);

impl Upstream {
    pub(super) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// Takes a request and sends the beginning of the page.
    fn begin(&self) -> TcpStream {
        // Not forever: a server that answers by itself fails the test.
        self.0.set_nonblocking(true).expect("a socket");
        let mut asked = None;
        eventually("the server asks for the page", || {
            asked = self.0.accept().ok();
            asked.is_some()
        });
        let (stream, _) = asked.expect("accepted");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a request");
        }
        let mut stream = reader.into_inner();
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nbegin\n").expect("it listens");
        stream
    }
}

/// A response that a server is passing on, and the connection that holds it back.
pub(super) struct Held {
    place: Place,
    run: Running,
    response: Response,
    page: TcpStream,
}

impl Held {
    /// Waits for the server, and begins a response.
    #[track_caller]
    pub(super) fn begin(place: Place, upstream: &Upstream, run: Running) -> Self {
        eventually("the server answers", || place.port.is_served());
        let (page, response) = std::thread::scope(|scope| {
            let page = scope.spawn(|| upstream.begin());
            let response = Response::begin(&place.port);
            (page.join().expect("a page"), response)
        });
        Self { place, run, response, page }
    }

    /// Asked to stop, the server closes its port, and passes the rest on before it goes.
    #[track_caller]
    pub(super) fn finish(self) -> Stopped {
        let Self { place, run, response, mut page } = self;
        run.signal(libc::SIGTERM);
        eventually("the server takes no more connections", || !place.port.is_served());
        page.write_all(b"end\n").expect("the server reads on");
        let rest = response.rest();
        let ended = run.wait().expect_nothing_left();
        assert_eq!(rest, "end\n", "{}", ended.dump());
        place.stopped(ended).expect_outcome("stopped")
    }

    /// Asked to stop, the server drops the response, although there was time for it.
    #[track_caller]
    pub(super) fn cut(self) -> Stopped {
        let Self { place, run, response, page } = self;
        run.signal(libc::SIGTERM);
        let rest = response.rest();
        drop(page);
        let ended = run.wait().expect_nothing_left();
        assert_eq!(rest, "", "{}", ended.dump());
        place.stopped(ended).expect_outcome("stopped")
    }
}
