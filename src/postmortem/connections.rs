//! Connections of a process: which of them clients opened, and which it opened itself.

use super::look::{SeenProcess, Socket};
use super::series::Series;
use super::words;

impl<'a> Series<'a> {
    /// Whether a client opened it: its local address is one that the tree listened on, or the port numbers say so.
    pub(super) fn is_accepted(&self, socket: &Socket) -> bool {
        // Among connected Unix sockets only accepted ones have a name.
        socket.is_connected()
            && (socket.protocol == "unix"
                || self.was_listened_on(&socket.local)
                || (self.is_of_client(&socket.peer) == Some(true) && self.was_bound(socket)))
    }

    /// The kernel has not picked the local port for a connect. Where it has picked both ports, it prefers odd ones for
    /// bind, and even ones for connect.
    fn was_bound(&self, socket: &Socket) -> bool {
        let both = port(&socket.local).zip(port(&socket.peer));
        let is_odd = both.is_some_and(|(local, peer)| local % 2 == 1 && peer % 2 == 0);
        self.is_of_client(&socket.local) == Some(false) || (is_odd && socket.server.is_none())
    }

    /// Whether the process itself opened it.
    pub(super) fn is_own(&self, socket: &Socket) -> bool {
        let is_open = socket.protocol == "tcp" && (socket.is_connected() || socket.is_connecting());
        is_open
            && self.is_of_client(&socket.local) == Some(true)
            && !self.was_listened_on(&socket.local)
            && (socket.server.is_some() || self.is_of_client(&socket.peer) == Some(false))
    }

    /// The connections that it opened itself.
    pub(super) fn own_connections(&self) -> impl Iterator<Item = &'a Socket> {
        sockets(self.last).filter(|socket| self.is_own(socket))
    }

    /// The other end of its only connection, if it opened that itself.
    pub(super) fn only_peer(&self) -> Option<String> {
        let mut all = sockets(self.last).filter(|socket| !socket.peer.is_empty());
        let only = all.next().filter(|_| all.next().is_none())?;
        self.is_own(only).then(|| words::peer(only))
    }

    /// The same socket in the look before, if there is one.
    pub(super) fn previous_of(&self, socket: &Socket) -> Option<&'a Socket> {
        let (_, previous) = self.after.iter().rev().nth(1)?;
        sockets(previous).find(|before| before.local == socket.local && before.peer == socket.peer)
    }

    /// Whether the port is one of those that the kernel gives to clients.
    fn is_of_client(&self, address: &str) -> Option<bool> {
        let (first, last) = self.looks.last()?.client_ports;
        Some((first..=last).contains(&port(address)?))
    }

    fn was_listened_on(&self, address: &str) -> bool {
        let all = self.looks.iter().flat_map(|look| &look.processes).flat_map(sockets);
        let mut listened = all.filter(|socket| socket.listens());
        port(address).is_some_and(|local| listened.any(|one| port(&one.local) == Some(local)))
    }
}

fn sockets(seen: &SeenProcess) -> impl Iterator<Item = &Socket> {
    seen.files.iter().filter_map(|file| file.socket.as_ref())
}

fn port(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}
