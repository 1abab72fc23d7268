//! Connections that are held through a stop.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tracing::info;

use crate::check::observed::{HeldConnection, HeldEnd, Missing};
use crate::check::runs::scenario::Holds;
use crate::check::time::now_ms;
use crate::os::clock::Clock;
use crate::os::inspect;
use crate::ready::duplex::Duplex;
use crate::ready::http::{Client, Connected, Url};
use crate::ready::place::Place;

/// How many requests are held.
const REQUESTS: usize = 3;
/// How long it may take until the server has read them.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long connections may outlive the server.
const REST: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);
/// Why a path leads to no address.
pub(in crate::check) const NOWHERE: Missing = Missing::Skip("the server listens nowhere");

/// The connections that are held.
#[derive(Default)]
pub(in crate::check) struct Holding {
    held: Vec<One>,
    /// Those that were not under way at the server.
    queued: Vec<One>,
}

struct One {
    /// Returns when and how it ended.
    task: JoinHandle<(u64, HeldEnd)>,
    /// That which has the socket of a request.
    connection: Option<JoinHandle<()>>,
    opened_at_ms: u64,
    /// Our own address of the connection; none if it has had its answer, or is no TCP connection.
    from: Option<SocketAddr>,
}

/// How a client hangs up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HangUp {
    /// By a close.
    Fin,
    /// By a reset.
    Rst,
}

/// What to hold, and where.
pub(in crate::check) struct Wanted<'a> {
    pub(in crate::check) holds: Holds,
    pub(in crate::check) place: Option<&'a Place>,
    pub(in crate::check) http: Option<&'a Url>,
    pub(in crate::check) slow: Option<&'a Url>,
    pub(in crate::check) stream: Option<&'a Url>,
}

impl Holding {
    /// Opens what the scenario needs.
    pub(in crate::check) async fn open(wanted: &Wanted<'_>, clock: Clock) -> Result<Self, Missing> {
        let mut holding = Self::default();
        let broken =
            |_| Missing::Inconclusive("the connection could not be opened before the signal".to_owned());
        match wanted.holds {
            Holds::Requests => {
                let url = wanted.slow.ok_or(NOWHERE)?;
                holding.requests(url, clock).await.map_err(broken)?;
            }
            Holds::RequestsIfAny => {
                if let Some(url) = wanted.slow {
                    holding.requests(url, clock).await.map_err(broken)?;
                }
            }
            Holds::Stream => {
                let url = wanted.stream.ok_or(NOWHERE)?;
                holding.request(url, HangUp::Fin, clock).await.map_err(broken)?;
            }
            Holds::Idle => {
                let url = wanted.http.ok_or(Missing::Skip("the server speaks no HTTP"))?;
                holding.idle(url, clock).await.map_err(broken)?;
            }
            Holds::Half => {
                let url = wanted.http.ok_or(Missing::Skip("the server speaks no HTTP"))?;
                holding
                    .silent(url.connect().await.map_err(broken)?, b"GET / HT", clock)
                    .await
                    .map_err(broken)?;
            }
            Holds::Silent => {
                let place = wanted.place.ok_or(NOWHERE)?;
                holding.silent(place.open().await.map_err(broken)?, b"", clock).await.map_err(broken)?;
            }
            Holds::Nothing => {}
        }
        Ok(holding)
    }

    async fn requests(&mut self, url: &Url, clock: Clock) -> io::Result<()> {
        for number in 0..REQUESTS {
            let how = if number % 2 == 0 { HangUp::Fin } else { HangUp::Rst };
            self.request(url, how, clock).await?;
        }
        Ok(())
    }

    async fn request(&mut self, url: &Url, how: HangUp, clock: Clock) -> io::Result<()> {
        let Connected { stream, ends } = url.connect().await?;
        if how == HangUp::Rst {
            stream.cut_on_close();
        }
        let (client, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let request = url.request(false);
        let task = tokio::spawn(async move {
            let end = answered(client, request).await;
            (now_ms(clock), end)
        });
        let from = ends.map(|(from, _)| from);
        self.held.push(One { task, connection: Some(connection), opened_at_ms: now_ms(clock), from });
        Ok(())
    }

    async fn idle(&mut self, url: &Url, clock: Clock) -> io::Result<()> {
        let stream = url.connect().await?.stream;
        let (mut client, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let answer = client.send_request(url.request(true)).await.map_err(io::Error::other)?;
        let _ = answer.into_body().collect().await;
        let task = tokio::spawn(async move {
            let _ = connection.await;
            drop(client);
            (now_ms(clock), HeldEnd::Closed)
        });
        self.held.push(One { task, connection: None, opened_at_ms: now_ms(clock), from: None });
        Ok(())
    }

    async fn silent(&mut self, connected: Connected, bytes: &'static [u8], clock: Clock) -> io::Result<()> {
        let Connected { mut stream, ends } = connected;
        stream.write_all(bytes).await?;
        let task = tokio::spawn(async move { (closed_at_ms(stream, clock).await, HeldEnd::Closed) });
        let from = ends.map(|(from, _)| from);
        self.held.push(One { task, connection: None, opened_at_ms: now_ms(clock), from });
        Ok(())
    }

    /// Waits until the server has read everything, drops what is not under way there, and returns whether anything
    /// is left. A connection in the kernel's queue is not under way.
    pub(in crate::check) async fn keep_under_way(
        &mut self,
        pids: impl Fn() -> Vec<i32>,
        clock: Clock,
    ) -> bool {
        let until = clock.now().saturating_add(PATIENCE);
        let is_read = |one: &One, read: &HashSet<String>| {
            one.from.is_none_or(|from| read.contains(&from.to_string())) && !one.task.is_finished()
        };
        let wanted = self.held.len();
        if wanted == 0 {
            return true;
        }
        loop {
            // Listed again each time: some servers start a process for each connection.
            let read = inspect::read_from(&pids());
            let count = self.held.iter().filter(|one| is_read(one, &read)).count();
            if count == wanted || clock.now() > until {
                let all = std::mem::take(&mut self.held);
                (self.held, self.queued) = all.into_iter().partition(|one| is_read(one, &read));
                info!(count, of = wanted, "held");
                return count > 0;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Has every client of a request hang up, those that wait in the kernel's queue, too.
    pub(in crate::check) async fn hang_up(&mut self, clock: Clock) {
        for one in self.held.iter_mut().chain(&mut self.queued) {
            let Some(connection) = one.connection.take() else { continue };
            connection.abort();
            let _ = connection.await;
            let at_ms = now_ms(clock);
            one.task.abort();
            one.task = tokio::spawn(async move { (at_ms, HeldEnd::HungUp) });
        }
        info!(count = self.held.len(), "hung up");
    }

    /// When the first of them was opened.
    pub(in crate::check) fn first_opened_at_ms(&self) -> Option<u64> {
        self.held.iter().map(|one| one.opened_at_ms).min()
    }

    /// How each connection ended, once the server has.
    pub(in crate::check) async fn finish(self, signal_at_ms: u64) -> Vec<HeldConnection> {
        let from_signal = |at_ms: u64| at_ms.cast_signed().saturating_sub(signal_at_ms.cast_signed());
        let mut held = Vec::new();
        for One { task, opened_at_ms, .. } in self.held {
            let opened_ms = from_signal(opened_at_ms);
            held.push(match tokio::time::timeout(REST, task).await {
                Ok(Ok((at_ms, end))) => HeldConnection { opened_ms, ended_ms: Some(from_signal(at_ms)), end },
                _ => HeldConnection { opened_ms, ended_ms: None, end: HeldEnd::Cut },
            });
        }
        held
    }
}

/// Sends a request on a connection of its own, and waits for the end of the answer.
pub(in crate::check) async fn ask_whole(url: &Url) -> HeldEnd {
    match url.client().await {
        Ok(client) => answered(client, url.request(false)).await,
        Err(_) => HeldEnd::Cut,
    }
}

async fn answered(mut client: Client, request: Request<Empty<Bytes>>) -> HeldEnd {
    let Ok(answer) = client.send_request(request).await else { return HeldEnd::Cut };
    let status = answer.status().as_u16();
    answer.into_body().collect().await.map_or(HeldEnd::Cut, |_| HeldEnd::Answered(status))
}

/// Reads until the other end closes.
async fn closed_at_ms(mut stream: Box<dyn Duplex>, clock: Clock) -> u64 {
    let mut buffer = [0; 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
    now_ms(clock)
}
