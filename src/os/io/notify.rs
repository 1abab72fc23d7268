//! Sockets of `sd_notify(3)`: the workload's, and that of winddown's own parent.

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, bind, sendmsg, setsockopt, socket,
    socketpair, sockopt,
};

use super::closing::Closing;
use super::datagram::{self, Datagram, SO_PASSPIDFD, SO_PASSRIGHTS};
use super::descriptor::{above_standard, is_readable};
use crate::lifecycle::event::Answer;
use crate::notify::{MESSAGE_BYTES_MAX, extension};
use crate::os::random;
use crate::os::signal::wake;

/// Answers to a request for more time; a refusal may be followed by the milliseconds that could be had.
const GRANTED: &str = "granted";
const AT_MOST: &str = "refused ";

/// The socket for the workload's messages. Its name can't be guessed, but any process in the network
/// namespace can look it up (`/proc/net/unix`): the sender of each message is checked.
#[derive(Debug)]
pub(crate) struct Inlet {
    socket: OwnedFd,
    name: String,
}

impl Inlet {
    /// Opens a socket with a new name, which raises SIGIO in this process when a message arrives.
    ///
    /// # Errors
    /// When no descriptor is left or no random number can be had.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = above_standard(datagram_socket()?)?;
        // Enough bytes that no other name is the same.
        let random = random::bytes::<{ size_of::<u128>() }>()?;
        let name = format!("@winddown-{:032x}", u128::from_ne_bytes(random));
        bind(socket.as_raw_fd(), &address(OsStr::new(&name))?)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        // Older kernels don't support it: then a sender is known by its id only.
        set_option(&socket, SO_PASSPIDFD, true);
        wake::raise_when_readable(&socket)?;
        Ok(Self { socket, name })
    }

    /// Its name, as in `NOTIFY_SOCKET`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its descriptor, to be kept open.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The next message, without waiting; nothing if there is none.
    pub(crate) fn next(&self) -> Option<Datagram> {
        // One byte more than allowed shows that a message is too long; a zero at the end does not count.
        datagram::receive(&self.socket, MESSAGE_BYTES_MAX + 2)
    }

    /// Refuses messages with descriptors, or takes them again. Older kernels don't support that, and take all
    /// of them.
    pub(crate) fn refuse_descriptors(&self, refuses: bool) {
        set_option(&self.socket, SO_PASSRIGHTS, !refuses);
    }

    /// Answers a request for more time: granted, or how much could be had. Never waits.
    pub(crate) fn answer(&self, datagram: &Datagram, answer: Answer) {
        let to = datagram.answer_to.as_ref().and_then(|name| UnixAddr::new_abstract(name).ok());
        let Some(to) = to else { return };
        let text = match answer {
            Answer::Granted => GRANTED.to_owned(),
            Answer::Refused(None) => "refused".to_owned(),
            Answer::Refused(Some(at_most)) => format!("{AT_MOST}{}", at_most.as_millis()),
        };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let text = [IoSlice::new(text.as_bytes())];
        let _ = sendmsg(self.socket.as_raw_fd(), &text, &[], flags, Some(&to));
    }
}

impl From<Inlet> for OwnedFd {
    fn from(inlet: Inlet) -> Self {
        inlet.socket
    }
}

fn set_option(socket: &OwnedFd, option: i32, value: bool) {
    let (value, size) = (i32::from(value), libc::socklen_t::try_from(size_of::<i32>()).unwrap_or_default());
    let place = std::ptr::from_ref(&value).cast();
    // SAFETY: `place` is valid for reads and as large as the size says.
    unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, place, size) };
}

/// Sends to the socket of winddown's own parent. What can't be sent at once is lost: it never holds us up.
#[derive(Debug)]
pub(crate) struct Outlet {
    socket: OwnedFd,
    /// None if messages go through the outer process.
    to: Option<UnixAddr>,
}

impl Outlet {
    /// Opens a way to the socket of this name.
    ///
    /// # Errors
    /// When the name is invalid, or no descriptor is left.
    pub(crate) fn open(name: &OsStr) -> io::Result<Self> {
        Ok(Self { to: Some(address(name)?), socket: above_standard(datagram_socket()?)? })
    }

    /// Sends a message, with descriptors.
    pub(crate) fn send(&self, text: &[u8], descriptors: &[OwnedFd]) {
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(text)], control, flags, self.to.as_ref());
    }

    /// Its descriptor, to be kept open.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Passes messages on in the outer process: a service manager takes them only from its service's main
/// process, and that is the outer one.
#[derive(Debug)]
pub(crate) struct Relay {
    from: OwnedFd,
    /// The parent.
    pub(crate) to: Outlet,
    /// Descriptors of messages that were passed on.
    pub(crate) closing: Closing,
}

impl Relay {
    /// At most this many messages are passed on before signals are taken.
    const BATCH: usize = 64;

    /// Puts a relay in front of this outlet, and returns the outlet for the inner process with it. Raises
    /// SIGIO in this process when there is a message to pass on.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn new(to: Outlet) -> io::Result<(Self, Outlet)> {
        // Not datagrams: the kernel would queue only a few.
        let (family, kind) = (AddressFamily::Unix, SockType::SeqPacket);
        let (from, inner) = socketpair(family, kind, None, SockFlag::SOCK_CLOEXEC)?;
        let (from, inner) = (above_standard(from)?, above_standard(inner)?);
        wake::raise_when_readable(&from)?;
        Ok((Self { from, to, closing: Closing::default() }, Outlet { socket: inner, to: None }))
    }

    /// Passes on waiting messages, up to a batch; returns true if there may be more.
    pub(crate) fn pass_on(&mut self) -> bool {
        for _ in 0..Self::BATCH {
            if self.closing.is_full() {
                return false;
            }
            let datagram = datagram::receive(&self.from, MESSAGE_BYTES_MAX + 2);
            // An empty message means that the inner process has ended.
            let Some(datagram) = datagram.filter(|datagram| !datagram.bytes.is_empty()) else { return false };
            self.to.send(&datagram.bytes, &datagram.descriptors);
            self.closing.add(datagram.descriptors);
        }
        true
    }

    /// The descriptors that must stay open.
    pub(crate) fn descriptors(&self) -> [RawFd; 2] {
        [self.from.as_raw_fd(), self.to.descriptor()]
    }
}

fn datagram_socket() -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?)
}

/// `/path`, or `@name` in the abstract name space.
fn address(name: &OsStr) -> io::Result<UnixAddr> {
    let bytes = name.as_bytes();
    Ok(match bytes.first() {
        Some(b'@') => UnixAddr::new_abstract(&bytes[1..])?,
        Some(b'/') => UnixAddr::new(bytes)?,
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    })
}

/// For the workload: requests more time, and waits for the answer.
///
/// # Errors
/// When no winddown can be reached, or no answer arrives in time.
pub(crate) fn ask_for_time(name: &OsStr, by: Duration, patience: Duration) -> io::Result<Answer> {
    let socket = datagram_socket()?;
    // The kernel chooses a name, to which the answer is sent.
    bind(socket.as_raw_fd(), &UnixAddr::new_unnamed())?;
    let text = extension(by);
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(text.as_bytes())],
        &[],
        MsgFlags::MSG_NOSIGNAL,
        Some(&address(name)?),
    )?;
    if !is_readable(socket.as_raw_fd(), patience) {
        return Err(Errno::ETIMEDOUT.into());
    }
    let mut answer = [0; 32];
    let length = nix::unistd::read(&socket, &mut answer)?;
    let answer = std::str::from_utf8(&answer[..length]).unwrap_or_default();
    if answer == GRANTED {
        return Ok(Answer::Granted);
    }
    let at_most = answer.strip_prefix(AT_MOST).and_then(|ms| ms.parse().ok());
    Ok(Answer::Refused(at_most.map(Duration::from_millis)))
}
