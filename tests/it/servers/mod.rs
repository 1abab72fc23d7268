//! Real servers, each stopped while it has work to do: the server finishes the work, the status is its
//! own, its port is free afterwards, and nothing is left.
//!
//! No step waits for a fixed time: a response is held until the server has closed its port, and released
//! only then.

mod apache;
mod applications;
mod caddy;
mod haproxy;
mod java;
mod lighttpd;
mod mariadb;
mod memcached;
mod nginx;
mod node;
mod php_fpm;
pub(crate) mod postgres;
mod python;
mod redis;
mod upstream;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

use crate::support::builder::Winddown;
use crate::support::running::{Ended, Running};
use crate::support::{PATIENCE, TempDir, eventually, read_json};

/// The tests of all servers.
pub(crate) fn trials() -> Vec<crate::support::trial::Test> {
    let all = [
        apache::trials(),
        applications::trials(),
        caddy::trials(),
        haproxy::trials(),
        java::trials(),
        lighttpd::trials(),
        mariadb::trials(),
        memcached::trials(),
        nginx::trials(),
        node::trials(),
        php_fpm::trials(),
        postgres::trials(),
        python::trials(),
        redis::trials(),
    ];
    all.into_iter().flatten().collect()
}

/// The path of a program that lies beside the tests.
macro_rules! source {
    ($name:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/", $name)
    };
}
use source;

/// A port of 127.0.0.1 that only the server under test can get.
struct Port {
    number: u16,
    reservation: TcpListener,
}

impl Port {
    /// A bound socket that doesn't listen keeps other programs away, but lets in a server that sets
    /// `SO_REUSEADDR`, as servers do.
    fn reserve() -> Self {
        loop {
            let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let number = any.local_addr().expect("an address").port();
            drop(any);
            // Bound by number; otherwise the end of listening would release the port.
            let Ok(reservation) = TcpListener::bind((Ipv4Addr::LOCALHOST, number)) else {
                // Another program was faster.
                continue;
            };
            // SAFETY: shuts down a socket that is open.
            unsafe { libc::shutdown(reservation.as_raw_fd(), libc::SHUT_RDWR) };
            return Self { number, reservation };
        }
    }

    fn text(&self) -> String {
        self.number.to_string()
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.number).into();
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    fn is_served(&self) -> bool {
        self.connect().is_ok()
    }

    /// Panics unless another server could start here at once.
    #[track_caller]
    fn assert_free(self) {
        let Self { number, reservation } = self;
        drop(reservation);
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, number));
        assert!(bound.is_ok(), "port {number} is not free: {:?}", bound.err());
    }
}

/// A response that has begun and is not complete.
struct Response {
    stream: BufReader<TcpStream>,
}

impl Response {
    /// Asks for a page and reads up to the line `begin`.
    #[track_caller]
    fn begin(port: &Port) -> Self {
        Self::ask(port).begun()
    }

    #[track_caller]
    fn ask(port: &Port) -> Self {
        Self::send(port, b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n")
    }

    #[track_caller]
    fn send(port: &Port, request: &[u8]) -> Self {
        let mut stream = BufReader::new(port.connect().expect("a server"));
        stream.get_mut().write_all(request).expect("a server that reads");
        Self { stream }
    }

    /// Reads up to the line `begin`; a protocol may put bytes of its own before it.
    #[track_caller]
    fn begun(mut self) -> Self {
        let mut line = Vec::new();
        while !line.ends_with(b"begin\n") {
            line.clear();
            let count = self.stream.read_until(b'\n', &mut line).expect("a response");
            assert!(count > 0, "the response ended before it began");
        }
        self
    }

    /// The rest of the response, as far as it arrives.
    fn rest(mut self) -> String {
        let mut rest = Vec::new();
        // A reset connection means a response cut short, which its missing end shows.
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// What a server needs: a place, a port, and a file that lets a held response go on.
struct Place {
    directory: TempDir,
    port: Port,
}

impl Place {
    fn new() -> Self {
        Self { directory: TempDir::new(), port: Port::reserve() }
    }

    /// The file that our small servers wait for before they end a response.
    fn release(&self) -> String {
        self.directory.file("release")
    }

    fn record(&self) -> String {
        self.directory.file("record")
    }

    /// winddown with a record, and a limit that must not be reached.
    fn winddown(&self) -> Winddown {
        Winddown::new().args(["-t", "25s", "--record", &self.record()])
    }

    /// Asks winddown to stop during a response. The response is complete all the same.
    #[track_caller]
    fn stop_in_mid_response(self, run: Running) -> Stopped {
        let response = Response::begin(&self.port);
        run.signal(libc::SIGTERM);
        eventually("the server takes no more connections", || !self.port.is_served());
        std::fs::write(self.release(), "").expect("a file for the test");
        let rest = response.rest();
        let ended = run.wait().expect_nothing_left();
        assert_eq!(rest, "end\n", "{}", ended.dump());
        self.stopped(ended)
    }

    /// Collects the results after the end of a run.
    #[track_caller]
    fn stopped(self, ended: Ended) -> Stopped {
        self.port.assert_free();
        Stopped { record: read_json(self.directory.file("record")), ended }
    }
}

/// A server that was stopped.
struct Stopped {
    ended: Ended,
    record: serde_json::Value,
}

impl Stopped {
    #[track_caller]
    fn expect_code(self, code: i32) -> Self {
        Self { ended: self.ended.expect_code(code), ..self }
    }

    #[track_caller]
    fn expect_outcome(self, outcome: &str) -> Self {
        assert_eq!(self.record["outcome"], outcome, "{:#}", self.record);
        self
    }

    /// Expects winddown to have sent exactly these signals, to `main` or to an `orphan`.
    #[track_caller]
    fn expect_asked(self, asked: &[&str]) -> Self {
        let main = &self.record["main"]["pid"];
        let signals = self.record["signals"].as_array().expect("a list").iter();
        let sent: Vec<_> = signals
            .map(|one| {
                let target = if one["target"]["pid"] == *main { "main" } else { "orphan" };
                format!("{target} {}", one["signal"].as_str().unwrap_or_default())
            })
            .collect();
        assert_eq!(sent, asked, "{:#}", self.record);
        self
    }
}
