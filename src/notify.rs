//! Messages of `sd_notify(3)`: what they say, and what of them goes on to winddown's own parent.
//! Pure: any bytes can be read.

use std::time::Duration;

/// A receiver takes no longer ones, as systemd has it.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// One line that concerns winddown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    /// The start is done, or a reload.
    Ready,
    /// It is alive.
    Alive,
    /// It is not: it wants to be treated as if it had fallen silent.
    Ailing,
    /// It asks for so much more time.
    Extend(Duration),
    /// Who is to be asked first.
    MainPid(i32),
    /// Its sender waits until everything before it was handled.
    Barrier,
}

/// A message in parts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// What concerns winddown, in its order.
    pub items: Vec<Item>,
    /// What goes on to winddown's parent as it is.
    pub relayed: String,
    /// Whether the descriptors that came with it go on as well.
    pub relays_descriptors: bool,
}

/// Lines that a parent is told unchanged. `MAINPID` is not among them: for the parent that is winddown.
const RELAYED: [&str; 15] = [
    "READY",
    "RELOADING",
    "MONOTONIC_USEC",
    "STOPPING",
    "STATUS",
    "ERRNO",
    "BUSERROR",
    "VARLINKERROR",
    "WATCHDOG",
    "WATCHDOG_USEC",
    "FDSTORE",
    "FDSTOREREMOVE",
    "FDNAME",
    "FDPOLL",
    "RESTART_RESET",
];

impl Message {
    /// Reads a datagram; nothing if it is none of the protocol's: too long, not text, or with a NUL
    /// before its end.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).ok()?;
        if bytes.len() > MESSAGE_BYTES_MAX || text.contains('\0') {
            return None;
        }
        let mut message = Self::default();
        for line in text.lines() {
            message.line(line);
        }
        Some(message)
    }

    fn line(&mut self, line: &str) {
        let Some((name, value)) = line.split_once('=') else { return };
        self.items.extend(item(name, value));
        if RELAYED.contains(&name) {
            self.relayed.push_str(line);
            self.relayed.push('\n');
            self.relays_descriptors |= name == "FDSTORE";
        }
    }

    /// Whether it is a barrier, which comes alone.
    #[must_use]
    pub fn is_barrier(&self) -> bool {
        self.items.contains(&Item::Barrier)
    }
}

fn item(name: &str, value: &str) -> Option<Item> {
    match (name, value) {
        ("READY", "1") => Some(Item::Ready),
        ("WATCHDOG", "1") => Some(Item::Alive),
        ("WATCHDOG", "trigger") => Some(Item::Ailing),
        ("BARRIER", "1") => Some(Item::Barrier),
        ("EXTEND_TIMEOUT_USEC", value) => {
            let length = Duration::from_micros(value.parse().ok()?);
            (!length.is_zero()).then_some(Item::Extend(length))
        }
        ("MAINPID", value) => value.parse().ok().filter(|pid| *pid > 1).map(Item::MainPid),
        _ => None,
    }
}

/// What winddown tells its parent at the beginning of a stop, and when the deadline has moved: so much
/// time is needed, whatever limit the parent has of its own.
#[must_use]
pub fn stopping(status: &str, needed: Option<Duration>) -> String {
    /// Without a limit of ours, long enough for anybody.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let needed = needed.unwrap_or(YEAR).min(YEAR);
    format!("STOPPING=1\nSTATUS={status}\n{}", extension(needed))
}

/// A request for so much more time.
#[must_use]
pub fn extension(by: Duration) -> String {
    format!("EXTEND_TIMEOUT_USEC={}\n", by.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_winddown_is_read_and_the_rest_is_left() {
        let message = Message::read(b"READY=1\nSTATUS=all is well\nX_OWN=1\nMAINPID=17\nnonsense\n\0");
        let message = message.expect("text");
        assert_eq!(message.items, [Item::Ready, Item::MainPid(17)]);
        assert_eq!(message.relayed, "READY=1\nSTATUS=all is well\n");
        assert!(!message.relays_descriptors);
    }

    #[test]
    fn values_that_mean_nothing_are_left_out() {
        for line in ["READY=0", "EXTEND_TIMEOUT_USEC=0", "EXTEND_TIMEOUT_USEC=-1", "MAINPID=1", "MAINPID=x"] {
            assert_eq!(Message::read(line.as_bytes()).expect("text").items, [], "{line}");
        }
        let long = Message::read(b"EXTEND_TIMEOUT_USEC=18446744073709551615").expect("text");
        assert_eq!(long.items, [Item::Extend(Duration::from_micros(u64::MAX))]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(Message::read(b"READY=1\0X=1"), None);
        assert_eq!(Message::read(b"\xff"), None);
        assert_eq!(Message::read(&[b'x'; MESSAGE_BYTES_MAX + 1]), None);
        assert_eq!(Message::read(b""), Some(Message::default()));
    }

    #[test]
    fn a_parent_is_told_how_long_it_takes() {
        let told = stopping("stopping", Some(Duration::from_secs(2)));
        assert_eq!(told, "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=2000000\n");
        assert!(stopping("", None).ends_with("EXTEND_TIMEOUT_USEC=31536000000000\n"));
    }
}
