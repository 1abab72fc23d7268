//! The signals that end a test.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use futures_core::Stream;
use signal_hook_tokio::Signals;

use crate::lifecycle::signal::Signal;
use crate::os::signal::receive;

const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// Interrupts that have come, even if the caller had them ignored.
pub(super) struct Interrupts(Signals);

impl Interrupts {
    /// Takes them from now on. Every signal has been blocked since the start: with the handlers in place these are
    /// unblocked, and one that is pending arrives now.
    pub(super) fn take() -> io::Result<Self> {
        let signals = Signals::new(ENDING.map(Signal::number))?;
        receive::unblock(ENDING.into_iter().collect());
        Ok(Self(signals))
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Signal {
        let number = poll_fn(|context| Pin::new(&mut self.0).poll_next(context)).await;
        // The stream does not end while we hold it.
        number.and_then(Signal::new).unwrap_or(Signal::TERM)
    }
}
