//! What a program sends to its supervisor by `sd_notify(3)`, and what it finds in its token.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::{Process, Words, usage};

/// The most descriptors that a message can carry.
const MOST: usize = 253;

impl Process {
    /// The flags of the table of messages.
    pub(crate) fn notify_action(&mut self, flag: &str, words: &mut Words) -> bool {
        match flag {
            "--tell" => send_text(&text(words.word())),
            "--tell-times" => {
                let count: usize = words.number();
                let text = text(words.word());
                let socket = socket();
                for _ in 0..count {
                    send(&socket, &text, &[]);
                }
            }
            "--tell-size" => {
                let size: usize = words.number();
                let mut text = b"STATUS=".to_vec();
                text.resize(size, b'x');
                send_text(&text);
            }
            "--tell-fds" => {
                let count: usize = words.number();
                send(&socket(), &text(words.word()), &vec![2; count.min(MOST)]);
            }
            "--barrier" => {
                let (read_end, write_end) = pipe();
                send(&socket(), b"BARRIER=1", &[write_end.as_raw_fd()]);
                drop(write_end);
                poll(read_end.as_raw_fd(), -1);
                self.line("barrier over");
            }
            "--await" => {
                poll(token(), -1);
                self.line("token readable");
            }
            "--look" => {
                let (by_poll, by_select) = (poll(token(), 0), select(token()));
                self.line(&format!("readable {by_poll} {by_select}"));
            }
            "--drain" => {
                let mut buffer = [0_u8; 4096];
                let mut count = 0;
                // To the end: winddown closes the pipe a moment after it has written the text.
                loop {
                    // SAFETY: the buffer is live for the whole call.
                    let length = unsafe { libc::read(token(), buffer.as_mut_ptr().cast(), buffer.len()) };
                    if length <= 0 {
                        break;
                    }
                    count += length;
                }
                self.line(&format!("drained {count}"));
            }
            _ => return false,
        }
        true
    }
}

/// `;` stands for the end of a line, `~` for NUL, `%` for a byte that is not valid UTF-8, `SELF` for the process's pid.
pub(crate) fn text(word: &str) -> Vec<u8> {
    let byte = |byte| match byte {
        b';' => b'\n',
        b'~' => 0,
        b'%' => 0xff,
        other => other,
    };
    let pid = std::process::id().to_string();
    word.replace("SELF", &pid).bytes().map(byte).collect()
}

/// Sends a message with one descriptor.
pub(crate) fn send_with(text: &[u8], descriptor: RawFd) {
    send(&socket(), text, &[descriptor]);
}

fn send_text(text: &[u8]) {
    send(&socket(), text, &[]);
}

fn socket() -> UnixDatagram {
    let name = std::env::var_os("NOTIFY_SOCKET").unwrap_or_else(|| usage("no NOTIFY_SOCKET"));
    let socket = UnixDatagram::unbound().unwrap_or_else(|error| usage(&format!("no socket: {error}")));
    let address = match name.as_bytes().split_first() {
        Some((b'@', rest)) => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(OsStr::new(&name)),
    };
    let connected = address.and_then(|address| socket.connect_addr(&address));
    connected.unwrap_or_else(|error| usage(&format!("no connection to {}: {error}", name.display())));
    socket
}

/// Sends a message. Waits for room, as clients do; a missing supervisor is not a mistake of the test.
fn send(socket: &UnixDatagram, text: &[u8], descriptors: &[RawFd]) {
    let mut part = libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: text.len() };
    let bytes = size_of_val(descriptors);
    // Aligned as the kernel requires.
    let mut control = [0_u64; 256];
    // SAFETY: plain data, for which zeros are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !descriptors.is_empty() {
        let length = u32::try_from(bytes).unwrap_or(0);
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: the buffer has room for a header and all descriptors.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(length) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(length) as _;
            std::ptr::copy_nonoverlapping(descriptors.as_ptr().cast(), libc::CMSG_DATA(header), bytes);
        }
    }
    // SAFETY: everything that the message points to outlives the call.
    unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
}

fn token() -> RawFd {
    let number = std::env::var("SHUTDOWN_FD").ok().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| usage("no SHUTDOWN_FD"))
}

fn poll(descriptor: RawFd, wait_ms: i32) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd.
    unsafe { libc::poll(&raw mut poll, 1, wait_ms) > 0 }
}

fn select(descriptor: RawFd) -> bool {
    // SAFETY: plain data, for which zeros are valid; the descriptor is a small number.
    unsafe {
        let mut set: libc::fd_set = std::mem::zeroed();
        let mut now: libc::timeval = std::mem::zeroed();
        libc::FD_SET(descriptor, &raw mut set);
        let nothing = std::ptr::null_mut();
        libc::select(descriptor + 1, &raw mut set, nothing, nothing, &raw mut now) > 0
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [-1; 2];
    // SAFETY: room for two numbers.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        usage("no pipe");
    }
    // SAFETY: the kernel has just installed these descriptors, and nothing else owns them.
    unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) }
}
