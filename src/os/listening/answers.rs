//! Which processes answer at an address: those that have the accepting socket open. An answer says nothing
//! about a server unless it comes from one of its own processes.

use std::collections::HashSet;
#[cfg(feature = "check")]
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::{listeners, socket_inodes};
use crate::os::clock::Clock;
#[cfg(feature = "check")]
use crate::os::io::connect;
use crate::os::process::procfs;
use crate::os::snapshot::sockets;

/// Checking every process of a machine with tens of thousands would take seconds.
const LOOK_MOST: Duration = Duration::from_millis(500);

/// Which processes answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answerer {
    /// Only processes of the tree.
    Tree,
    /// The tree; but check has the socket, too, and passes it on to the next server: connections wait there
    /// once the tree has closed it.
    Kept,
    /// The tree, or this process, which also accepts there.
    Shared(String),
    /// Only this process outside the tree.
    Other(String),
    /// No listener in this network namespace: it is in another one, or on another machine.
    Unseen,
}

/// Which processes accept at a TCP address.
pub(crate) fn tcp(tree: &[i32], to: SocketAddr) -> Answerer {
    let listening = accepting(to);
    if listening.is_empty() {
        return Answerer::Unseen;
    }
    let own = socket_inodes(tree);
    match (listening.is_disjoint(&own), stranger(&listening, tree)) {
        (true, stranger) => Answerer::Other(named(stranger)),
        (false, None) if listening.is_subset(&own) => of_tree(tree, &listening),
        (false, stranger) => Answerer::Shared(named(stranger)),
    }
}

/// Whether a process of the tree has accepted this connection; nothing if no process has so far.
pub(crate) fn is_taken_by(tree: &[i32], from: SocketAddr, to: SocketAddr) -> Option<bool> {
    let all = sockets::with_port(from.port()).into_iter();
    let (from, to) = (canonical(from), canonical(to));
    let mut taken =
        all.filter(|(_, socket)| socket.local == to && socket.peer == from).map(|(inode, _)| inode);
    // A connection that waits in the kernel's queue belongs to no process yet.
    taken.find(|inode| *inode != 0).map(|inode| socket_inodes(tree).contains(&inode))
}

/// As in the tables.
fn canonical(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

/// The listening sockets among which the kernel chooses for this address: those of this very address, else
/// those of all addresses.
fn accepting(to: SocketAddr) -> HashSet<u64> {
    let listening: Vec<(u64, IpAddr)> = sockets::with_port(to.port())
        .into_iter()
        .filter(|(_, socket)| socket.state == "listen")
        .filter_map(|(inode, socket)| Some((inode, socket.local.parse::<SocketAddr>().ok()?)))
        .filter(|(_, local)| local.port() == to.port())
        .map(|(inode, local)| (inode, local.ip()))
        .collect();
    let ip = to.ip().to_canonical();
    let ranks =
        [Some(ip), ip.is_ipv4().then_some(Ipv4Addr::UNSPECIFIED.into()), Some(Ipv6Addr::UNSPECIFIED.into())];
    let at =
        |ip: IpAddr| listening.iter().filter(|(_, local)| *local == ip).map(|(inode, _)| *inode).collect();
    let sets = ranks.into_iter().flatten().map(at);
    sets.into_iter().find(|set: &HashSet<u64>| !set.is_empty()).unwrap_or_default()
}

/// Whether no process listens any more at a unix socket.
#[cfg(feature = "check")]
pub(crate) fn is_deserted(path: &Path) -> bool {
    let refuses = |path| connect::unix(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    path.to_str().is_some_and(refuses)
}

/// Which processes accept at a unix socket. The kernel names only the process that began to listen.
pub(crate) fn unix(tree: &[i32], path: &str, listener: Option<i32>) -> Answerer {
    if listener.is_some_and(|pid| tree.contains(&pid)) {
        return Answerer::Tree;
    }
    let real = |path: &str| Path::new(path).canonicalize().ok();
    let is_here = |address: &str| address == path || real(address).is_some_and(|at| Some(at) == real(path));
    let own = listeners(tree).into_iter().filter(|one| one.protocol == "unix" && is_here(&one.address));
    let own: HashSet<u64> = own.map(|listener| listener.inode).collect();
    let other = listener.and_then(procfs::stat).filter(|stat| !stat.has_exited());
    match other {
        // A socket that was passed on is the tree's, too.
        Some(other) if own.is_disjoint(&socket_inodes(&[other.pid])) => Answerer::Other(named(Some(other))),
        None if own.is_empty() => Answerer::Unseen,
        _ => of_tree(tree, &own),
    }
}

/// Which processes accept at sockets that the tree has open: check may have inherited them, too.
fn of_tree(tree: &[i32], sockets: &HashSet<u64>) -> Answerer {
    let own = std::process::id().cast_signed();
    let is_kept = !tree.contains(&own) && !sockets.is_disjoint(&socket_inodes(&[own]));
    if is_kept { Answerer::Kept } else { Answerer::Tree }
}

/// A process outside the tree that has one of these sockets open, as far as time allows. check itself is left
/// out, since it may have inherited them.
fn stranger(sockets: &HashSet<u64>, tree: &[i32]) -> Option<procfs::Stat> {
    let (own, clock) = (std::process::id().cast_signed(), Clock::start());
    let others = procfs::all_pids().unwrap_or_default().into_iter().take_while(|_| clock.now() < LOOK_MOST);
    let others = others.filter(|pid| *pid != own && !tree.contains(pid));
    others.filter(|pid| !sockets.is_disjoint(&socket_inodes(&[*pid]))).find_map(procfs::stat)
}

fn named(process: Option<procfs::Stat>) -> String {
    process.map_or_else(
        || "a process that cannot be seen".to_owned(),
        |stat| format!("{} (pid {})", stat.name, stat.pid),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn own() -> [i32; 1] {
        [std::process::id().cast_signed()]
    }

    /// Waits for this answer: other tests of this process fork, and for a moment such a child has the listener, too.
    #[track_caller]
    fn expect_answerer(tree: &[i32], to: SocketAddr, expected: &Answerer) {
        let clock = Clock::start();
        while clock.now() < Duration::from_secs(10) && tcp(tree, to) != *expected {}
        assert_eq!(tcp(tree, to), *expected);
    }

    #[test]
    fn a_listener_is_known_by_whoever_has_it_open() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("bound");
        expect_answerer(&own(), to, &Answerer::Tree);
        assert!(matches!(tcp(&[1], to), Answerer::Other(_)));
        drop(listener);
        expect_answerer(&own(), to, &Answerer::Unseen);
    }

    #[test]
    fn a_listener_of_just_this_address_comes_before_one_of_all() {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        expect_answerer(&own(), SocketAddr::from(([127, 0, 0, 1], port)), &Answerer::Tree);
        assert_eq!(tcp(&own(), SocketAddr::from(([0u16, 0, 0, 0, 0, 0, 0, 1], port))), Answerer::Unseen);
    }

    #[test]
    fn a_connection_is_taken_by_whoever_accepts_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("bound");
        let connected = TcpStream::connect(to).expect("connected");
        let from = connected.local_addr().expect("bound");
        assert_eq!(is_taken_by(&own(), from, to), None);
        let _accepted = listener.accept().expect("accepted");
        assert_eq!(is_taken_by(&own(), from, to), Some(true));
        assert_eq!(is_taken_by(&[1], from, to), Some(false));
    }
}
