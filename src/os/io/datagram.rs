//! Receives one message of a socket, with its sender and descriptors. Done by hand: nix has no process
//! descriptors, loses the descriptors of a truncated message, and panics at a sender without a name.

use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::os::signal::send;

/// The most descriptors that the kernel passes with one message.
const DESCRIPTORS_MAX: usize = 253;
/// Room for these and for the sender's credentials and process descriptor, in words, for alignment.
const CONTROL_WORDS: usize = DESCRIPTORS_MAX / 2 + 32;
/// Since Linux 6.5: option and message of the sender's process descriptor.
pub(in crate::os) const SO_PASSPIDFD: i32 = 76;
/// Since Linux 6.16: whether descriptors are taken at all.
pub(in crate::os) const SO_PASSRIGHTS: i32 = 83;
const SCM_PIDFD: i32 = 4;

/// A received message.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// Its bytes, cut to the room given.
    pub(crate) bytes: Vec<u8>,
    /// Its sender, as reported by the kernel.
    pub(crate) sender: Option<MessageSender>,
    /// The descriptors that came with it; the loop must not close them, see [`super::closing`].
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The abstract name of the sender's socket, if it has one, without the leading zero.
    pub(crate) answer_to: Option<Vec<u8>>,
}

/// The process that sent a message, as it was then.
#[derive(Debug)]
pub(crate) struct MessageSender {
    /// Its id, which may have been reused since.
    pub(crate) pid: i32,
    pub(crate) user: u32,
    process: SenderIdentity,
}

/// How we identify the sender.
#[derive(Debug)]
enum SenderIdentity {
    /// By its process descriptor, for good.
    Descriptor(OwnedFd),
    /// The kernel had no descriptor to give: the sender had been reaped.
    Gone,
    /// By id only, on older kernels.
    Id,
}

impl MessageSender {
    /// Whether the sender has ended and was reaped, so that its id may have been reused. Nothing if the
    /// kernel can't say.
    pub(crate) fn was_reaped(&self) -> Option<bool> {
        match &self.process {
            SenderIdentity::Descriptor(process) => send::was_reaped(process),
            SenderIdentity::Gone => Some(true),
            SenderIdentity::Id => None,
        }
    }
}

/// Takes the next message, cut to `room` bytes, without waiting; nothing if there is none.
pub(in crate::os) fn receive(socket: &OwnedFd, room: usize) -> Option<Datagram> {
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
    let mut process = SenderIdentity::Id;
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
                let process = SenderIdentity::Id;
                datagram.sender = Some(MessageSender { pid: who.pid, user: who.uid, process });
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

fn held(number: Option<RawFd>) -> SenderIdentity {
    match number {
        Some(number @ 0..) => SenderIdentity::Descriptor(own(number)),
        Some(error) if error == -libc::ESRCH || error == -libc::EINVAL => SenderIdentity::Gone,
        _ => SenderIdentity::Id,
    }
}

fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// The descriptors in a control message.
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
    // SAFETY: the part holds at least that many.
    all.map(|index| unsafe { ptr::read_unaligned(data.add(index * BYTES).cast()) }).collect()
}

/// The name of the sender's socket, if it is abstract.
fn name(from: &libc::sockaddr_un, message: &libc::msghdr) -> Option<Vec<u8>> {
    let length = (message.msg_namelen as usize).checked_sub(mem::offset_of!(libc::sockaddr_un, sun_path))?;
    let path = from.sun_path.get(..length)?;
    let (first, rest) = path.split_first()?;
    (*first == 0 && !rest.is_empty()).then(|| rest.iter().map(|byte| byte.cast_unsigned()).collect())
}
