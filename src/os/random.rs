//! Random numbers of the kernel.

use std::io;

/// That many bytes.
///
/// # Errors
/// When the kernel has none.
pub(crate) fn bytes<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    // SAFETY: room for that many bytes, valid for writes for the whole call.
    let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), COUNT, 0) };
    if usize::try_from(filled) == Ok(COUNT) { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// A number; the one in the middle if the kernel has none.
pub(crate) fn number() -> u32 {
    bytes().map_or(u32::MAX / 2, u32::from_ne_bytes)
}
