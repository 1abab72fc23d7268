//! The environment as it was inherited, byte for byte.

use std::ffi::{CStr, c_char};

/// Every entry, `NAME=VALUE` by custom.
#[must_use]
pub fn entries<'a>() -> Vec<&'a CStr> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: set up by the C runtime before `main`, and nothing in this process changes it.
    let mut entry = unsafe { environ };
    // SAFETY: `environ` is a null-terminated list, and we stop at its null.
    while !entry.is_null() && unsafe { !(*entry).is_null() } {
        // SAFETY: each entry is a C string that lives as long as the process.
        entries.push(unsafe { CStr::from_ptr(*entry) });
        // SAFETY: within the list, or at its null.
        entry = unsafe { entry.add(1) };
    }
    entries
}
