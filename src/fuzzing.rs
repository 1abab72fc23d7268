//! Everything that parses untrusted input, callable with any bytes: by the fuzzer (`fuzz/`), and by the test below
//! with the inputs that the fuzzer found worth keeping.

use std::ffi::{OsStr, OsString};
use std::io::{IoSlice, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::cli::{self, Request};
use crate::lifecycle::signal::Signal;
use crate::notify::{LINE_ENDS, MESSAGE_BYTES_MAX, Message};
use crate::os::io::notify::Inlet;
use crate::os::process::{cgroup, procfs, spawn_error};
use crate::os::signal::receive;
use crate::os::snapshot;
#[cfg(feature = "check")]
use crate::{check, report};

/// The kernel's limit for one message.
const DESCRIPTORS_MAX: usize = 253;

/// A fuzz target.
pub type FuzzTarget = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: &[(&str, FuzzTarget)] = &[
    ("messages", messages),
    ("plans", plans),
    ("words", words),
    ("proc_files", proc_files),
    #[cfg(feature = "check")]
    ("records", records),
    #[cfg(feature = "check")]
    ("answers", answers),
];

/// A message to the socket of `sd_notify`: how many descriptors come with it, and its text.
///
/// # Panics
/// If anything is lost or kept.
pub fn messages(bytes: &[u8]) {
    static INLET: Mutex<Option<Inlet>> = Mutex::new(None);
    let Some((count, text)) = bytes.split_first() else { return };
    if let Some(message) = Message::read(text) {
        assert!(message.items.len() <= text.split(|byte| LINE_ENDS.contains(&char::from(*byte))).count());
        let again = Message::read(message.relayed.as_bytes()).expect("what is passed on is a message");
        assert_eq!(again.relayed, message.relayed);
    }
    let mut inlet = INLET.lock().unwrap_or_else(PoisonError::into_inner);
    let inlet = inlet.get_or_insert_with(|| {
        // The socket raises SIGIO.
        receive::set_ignored(Signal::IO, true);
        Inlet::open().expect("a socket")
    });
    let (mut watched, sent) = std::io::pipe().expect("a pipe");
    let numbers: Vec<RawFd> = vec![sent.as_raw_fd(); usize::from(*count).min(DESCRIPTORS_MAX)];
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
    let socket = UnixDatagram::unbound().expect("a socket");
    let to = SocketAddr::from_abstract_name(inlet.name().trim_start_matches('@')).expect("a name");
    socket.connect_addr(&to).expect("a socket of that name");
    // A message longer than the socket takes is not sent.
    if sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(text)], control, MsgFlags::empty(), None).is_err() {
        return;
    }
    drop(sent);
    let datagram = inlet.next().expect("what was sent");
    assert_eq!(datagram.bytes, text[..text.len().min(MESSAGE_BYTES_MAX + 2)]);
    assert_eq!(datagram.sender.as_ref().map(|sender| sender.pid.cast_unsigned()), Some(std::process::id()));
    assert_eq!(datagram.descriptors.len(), numbers.len());
    drop(datagram);
    // The read ends once no process has the other end open.
    assert_eq!(watched.read(&mut [0]).expect("a pipe"), 0);
}

/// A file for `report`: the story of its records, their table, and their page.
///
/// # Panics
/// If text from a record could control the terminal.
#[cfg(feature = "check")]
pub fn records(bytes: &[u8]) {
    for text in report::everything_printed(bytes) {
        let commands = |character: char| character.is_control() && character != '\n';
        assert!(!text.contains(commands), "{text:?}");
    }
}

/// A stop plan or another value, and the explanation of a plan.
pub fn plans(bytes: &[u8]) {
    let plan = OsStr::from_bytes(without_zeros(bytes));
    if !cli::parse_any(&plan.to_string_lossy()) {
        return;
    }
    let mut option = OsString::from("--stop=");
    option.push(plan);
    for more in [None, Some("--explain-plan"), Some("--time-limit=infinity"), Some("--run-limit=3s")] {
        let words = ["winddown"].into_iter().chain(more).map(OsString::from);
        understand(&words.chain([option.clone(), "true".into()]).collect::<Vec<_>>(), &[]);
    }
}

/// The words of a command line, separated by NUL bytes; `NAME=VALUE` after a space is a variable.
pub fn words(bytes: &[u8]) {
    let mut words = vec![OsString::from("winddown")];
    let mut variables = Vec::new();
    for word in bytes.split(|byte| *byte == 0) {
        let variable = word.strip_prefix(b" ").and_then(|word| {
            let end = word.iter().position(|byte| *byte == b'=')?;
            Some([&word[..end], &word[end + 1..]].map(|part| OsStr::from_bytes(part).to_owned()))
        });
        match variable {
            Some([name, value]) => variables.push((name, value)),
            None => words.push(OsStr::from_bytes(word).to_owned()),
        }
    }
    understand(&words, &variables);
    #[cfg(feature = "check")]
    let _ = (check::understand_any(&words), report::understand_any(&words));
}

/// A file of /proc, or the start of a file that can't be executed.
pub fn proc_files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    procfs::parse_any(&text);
    snapshot::parse_any(&text);
    cgroup::parse_any(&text);
    spawn_error::parse_any(bytes);
}

/// What a server answers to a request of `check`, and what it prints.
#[cfg(feature = "check")]
pub fn answers(bytes: &[u8]) {
    check::answered(bytes);
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The words are accepted, or refused with a reason.
fn understand(words: &[OsString], variables: &[(OsString, OsString)]) {
    for is_pid_1 in [false, true] {
        match cli::parse(words, variables, is_pid_1) {
            Ok(Request::Run(settings)) => assert!(!settings.command.is_empty()),
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty(), "refused without a reason"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs kept from `cargo fuzz`: they reach different code, or once showed a fault.
    #[test]
    fn what_the_fuzzer_has_kept_is_read() {
        for (name, target) in TARGETS {
            let folder = format!("{}/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
            let mut count = 0;
            for file in files {
                target(&std::fs::read(file.expect("an entry").path()).expect("a file"));
                count += 1;
            }
            assert!(count > 0, "{folder} is empty");
        }
    }
}
