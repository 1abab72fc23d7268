//! One message of a socket, with who sent it and what came along. By hand: nix knows no process
//! descriptors, loses the descriptors of a truncated message, and panics at a sender without a name.

use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::signalling;

/// The kernel passes on as many descriptors with one message.
const DESCRIPTORS_MAX: usize = 253;
/// Room for these, for the sender's credentials and process descriptor, in words that are aligned for it.
const CONTROL_WORDS: usize = DESCRIPTORS_MAX / 2 + 32;
/// Since Linux 6.5: option and message of the sender's process descriptor.
pub(super) const SO_PASSPIDFD: i32 = 76;
const SCM_PIDFD: i32 = 4;

/// A message as it came.
#[derive(Debug)]
pub struct Datagram {
    /// Its bytes, no more than there was room for.
    pub bytes: Vec<u8>,
    /// Who sent it, as the kernel says.
    pub sender: Option<Sender>,
    /// What came with it; closed when this is dropped.
    pub descriptors: Vec<OwnedFd>,
    /// The abstract name of the sender's socket, without its zero, if it has one.
    pub(super) answer_to: Option<Vec<u8>>,
}

/// The process that has sent a message, by the time it did.
#[derive(Debug)]
pub struct Sender {
    /// Its id, which may be another one's by now.
    pub pid: i32,
    /// Its user.
    pub user: u32,
    process: Held,
}

/// What we know it by.
#[derive(Debug)]
enum Held {
    /// For good.
    Descriptor(OwnedFd),
    /// The kernel had none to give: it was reaped before.
    Gone,
    /// By its id alone: the kernel is older.
    Id,
}

impl Sender {
    /// Whether it has ended and was reaped, so that its id can be another one's. Nothing where the kernel
    /// doesn't tell.
    #[must_use]
    pub fn is_gone(&self) -> Option<bool> {
        match &self.process {
            Held::Descriptor(process) => signalling::is_gone(process),
            Held::Gone => Some(true),
            Held::Id => None,
        }
    }
}

/// Takes the next message of at most `room` bytes, without waiting; nothing when there is none.
pub(super) fn receive(socket: &OwnedFd, room: usize) -> Option<Datagram> {
    let mut bytes = vec![0_u8; room];
    let mut control = [0_u64; CONTROL_WORDS];
    // SAFETY: plain data that the kernel fills in; zeros are valid.
    let (mut from, mut message): (libc::sockaddr_un, libc::msghdr) = unsafe { mem::zeroed() };
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: room };
    message.msg_name = ptr::from_mut(&mut from).cast();
    message.msg_namelen = libc::socklen_t::try_from(size_of_val(&from)).unwrap_or_default();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: everything that the message points to is valid for writes, and as large as it says.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    bytes.truncate(usize::try_from(length).ok()?);
    let mut datagram =
        Datagram { bytes, sender: None, descriptors: Vec::new(), answer_to: name(&from, &message) };
    let mut process = Held::Id;
    // SAFETY: the kernel has filled the buffer with well-formed parts.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: a part within the buffer; the buffer is aligned for it.
        let (level, kind, data) =
            unsafe { ((*header).cmsg_level, (*header).cmsg_type, libc::CMSG_DATA(header)) };
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                // SAFETY: what such a part holds.
                let who: libc::ucred = unsafe { ptr::read_unaligned(data.cast()) };
                let process = Held::Id;
                datagram.sender = Some(Sender { pid: who.pid, user: who.uid, process });
            }
            (libc::SOL_SOCKET, SCM_PIDFD) => process = held(numbers(header).first().copied()),
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                datagram.descriptors.extend(numbers(header).into_iter().map(own));
            }
            _ => {}
        }
        // SAFETY: as for the first one.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    if let Some(sender) = &mut datagram.sender {
        sender.process = process;
    }
    Some(datagram)
}

fn held(number: Option<RawFd>) -> Held {
    match number {
        Some(number @ 0..) => Held::Descriptor(own(number)),
        Some(error) if error == -libc::ESRCH || error == -libc::EINVAL => Held::Gone,
        _ => Held::Id,
    }
}

fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// The descriptors in a part.
fn numbers(header: *const libc::cmsghdr) -> Vec<RawFd> {
    const BYTES: usize = size_of::<RawFd>();
    // SAFETY: a part within the buffer that the kernel has filled.
    let (length, data) = unsafe { ((*header).cmsg_len, libc::CMSG_DATA(header)) };
    let is_within = |count: &usize| {
        let end = libc::c_uint::try_from((count + 1) * BYTES).unwrap_or(libc::c_uint::MAX);
        // SAFETY: takes and returns plain numbers.
        length >= unsafe { libc::CMSG_LEN(end) } as _
    };
    let all = (0..DESCRIPTORS_MAX).take_while(is_within);
    // SAFETY: so many of them are in the part.
    all.map(|index| unsafe { ptr::read_unaligned(data.add(index * BYTES).cast()) }).collect()
}

/// The name of the sender's socket, if it is an abstract one.
fn name(from: &libc::sockaddr_un, message: &libc::msghdr) -> Option<Vec<u8>> {
    let length = (message.msg_namelen as usize).checked_sub(mem::offset_of!(libc::sockaddr_un, sun_path))?;
    let path = from.sun_path.get(..length)?;
    let (first, rest) = path.split_first()?;
    (*first == 0 && !rest.is_empty()).then(|| rest.iter().map(|byte| byte.cast_unsigned()).collect())
}
