//! A network namespace for a thread: what it starts has the ports of the machine for itself.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{getegid, geteuid};

/// Gives this process the right to make network namespaces, if it does not have it: by a user namespace in which all
/// keeps its user. To be called while there is one thread.
///
/// # Errors
/// When no namespace can be made.
pub(crate) fn prepare() -> io::Result<()> {
    if try_it().is_ok() {
        return Ok(());
    }
    let (user, group) = (geteuid(), getegid());
    wait_for_one_thread();
    unshare(libc::CLONE_NEWUSER)?;
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", &format!("{group} {group} 1"))?;
    try_it()
}

fn try_it() -> io::Result<()> {
    std::thread::Builder::new().spawn(enter)?.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

/// A thread that was joined may still be on its way out, and the kernel gives a user namespace to a lone thread only.
fn wait_for_one_thread() {
    while std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        std::thread::yield_now();
    }
}

/// Moves this thread into a network namespace of its own, with nothing but a loopback device.
///
/// # Errors
/// As `unshare(2)`, `socket(2)` and `ioctl(2)`.
pub(crate) fn enter() -> io::Result<()> {
    unshare(libc::CLONE_NEWNET)?;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: all zeros are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    // SAFETY: the value outlives the call, and is what this request takes.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn unshare(what: libc::c_int) -> io::Result<()> {
    // SAFETY: a plain system call, which concerns this thread, or this process while it has one.
    if unsafe { libc::unshare(what) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn write(path: &str, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}
