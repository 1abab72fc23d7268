//! What a server prints: read for ever, or it would freeze at a full pipe; the last lines are kept.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, watch};

use super::time::now_ms;
use crate::os::child;
use crate::os::clock::Clock;

const LINES_MAX: usize = 5000;
const LINE_BYTES_MAX: usize = 4096;

/// Both streams of a server.
#[derive(Clone)]
pub(super) struct Output {
    kept: Arc<Mutex<Kept>>,
    news: Arc<Notify>,
    is_read: watch::Sender<bool>,
    streams: Arc<Vec<OwnedFd>>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Line>,
    open: usize,
    closed_at_ms: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Line {
    pub(super) at_ms: u64,
    pub(super) text: String,
}

impl Output {
    /// Reads the streams from now on, as long as anybody has them open.
    pub(super) fn read(streams: impl Iterator<Item = OwnedFd>, clock: Clock) -> io::Result<Self> {
        let streams: Vec<OwnedFd> = streams.collect();
        let pipes = streams.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
        let is_read = watch::Sender::new(true);
        let output = Self { kept: Arc::default(), news: Arc::default(), is_read, streams: Arc::new(streams) };
        output.kept().open = pipes.len();
        for pipe in pipes {
            tokio::spawn(output.clone().follow(Receiver::from_owned_fd(pipe)?, clock));
        }
        Ok(output)
    }

    /// Reads no more: the pipes are full from now on.
    pub(super) fn hold(&self) -> io::Result<()> {
        self.is_read.send_replace(false);
        self.streams.iter().try_for_each(child::fill)
    }

    /// Reads again.
    pub(super) fn resume(&self) {
        self.is_read.send_replace(true);
    }

    /// The next bytes, as soon as anybody is to read them; nothing at the end.
    async fn next(pipe: &mut Receiver, is_read: &mut watch::Receiver<bool>, buffer: &mut [u8]) -> usize {
        loop {
            if is_read.wait_for(|is_read| *is_read).await.is_err() {
                return 0;
            }
            tokio::select! {
                biased;
                _ = is_read.changed() => {}
                length = pipe.read(buffer) => return length.unwrap_or_default(),
            }
        }
    }

    async fn follow(self, mut pipe: Receiver, clock: Clock) {
        let mut buffer = vec![0; 1 << 16];
        let mut started = Vec::new();
        let mut is_read = self.is_read.subscribe();
        loop {
            let length = Self::next(&mut pipe, &mut is_read, &mut buffer).await;
            if length == 0 {
                break;
            }
            started.extend_from_slice(&buffer[..length]);
            let at_ms = now_ms(clock);
            while let Some(end) = started.iter().position(|byte| *byte == b'\n') {
                self.push(&started[..end], at_ms);
                started.drain(..=end);
            }
            if started.len() > LINE_BYTES_MAX {
                self.push(&started, at_ms);
                started.clear();
            }
            self.news.notify_waiters();
        }
        if !started.is_empty() {
            self.push(&started, now_ms(clock));
        }
        let mut kept = self.kept();
        kept.open -= 1;
        if kept.open == 0 {
            kept.closed_at_ms = Some(now_ms(clock));
        }
        drop(kept);
        self.news.notify_waiters();
    }

    fn push(&self, bytes: &[u8], at_ms: u64) {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LINE_BYTES_MAX)]);
        // A page is no terminal: colours would command it, and no pattern of the user's would match.
        let text = strip_ansi_escapes::strip_str(text.replace('\t', "    "));
        let mut kept = self.kept();
        if kept.lines.len() == LINES_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(Line { at_ms, text });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was printed, or a stream was closed.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits until the last stream is closed, for so long.
    pub(super) async fn closed(&self, patience: Duration) {
        let closed = async {
            loop {
                let news = self.news.notified();
                if self.closed_at_ms().is_some() {
                    break;
                }
                news.await;
            }
        };
        let _ = tokio::time::timeout(patience, closed).await;
    }

    /// When the last stream was closed.
    pub(super) fn closed_at_ms(&self) -> Option<u64> {
        self.kept().closed_at_ms
    }

    /// What is kept.
    pub(super) fn lines(&self) -> Vec<Line> {
        self.kept().lines.iter().cloned().collect()
    }

    /// The last lines.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| line.text.clone()).collect()
    }
}
