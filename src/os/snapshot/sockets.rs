//! Sockets by inode, from the tables of /proc/net: addresses, state, what waits in their queues.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::lines;
use crate::postmortem::look::Socket;

/// Columns of the inode, from 0.
const TCP_INODE: usize = 9;
const UNIX_INODE: usize = 6;

/// The path of a table, the column of its inode, and its parser.
type Table = (&'static str, usize, fn(&str) -> Option<Socket>);

const TABLES: [Table; 3] = [
    ("/proc/thread-self/net/tcp", TCP_INODE, parse_tcp),
    ("/proc/thread-self/net/tcp6", TCP_INODE, parse_tcp),
    ("/proc/thread-self/net/unix", UNIX_INODE, parse_unix),
];

/// The sockets that were found.
pub(in crate::os) struct FoundSockets {
    pub(in crate::os) sockets: HashMap<u64, Socket>,
    /// Whether all tables were read to their ends, so the other sockets are in none of them.
    pub(in crate::os) is_complete: bool,
}

/// Looks up the wanted inodes while there is time.
pub(in crate::os) fn find(wanted: &HashSet<u64>, has_time: &dyn Fn() -> bool) -> FoundSockets {
    let mut found = HashMap::new();
    let mut is_complete = true;
    for (file, column, parse) in TABLES {
        if found.len() == wanted.len() {
            break;
        }
        is_complete &= lines::visit(file, has_time, &mut |line| {
            // Most lines belong to other processes.
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let inode = words.nth(column).and_then(|word| word.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.contains(inode)) {
                found.extend(parse(line).map(|socket| (inode, socket)));
            }
            found.len() < wanted.len()
        });
    }
    FoundSockets { is_complete: is_complete || found.len() == wanted.len(), sockets: found }
}

/// The TCP sockets with this port, at either end, by inode.
pub(in crate::os) fn with_port(port: u16) -> Vec<(u64, Socket)> {
    let text = format!(":{port:04X} ");
    let mut found = Vec::new();
    for (file, column, parse) in &TABLES[..2] {
        lines::visit(file, &|| true, &mut |line| {
            if line.contains(&text) {
                let inode = line.split_ascii_whitespace().nth(*column).and_then(|word| word.parse().ok());
                found.extend(inode.zip(parse(line)));
            }
            true
        });
    }
    found
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 ...`
fn parse_tcp(line: &str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace();
    let (local, peer) = (address(words.nth(1)?)?, address(words.next()?)?);
    let state = tcp_state(words.next()?)?;
    let (unsent, unread) = words.next()?.split_once(':')?;
    let bytes = |hex: &str| u64::from_str_radix(hex, 16).ok();
    // A listening socket queues connections, not bytes.
    let (unread, unsent) = if state == "listen" { (0, 0) } else { (bytes(unread)?, bytes(unsent)?) };
    let peer = if peer.port() == 0 { String::new() } else { peer.to_string() };
    let (protocol, state) = ("tcp".to_owned(), state.to_owned());
    Some(Socket { protocol, local: local.to_string(), peer, state, unread, unsent })
}

/// States as numbered in `include/net/tcp_states.h`.
fn tcp_state(hex: &str) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "established",
        "syn-sent",
        "syn-received",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "close",
        "close-wait",
        "last-ack",
        "listen",
        "closing",
        "new-syn-received",
    ];
    let number = usize::from_str_radix(hex, 16).ok()?;
    NAMES.get(number.checked_sub(1)?).copied()
}

/// An address as the kernel prints it: words of four bytes in the machine's order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let bytes: Vec<u8> = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical()
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/server.sock`
fn parse_unix(line: &str) -> Option<Socket> {
    const ACCEPTS: u32 = 0x1_0000;
    let mut words = line.split_ascii_whitespace();
    let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
    let state = words.nth(1)?;
    let local = words.nth(1).unwrap_or_default().to_owned();
    let state = match state {
        _ if flags & ACCEPTS != 0 => "listen",
        "03" => "established",
        _ => "close",
    };
    let protocol = "unix".to_owned();
    Some(Socket { protocol, local, peer: String::new(), state: state.to_owned(), unread: 0, unsent: 0 })
}

/// Runs every parser in this file.
#[cfg(any(test, fuzzing))]
pub(super) fn parse_any(text: &str) {
    for line in text.lines() {
        let _ = (parse_tcp(line), parse_unix(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    fn inode(descriptor: i32) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).expect("a link");
        let link = link.to_string_lossy().into_owned();
        link.trim_start_matches("socket:[").trim_end_matches(']').parse().expect("an inode")
    }

    #[test]
    fn both_ends_of_a_connection_are_found() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            let address = listener.local_addr().expect("bound");
            let connected = TcpStream::connect(address).expect("connected");
            let (other_end, _) = listener.accept().expect("accepted");
            let wanted = [listener.as_raw_fd(), connected.as_raw_fd(), other_end.as_raw_fd()].map(inode);
            let found = find(&HashSet::from(wanted), &|| true).sockets;
            let [listening, client, accepted] = wanted.map(|inode| &found[&inode]);
            assert_eq!((listening.state.as_str(), listening.peer.as_str()), ("listen", ""));
            assert_eq!((accepted.state.as_str(), &accepted.local), ("established", &address.to_string()));
            assert_eq!((&client.local, &client.peer), (&accepted.peer, &accepted.local));
        }
    }

    #[test]
    fn without_time_nothing_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let found = find(&HashSet::from([inode(listener.as_raw_fd())]), &|| false);
        assert!(found.sockets.is_empty() && !found.is_complete);
    }

    #[test]
    fn a_unix_socket_has_its_path() {
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/a.sock";
        let socket = parse_unix(line).expect("a socket");
        assert_eq!((socket.local.as_str(), socket.state.as_str()), ("/run/a.sock", "listen"));
        assert_eq!(line.split_ascii_whitespace().nth(UNIX_INODE), Some("4711"));
        assert_eq!(parse_unix("Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }
}
