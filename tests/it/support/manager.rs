//! The notification socket of a service manager.

use std::io::IoSliceMut;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

use super::{PATIENCE, TempDir, unique};

/// The socket that winddown's own parent listens on.
pub(crate) struct Manager {
    socket: UnixDatagram,
    name: String,
    _place: Option<TempDir>,
}

/// A message that arrived.
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) pid: i32,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Manager {
    /// Listens in the abstract namespace.
    pub(crate) fn new() -> Self {
        let name = format!("winddown-test-{}", unique());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        let socket = UnixDatagram::bind_addr(&address).expect("a new name");
        Self::with(socket, format!("@{name}"), None)
    }

    /// Listens at a path.
    pub(crate) fn with_path() -> Self {
        let place = TempDir::new();
        let name = place.file("notify");
        Self::with(UnixDatagram::bind(&name).expect("a new name"), name, Some(place))
    }

    fn with(socket: UnixDatagram, name: String, place: Option<TempDir>) -> Self {
        setsockopt(&socket, sockopt::PassCred, &true).expect("a socket");
        Self { socket, name, _place: place }
    }

    /// The address as `NOTIFY_SOCKET` gives it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next message, if one arrives in time.
    pub(crate) fn next_within(&self, patience: std::time::Duration) -> Option<Told> {
        let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(patience).expect("a short time");
        if poll(&mut ready, patience) != Ok(1) {
            return None;
        }
        let mut bytes = [0; 8192];
        let mut control = nix::cmsg_space!(libc::ucred, [RawFd; 253]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let message = message.expect("a message");
        let (mut pid, mut descriptors) = (0, Vec::new());
        for part in message.cmsgs().expect("room for all") {
            match part {
                ControlMessageOwned::ScmCredentials(from) => pid = from.pid(),
                ControlMessageOwned::ScmRights(numbers) => {
                    // SAFETY: the kernel has just installed these descriptors, and nothing else owns them.
                    descriptors.extend(numbers.iter().map(|number| unsafe { OwnedFd::from_raw_fd(*number) }));
                }
                _ => {}
            }
        }
        let length = message.bytes;
        Some(Told { text: String::from_utf8_lossy(&bytes[..length]).into_owned(), pid, descriptors })
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn next(&self) -> Told {
        self.next_within(PATIENCE).expect("a message in time")
    }

    /// The first of the next messages that contains this text, and those that came before it.
    #[track_caller]
    pub(crate) fn until(&self, part: &str) -> (Told, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let found = self.next_within(PATIENCE).unwrap_or_else(|| panic!("no {part:?}, but {before:#?}"));
            if found.text.contains(part) {
                return (found, before);
            }
            before.push(found.text);
        }
    }
}
