//! What the server sends by `sd_notify`. It is read at once, or the server would block on a full socket.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UnixDatagram;
use tokio::sync::Notify;

use crate::check::time::now_ms;
use crate::os::clock::Clock;

const MESSAGE_BYTES_MAX: usize = 4096;
const COUNT_MAX: usize = 1000;

/// The main job passes on the server's messages, and reports the stop itself: only its own message has this.
const ASKED_BY_US: &str = "STOPPING=1\nSTATUS=stopping";

#[derive(Clone, Default)]
pub(super) struct Messages {
    kept: Arc<Mutex<Vec<(u64, String)>>>,
    news: Arc<Notify>,
}

impl Messages {
    /// Listens from now on; also returns the value of `NOTIFY_SOCKET`. None if there can be no socket.
    pub(super) fn listen(clock: Clock) -> Option<(Self, String)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // An abstract name leaves no file behind.
        let name = format!("winddown-check-{}-{count}", std::process::id());
        let socket = StdDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).ok()?).ok()?;
        socket.set_nonblocking(true).ok()?;
        let messages = Self::default();
        tokio::spawn(messages.clone().take(UnixDatagram::from_std(socket).ok()?, clock));
        Some((messages, format!("@{name}")))
    }

    async fn take(self, socket: UnixDatagram, clock: Clock) {
        let mut message = [0; MESSAGE_BYTES_MAX];
        while let Ok(length) = socket.recv(&mut message).await {
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            let mut kept = self.kept();
            if kept.len() < COUNT_MAX {
                kept.push((now_ms(clock), text));
            }
            drop(kept);
            self.news.notify_waiters();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(u64, String)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a message.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The lines that came after the signal; none if the server never sent anything.
    pub(super) fn after(&self, signal_at_ms: u64) -> Option<Vec<String>> {
        let kept = self.kept();
        let is_its_own = |text: &str| !text.contains(ASKED_BY_US);
        let all: Vec<_> = kept.iter().filter(|(_, text)| is_its_own(text)).collect();
        let after = all.iter().filter(|(at_ms, _)| *at_ms >= signal_at_ms);
        (!all.is_empty()).then(|| after.flat_map(|(_, text)| text.lines()).map(str::to_owned).collect())
    }

    /// Whether the server has sent READY=1.
    pub(super) fn is_ready(&self) -> bool {
        self.kept().iter().any(|(_, text)| text.lines().any(|line| line == "READY=1"))
    }
}
