//! Messages of `sd_notify(3)`: what they say, and what is passed on to winddown's own parent. Any bytes can be read.

use std::time::Duration;

/// Longer messages are refused, as by systemd.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4096;

/// systemd ends a line at either (`NEWLINE` in its string-util.h). A `\r` that winddown took for part of a value
/// would start a line of its own for the parent.
pub(crate) const LINE_ENDS: [char; 2] = ['\n', '\r'];

/// One line that winddown acts on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    /// Starting up is done, or a reload.
    Ready,
    /// The workload is alive.
    Alive,
    /// The workload is not well: it is to be treated as if it had fallen silent.
    Ailing,
    /// The workload asks for this much more time.
    Extend(Duration),
    /// The process to ask first.
    MainPid(i32),
    /// The sender waits until everything before it has been handled.
    Barrier,
}

/// A parsed message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Message {
    /// The lines that winddown acts on, in order.
    pub(crate) items: Vec<Item>,
    /// The lines that are passed on to winddown's parent unchanged.
    pub(crate) relayed: String,
    /// Whether the descriptors that came with it are passed on, too.
    pub(crate) relays_descriptors: bool,
}

/// Lines that are passed on unchanged. `MAINPID` is not among them: for the parent, winddown is the main process.
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
    /// Reads a datagram; `None` if it is not a message: too long, not valid UTF-8, or with a NUL before its end.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).ok()?;
        if bytes.len() > MESSAGE_BYTES_MAX || text.contains('\0') {
            return None;
        }
        let mut message = Self::default();
        for line in text.split(LINE_ENDS) {
            message.line(line);
        }
        Some(message)
    }

    /// Leaves out of what is passed on whether the workload is ready: winddown tells the parent that itself. A reload
    /// would have to end with READY=1, so it is left out, too.
    pub(crate) fn keep_readiness(&mut self) {
        self.keep(&["READY", "RELOADING", "MONOTONIC_USEC"]);
    }

    /// Leaves out that the workload stops: another try may follow.
    pub(crate) fn keep_stop(&mut self) {
        self.keep(&["STOPPING"]);
    }

    fn keep(&mut self, names: &[&str]) {
        let is_kept = |line: &&str| line.split_once('=').is_some_and(|(name, _)| names.contains(&name));
        self.relayed = self.relayed.split_inclusive('\n').filter(|line| !is_kept(line)).collect();
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

    /// Whether it is a barrier; a barrier comes alone.
    pub(crate) fn is_barrier(&self) -> bool {
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

/// The message to winddown's parent at the beginning of a stop, and whenever the deadline moves: how much time is
/// needed, whatever limit of its own the parent has.
pub(crate) fn stopping(status: &str, needed: Option<Duration>) -> String {
    /// Without a time limit: long enough for any stop.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let needed = needed.unwrap_or(YEAR).min(YEAR);
    format!("STOPPING=1\n{}{}", self::status(status), extension(needed))
}

/// What winddown's parent shows about the service.
pub(crate) fn status(text: &str) -> String {
    format!("STATUS={text}\n")
}

/// A request for this much more time.
pub(crate) fn extension(by: Duration) -> String {
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
    fn a_line_ends_where_the_parent_sees_its_end() {
        let message = Message::read(b"STATUS=up\rMAINPID=17\rBARRIER=1\r\nREADY=1\r\r\n").expect("text");
        assert_eq!(message.items, [Item::MainPid(17), Item::Barrier, Item::Ready]);
        assert_eq!(message.relayed, "STATUS=up\nREADY=1\n");
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
    fn a_parent_learns_how_long_it_takes() {
        let message = stopping("stopping", Some(Duration::from_secs(2)));
        assert_eq!(message, "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=2000000\n");
        assert!(stopping("", None).ends_with("EXTEND_TIMEOUT_USEC=31536000000000\n"));
    }
}
