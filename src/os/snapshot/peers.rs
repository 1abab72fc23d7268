//! The processes of this machine that listen where clients of the workload are connected.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::files::{self, socket_inode};
use super::sockets::{self, Listening};
use crate::os::process::procfs;
use crate::postmortem::look::{Holder, Look, Socket, usual_client_ports};

/// At most this many other processes are searched for a listening socket.
const SEARCHED_MAX: usize = 500;

/// The first and the last port that the kernel gives to clients.
pub(super) fn client_ports() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    parse(&text).unwrap_or_else(usual_client_ports)
}

/// The two numbers, with a tab in between.
pub(super) fn parse(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    first.parse().ok().zip(last.trim().parse().ok())
}

/// Takes the names from an earlier snapshot: there is no time to search the machine for them.
pub(super) fn take_from(earlier: Option<&Look>, look: &mut Look) {
    let Some(earlier) = earlier else { return };
    let known = earlier.processes.iter().flat_map(|seen| &seen.files).filter_map(|file| file.socket.as_ref());
    let known: HashMap<(&str, &str), &Holder> = known
        .filter_map(|socket| Some(((socket.local.as_str(), socket.peer.as_str()), socket.server.as_ref()?)))
        .collect();
    for socket in all_sockets(look) {
        socket.server = known.get(&(socket.local.as_str(), socket.peer.as_str())).copied().cloned();
    }
}

/// Names the processes of this machine that listen at the other ends of a snapshot's connections.
pub(super) fn complete(look: &mut Look, mut known: Vec<Listening>, has_time: &dyn Fn() -> bool) {
    let ports = look.client_ports;
    let wanted: Vec<SocketAddr> =
        all_sockets(look).filter_map(|socket| local_server(socket, ports)).collect();
    if wanted.is_empty() {
        return;
    }
    if wanted.iter().any(|peer| at(&known, *peer).next().is_none()) {
        known.extend(sockets::listening_by_ipv6(has_time));
    }
    let listening: Vec<Listening> = wanted.iter().flat_map(|peer| at(&known, *peer)).collect();
    let mut found: HashMap<SocketAddr, Holder> = HashMap::new();
    let inside: Vec<i32> = look.processes.iter().map(|seen| seen.pid).collect();
    let others = procfs::pids().into_iter().flatten().filter(|pid| !inside.contains(pid));
    for pid in inside.iter().copied().chain(others.take(SEARCHED_MAX)) {
        if !has_time() || listening.iter().all(|(_, address)| found.contains_key(address)) {
            break;
        }
        let Ok((_, files)) = files::files(pid, has_time) else { continue };
        let inodes: HashSet<u64> = files.iter().filter_map(|file| socket_inode(&file.target)).collect();
        for (_, address) in listening.iter().filter(|(inode, _)| inodes.contains(inode)) {
            found.entry(*address).or_insert_with(|| Holder { pid, name: procfs::name(pid) });
        }
    }
    for socket in all_sockets(look) {
        let address = local_server(socket, ports);
        socket.server = address.and_then(|address| found.get(&address)).cloned();
    }
}

/// The sockets to which a connection to this address goes: those of exactly that address, else those of all.
fn at(all: &[Listening], peer: SocketAddr) -> impl Iterator<Item = Listening> {
    let is_exact = move |local: &SocketAddr| *local == peer;
    let is_any = move |local: &SocketAddr| local.ip().is_unspecified() && local.port() == peer.port();
    let has_exact = all.iter().any(|(_, local)| is_exact(local));
    let fits = move |(_, local): &&Listening| if has_exact { is_exact(local) } else { is_any(local) };
    all.iter().filter(fits).map(move |(inode, _)| (*inode, peer))
}

fn all_sockets(look: &mut Look) -> impl Iterator<Item = &mut Socket> {
    look.processes.iter_mut().flat_map(|seen| &mut seen.files).filter_map(|file| file.socket.as_mut())
}

/// The other end of a client's connection, if that is on this machine.
fn local_server(socket: &Socket, (first, last): (u16, u16)) -> Option<SocketAddr> {
    let (local, peer): (SocketAddr, SocketAddr) = (socket.local.parse().ok()?, socket.peer.parse().ok()?);
    let is_open = socket.protocol == "tcp" && (socket.is_connected() || socket.is_connecting());
    let is_client = (first..=last).contains(&local.port());
    (is_open && is_client && (peer.ip().is_loopback() || peer.ip() == local.ip())).then_some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_exactly_that_address_comes_first() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let all = [(1, address("0.0.0.0:80")), (2, address("10.0.0.1:80")), (3, address("[::]:81"))];
        let inodes = |peer: &str| at(&all, address(peer)).map(|(inode, _)| inode).collect::<Vec<_>>();
        assert_eq!(inodes("10.0.0.1:80"), [2]);
        assert_eq!(inodes("127.0.0.1:80"), [1]);
        assert_eq!(inodes("127.0.0.1:81"), [3]);
        assert!(inodes("127.0.0.1:82").is_empty());
    }

    #[test]
    fn the_range_of_ports_is_read() {
        assert_eq!(parse("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(parse("1024"), None);
        let (first, last) = client_ports();
        assert!(first < last);
    }
}
