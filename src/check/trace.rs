//! What `-v` logs on stderr: each step of each run.

use std::fmt;
use std::io;

use tracing::subscriber::set_global_default;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::check::observed::Listener;
use crate::observe::log::Format;
use crate::os::clock::Clock;

/// Logs events from now on.
pub(super) fn begin(format: Format, clock: Clock) {
    // If the reader of stderr has gone, neither end nor complain there.
    let to_stderr =
        tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).log_internal_errors(false);
    // There is no other subscriber.
    let _ = match format {
        Format::Text => set_global_default(to_stderr.with_ansi(false).with_timer(SinceStart(clock)).finish()),
        Format::Json => {
            let lines = to_stderr.json().flatten_event(true).with_span_list(false);
            set_global_default(lines.with_timer(WallTime(clock)).finish())
        }
    };
}

/// For people: seconds since the start.
struct SinceStart(Clock);

impl FormatTime for SinceStart {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write!(line, "{:7.3}", self.0.now().as_secs_f64())
    }
}

/// For programs, which mix these lines with those of others.
struct WallTime(Clock);

impl FormatTime for WallTime {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        let time = self.0.started_wall() + self.0.now();
        write!(line, "{}", humantime::format_rfc3339_millis(time))
    }
}

/// All addresses in one field.
pub(super) fn addresses(listeners: &[Listener]) -> String {
    listeners.iter().map(|listener| listener.address.as_str()).collect::<Vec<_>>().join(", ")
}
