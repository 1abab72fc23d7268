//! Sockets of `sd_notify(3)`: the one that the workload writes to, and that of winddown's own parent.

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

use super::datagram::{self, Datagram, SO_PASSPIDFD};
use super::descriptor::{above_standard, is_readable};
use crate::notify::{MESSAGE_BYTES_MAX, extension};

/// Where the workload's messages come in. Its name can't be guessed, but whoever shares the network
/// namespace can look it up (`/proc/net/unix`): who sends is looked at with each message.
#[derive(Debug)]
pub struct Inlet {
    socket: OwnedFd,
    name: String,
}

impl Inlet {
    /// A socket of a new name, which raises SIGIO in this process when a message has come.
    ///
    /// # Errors
    /// When there is no descriptor or no random number to be had.
    pub fn open() -> io::Result<Self> {
        let socket = above_standard(datagram_socket()?)?;
        // So many bytes that no other has the same.
        let mut random = [0; size_of::<u128>()];
        // SAFETY: room for so many bytes, valid for writes for the whole call.
        let filled = unsafe { libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0) };
        if usize::try_from(filled) != Ok(random.len()) {
            return Err(io::Error::last_os_error());
        }
        let name = format!("@winddown-{:032x}", u128::from_ne_bytes(random));
        bind(socket.as_raw_fd(), &address(OsStr::new(&name))?)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        // Older kernels don't know it: then a sender is known by its id alone.
        let (one, size) = (1_i32, libc::socklen_t::try_from(size_of::<i32>()).unwrap_or_default());
        let value = std::ptr::from_ref(&one).cast();
        // SAFETY: `value` is valid for reads and as large as the size says.
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_PASSPIDFD, value, size) };
        super::link::raise_wake(&socket)?;
        Ok(Self { socket, name })
    }

    /// As `NOTIFY_SOCKET` has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its descriptor, to be kept open.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The next message, without waiting; nothing when there is none.
    #[must_use]
    pub fn next(&self) -> Option<Datagram> {
        // One byte more than there may be shows that there are more; a zero at the end does not count.
        datagram::receive(&self.socket, MESSAGE_BYTES_MAX + 2)
    }

    /// Tells the sender whether it may have the time that it asked for. Never waits.
    pub fn answer(&self, datagram: &Datagram, granted: bool) {
        let to = datagram.answer_to.as_ref().and_then(|name| UnixAddr::new_abstract(name).ok());
        let Some(to) = to else { return };
        let text: &[u8] = if granted { b"granted" } else { b"refused" };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(text)], &[], flags, Some(&to));
    }
}

/// A way to the socket of winddown's own parent. What is not taken at once is lost: it never holds us up.
#[derive(Debug)]
pub struct Outlet {
    socket: OwnedFd,
    /// None when it goes by way of the outer process.
    to: Option<UnixAddr>,
}

impl Outlet {
    /// A way to the socket of that name.
    ///
    /// # Errors
    /// When the name is none, or there is no descriptor left.
    pub fn open(name: &OsStr) -> io::Result<Self> {
        Ok(Self { to: Some(address(name)?), socket: above_standard(datagram_socket()?)? })
    }

    /// Sends a message, and descriptors with it.
    pub fn send(&self, text: &[u8], descriptors: &[OwnedFd]) {
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(text)], control, flags, self.to.as_ref());
    }

    /// Its descriptor, to be kept open.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The outer process's part in it. A service manager takes messages of its service's main process only,
/// and that is the outer one.
#[derive(Debug)]
pub struct Relay {
    from: OwnedFd,
    /// To the parent itself.
    pub to: Outlet,
}

impl Relay {
    /// So many messages before signals get their turn.
    const BATCH: usize = 64;

    /// Puts a relay into this way; the way for the inner process is returned with it. Raises SIGIO in
    /// this process when there is something to be passed on.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new(to: Outlet) -> io::Result<(Self, Outlet)> {
        // Not datagrams: only a handful of those would be kept.
        let (family, kind) = (AddressFamily::Unix, SockType::SeqPacket);
        let (from, inner) = socketpair(family, kind, None, SockFlag::SOCK_CLOEXEC)?;
        let (from, inner) = (above_standard(from)?, above_standard(inner)?);
        super::link::raise_wake(&from)?;
        Ok((Self { from, to }, Outlet { socket: inner, to: None }))
    }

    /// Passes on what there is, up to a batch; true if there may be more.
    #[must_use]
    pub fn pass_on(&self) -> bool {
        for _ in 0..Self::BATCH {
            let datagram = datagram::receive(&self.from, MESSAGE_BYTES_MAX + 2);
            // Nothing in it: the inner process has ended.
            let Some(datagram) = datagram.filter(|datagram| !datagram.bytes.is_empty()) else { return false };
            self.to.send(&datagram.bytes, &datagram.descriptors);
        }
        true
    }

    /// Descriptors to be kept open.
    #[must_use]
    pub fn descriptors(&self) -> [RawFd; 2] {
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

/// For the workload: asks for more time, and waits for the answer.
///
/// # Errors
/// When there is nobody to ask, or no answer comes.
pub fn ask_for_time(name: &OsStr, by: Duration, patience: Duration) -> io::Result<bool> {
    let socket = datagram_socket()?;
    // The kernel chooses a name: that is where the answer goes.
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
    let mut answer = [0; 16];
    let length = nix::unistd::read(&socket, &mut answer)?;
    Ok(&answer[..length] == b"granted")
}
