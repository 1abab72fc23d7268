//! Sockets by their inode, from the tables of /proc/net: addresses, state, what waits in their queues.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::postmortem::look::Socket;

/// More of a table is not read: a busy host may have a hundred thousand connections of others.
const TABLE_BYTES_MAX: usize = 4 << 20;
const CHUNK: usize = 64 << 10;
/// Columns, from 0.
const TCP_INODE: usize = 9;
const UNIX_INODE: usize = 6;

/// Where a table is, in which column it has the inode, and how a line is read.
type Table = (&'static str, usize, fn(&str) -> Option<Socket>);

/// Looks up the wanted inodes, as long as there is time.
pub(in crate::os) fn find(wanted: &HashSet<u64>, has_time: &dyn Fn() -> bool) -> HashMap<u64, Socket> {
    const TABLES: [Table; 3] = [
        ("/proc/net/tcp", TCP_INODE, parse_tcp),
        ("/proc/net/tcp6", TCP_INODE, parse_tcp),
        ("/proc/net/unix", UNIX_INODE, parse_unix),
    ];
    let mut found = HashMap::new();
    for (file, column, parse) in TABLES {
        if found.len() == wanted.len() {
            break;
        }
        read_lines(file, has_time, |line| {
            // Most lines are of others.
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let inode = words.nth(column).and_then(|word| word.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.contains(inode)) {
                found.extend(parse(line).map(|socket| (inode, socket)));
            }
        });
    }
    found
}

/// Line by line, until there is no more time.
fn read_lines(path: &str, has_time: &dyn Fn() -> bool, mut visit: impl FnMut(&str)) {
    let Ok(mut file) = File::open(path) else { return };
    let mut text = Vec::new();
    let mut total = 0;
    while has_time() && total < TABLE_BYTES_MAX {
        let start = text.len();
        text.resize(start + CHUNK, 0);
        let length = file.read(&mut text[start..]).unwrap_or_default();
        text.truncate(start + length);
        total += length;
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&text[..end]).lines().for_each(&mut visit);
        text.drain(..end);
        if length == 0 {
            break;
        }
    }
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 ...`
fn parse_tcp(line: &str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace();
    let (local, peer) = (address(words.nth(1)?)?, address(words.next()?)?);
    let state = tcp_state(words.next()?)?;
    let (unsent, unread) = words.next()?.split_once(':')?;
    let bytes = |hex: &str| u64::from_str_radix(hex, 16).ok();
    // Of a listening socket the queue is that of connections.
    let (unread, unsent) = if state == "listen" { (0, 0) } else { (bytes(unread)?, bytes(unsent)?) };
    let peer = if peer.port() == 0 { String::new() } else { peer.to_string() };
    let (protocol, state) = ("tcp".to_owned(), state.to_owned());
    Some(Socket { protocol, local: local.to_string(), peer, state, unread, unsent })
}

/// As `include/net/tcp_states.h` numbers them.
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
            let found = find(&HashSet::from(wanted), &|| true);
            let [listening, client, accepted] = wanted.map(|inode| &found[&inode]);
            assert_eq!((listening.state.as_str(), listening.peer.as_str()), ("listen", ""));
            assert_eq!((accepted.state.as_str(), &accepted.local), ("established", &address.to_string()));
            assert_eq!((&client.local, &client.peer), (&accepted.peer, &accepted.local));
        }
    }

    #[test]
    fn without_time_nothing_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        assert!(find(&HashSet::from([inode(listener.as_raw_fd())]), &|| false).is_empty());
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
