//! The environment as it was inherited, byte for byte, and entries for the next one.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;

/// `NAME=VALUE` by custom, as inherited or made here.
pub type Entry = Cow<'static, CStr>;

/// An entry; nothing if a NUL is in it.
#[must_use]
pub fn entry(name: &str, value: impl AsRef<OsStr>) -> Option<Entry> {
    CString::new([name.as_bytes(), b"=", value.as_ref().as_bytes()].concat()).ok().map(Cow::Owned)
}

/// What is before the first `=`.
#[must_use]
pub fn name(entry: &CStr) -> &[u8] {
    entry.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// The value of a variable; an empty one is as good as unset.
#[must_use]
pub fn value(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Every entry, `NAME=VALUE` by custom.
#[must_use]
pub fn entries() -> Vec<&'static CStr> {
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
