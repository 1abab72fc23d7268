//! What a server prints. It is read to the end, or the server would block on a full pipe. All of it is judged as
//! it comes; the last lines are kept.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use regex_lite::Regex;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, watch};

use super::archive::Part;
use super::chatter::Chatter;
use crate::check::time::now_ms;
use crate::os::clock::Clock;
use crate::os::process::subprocess;

const LINES_MAX: usize = 100;
/// A longer line is split into parts.
const LINE_BYTES_MAX: usize = 4096;
/// How much a part repeats of the previous one, so that no word is missed between them.
const OVERLAP_BYTES: usize = 64;
/// At most this many alarming lines are kept.
const ALARMING_MAX: usize = 5;

/// What programs print when they panic or crash.
const ALARMING: [&str; 7] = [
    "panicked at",
    "panic:",
    "Traceback (most recent call last)",
    "Sanitizer:",
    "Segmentation fault",
    "SIGSEGV",
    "core dumped",
];

/// Both streams of a server.
#[derive(Clone)]
pub(in crate::check) struct Output {
    kept: Arc<Mutex<Kept>>,
    news: Arc<Notify>,
    is_read: watch::Sender<bool>,
    streams: Arc<Vec<OwnedFd>>,
    /// Gets everything as well.
    log: Option<Part>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    /// Alarming lines since the signal, from which on the output is judged.
    alarming: Option<Vec<String>>,
    /// The patterns that are waited for, and whether each has come.
    awaited: Vec<(Regex, bool)>,
    chatter: Chatter,
    open: usize,
    closed_at_ms: Option<u64>,
}

impl Output {
    /// Reads the streams from now on, as long as any process has them open.
    pub(in crate::check) fn read(
        streams: impl Iterator<Item = OwnedFd>,
        awaited: impl Iterator<Item = Regex>,
        log: Option<Part>,
        clock: Clock,
    ) -> io::Result<Self> {
        let streams: Vec<OwnedFd> = streams.collect();
        let pipes = streams.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
        let is_read = watch::Sender::new(true);
        let output =
            Self { kept: Arc::default(), news: Arc::default(), is_read, streams: Arc::new(streams), log };
        output.kept().open = pipes.len();
        output.kept().awaited = awaited.map(|pattern| (pattern, false)).collect();
        for pipe in pipes {
            tokio::spawn(output.clone().follow(Receiver::from_owned_fd(pipe)?, clock));
        }
        Ok(output)
    }

    /// Stops reading, and fills the pipes.
    pub(in crate::check) fn hold(&self) -> io::Result<()> {
        self.is_read.send_replace(false);
        self.streams.iter().try_for_each(subprocess::fill)
    }

    /// Reads again.
    pub(in crate::check) fn resume(&self) {
        self.is_read.send_replace(true);
    }

    /// Reads the next bytes, unless reading is on hold; returns 0 at the end.
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
            if let Some(log) = &self.log {
                log.write(&buffer[..length]);
            }
            started.extend_from_slice(&buffer[..length]);
            let mut taken = 0;
            while let Some(length) = started[taken..].iter().position(|byte| *byte == b'\n') {
                self.push_parts(&started[taken..taken + length]);
                taken += length + 1;
            }
            started.drain(..taken);
            if started.len() > LINE_BYTES_MAX {
                let rest = self.push_full_parts(&started).len();
                started.drain(..started.len() - rest);
            }
            self.news.notify_waiters();
        }
        if !started.is_empty() {
            self.push_parts(&started);
        }
        let mut kept = self.kept();
        kept.open -= 1;
        if kept.open == 0 {
            kept.closed_at_ms = Some(now_ms(clock));
        }
        drop(kept);
        self.news.notify_waiters();
    }

    /// Takes a whole line.
    fn push_parts(&self, line: &[u8]) {
        self.push(self.push_full_parts(line));
    }

    /// Takes all full parts of a line; returns the rest.
    fn push_full_parts<'a>(&self, mut line: &'a [u8]) -> &'a [u8] {
        while line.len() > LINE_BYTES_MAX {
            self.push(&line[..LINE_BYTES_MAX]);
            line = &line[LINE_BYTES_MAX - OVERLAP_BYTES..];
        }
        line
    }

    fn push(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        // Without escape sequences: they would command a terminal, and hide words from the user's patterns.
        let text = strip_ansi_escapes::strip_str(text.replace('\t', "    ")).replace(char::is_control, "");
        let mut kept = self.kept();
        for (pattern, has_come) in &mut kept.awaited {
            *has_come = *has_come || pattern.is_match(&text);
        }
        if let Some(alarming) = kept.alarming.as_mut().filter(|lines| lines.len() < ALARMING_MAX)
            && ALARMING.iter().any(|pattern| text.contains(pattern))
        {
            alarming.push(text.clone());
        }
        if !kept.chatter.takes(&text) {
            return;
        }
        if kept.lines.len() == LINES_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(text);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is printed, or a stream is closed.
    pub(in crate::check) async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits until the last stream is closed, but no longer than this.
    pub(in crate::check) async fn closed(&self, patience: Duration) {
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
    pub(in crate::check) fn closed_at_ms(&self) -> Option<u64> {
        self.kept().closed_at_ms
    }

    /// Whether a line has matched this pattern, one of those waited for.
    pub(in crate::check) fn has_come(&self, awaited: &Regex) -> bool {
        self.kept()
            .awaited
            .iter()
            .any(|(pattern, has_come)| *has_come && pattern.as_str() == awaited.as_str())
    }

    /// Check asks what the server speaks: lines about that are not shown.
    pub(in crate::check) fn question(&self) {
        self.kept().chatter.question();
    }

    /// Check sends probes from now on: lines about each of them are not shown.
    pub(in crate::check) fn probes(&self) {
        self.kept().chatter.probes();
    }

    /// The server is asked to stop: alarming lines are collected from now on.
    pub(in crate::check) fn judge(&self) {
        let mut kept = self.kept();
        let Kept { lines, chatter, alarming, .. } = &mut *kept;
        chatter.asked();
        lines.retain(|line| chatter.shows(line));
        *alarming = Some(Vec::new());
    }

    /// The first alarming lines since then.
    pub(in crate::check) fn alarming(&self) -> Vec<String> {
        self.kept().alarming.clone().unwrap_or_default()
    }

    /// The last lines.
    pub(in crate::check) fn last(&self, count: usize) -> Vec<String> {
        let kept = self.kept();
        kept.lines.range(kept.lines.len().saturating_sub(count)..).cloned().collect()
    }
}

/// Reads a server's output that consists of these bytes.
#[cfg(any(test, fuzzing))]
pub(in crate::check) async fn printed(bytes: &[u8]) {
    use std::io::Write;
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let streams = std::iter::once(reader.into());
    let output = Output::read(streams, std::iter::empty(), None, Clock::start()).expect("a reader");
    let bytes = bytes.to_owned();
    let server = tokio::task::spawn_blocking(move || writer.write_all(&bytes));
    output.closed(Duration::from_secs(20)).await;
    server.await.expect("no panic").expect("a reader");
    for line in output.last(LINES_MAX) {
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}
