//! Connections to a server, to see who answers.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt::PeerCredentials,
};

/// An open connection, and what the kernel knows of its other end.
#[derive(Debug)]
pub(crate) struct Reached {
    /// For TCP: our own address, and the server's.
    pub(crate) ends: Option<(SocketAddr, SocketAddr)>,
    /// For a unix socket: the process that began to listen there.
    pub(crate) listener: Option<i32>,
    _open: OwnedFd,
}

/// Connects by TCP.
///
/// # Errors
/// When nobody accepts within this time.
pub(crate) fn tcp(to: SocketAddr, patience: Duration) -> io::Result<Reached> {
    let stream = TcpStream::connect_timeout(&to, patience)?;
    let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
    Ok(Reached { ends, listener: None, _open: stream.into() })
}

/// Connects to a unix socket, `@name` for an abstract one. Never waits: a full queue is an error.
///
/// # Errors
/// When nobody accepts.
pub(crate) fn unix(path: &str) -> io::Result<Reached> {
    let address = match path.strip_prefix('@') {
        Some(name) => UnixAddr::new_abstract(name.as_bytes())?,
        None => UnixAddr::new(path)?,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let open = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(open.as_raw_fd(), &address)?;
    let listener = getsockopt(&open, PeerCredentials).ok().map(|peer| peer.pid()).filter(|pid| *pid > 0);
    Ok(Reached { ends: None, listener, _open: open })
}
