//! The environment as inherited, byte for byte, and entries for the next one.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;

/// `NAME=VALUE` by custom, as inherited or made here.
pub(crate) type Entry = Cow<'static, CStr>;

/// Builds an entry; nothing if it would contain a NUL.
pub(crate) fn entry(name: &str, value: impl AsRef<OsStr>) -> Option<Entry> {
    CString::new([name.as_bytes(), b"=", value.as_ref().as_bytes()].concat()).ok().map(Cow::Owned)
}

/// The part before the first `=`.
pub(crate) fn name(entry: &CStr) -> &[u8] {
    entry.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// The value of a variable; an empty one counts as unset.
pub(crate) fn value(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// All entries.
pub(crate) fn entries() -> Vec<&'static CStr> {
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

/// The path that was executed to start this process: a script's, if the kernel ran us as its interpreter.
pub(crate) fn executed_path() -> Option<&'static CStr> {
    // SAFETY: it only reads what the kernel has left behind the environment.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    // SAFETY: a C string of the kernel's, which lives as long as the process.
    (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })
}
