//! The command line that `ps` shows for this process.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::os::one_thread::OneThread;

static ARGUMENTS: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Notes where the arguments are that the C runtime passed to `main`.
pub fn note(count: c_int, arguments: *const *const c_char) {
    ARGUMENTS.store(arguments.cast_mut(), Ordering::Relaxed);
    COUNT.store(usize::try_from(count).unwrap_or_default(), Ordering::Relaxed);
}

/// Replaces the first argument with this name. The others stay, as far as there is room: the kernel shows the
/// memory where it put them. No code may use the arguments afterwards.
pub(crate) fn rename(_: OneThread, name: &CStr) {
    let Some((start, first, all)) = place() else { return };
    let name = name.to_bytes_with_nul();
    let from = (first + 1).min(all);
    let kept = (all - from).min(all.saturating_sub(name.len()));
    let named = name.len().min(all);
    // SAFETY: `all` bytes from `start` are the arguments, which are ours to write; nothing goes beyond.
    unsafe {
        ptr::copy(start.add(from), start.add(named), kept);
        ptr::copy_nonoverlapping(name.as_ptr(), start, named);
        ptr::write_bytes(start.add(named + kept), 0, all - named - kept);
        // Without a final zero, the kernel would go on into the environment.
        start.add(all - 1).write(0);
    }
}

/// Where the arguments begin, the length of the first one, and the length of all, each with its zero. They
/// are contiguous in memory where the kernel put them.
fn place() -> Option<(*mut u8, usize, usize)> {
    let arguments = ARGUMENTS.load(Ordering::Relaxed);
    let count = COUNT.load(Ordering::Relaxed);
    if arguments.is_null() || count == 0 {
        return None;
    }
    // SAFETY: the C runtime has passed that many pointers, each to a C string.
    let argument = |index: usize| unsafe { *arguments.add(index) };
    let length = |index: usize| {
        // SAFETY: as above.
        unsafe { CStr::from_ptr(argument(index)) }.count_bytes()
    };
    let start = argument(0);
    let mut all = 0;
    for index in 0..count {
        if argument(index) != start.wrapping_add(all) {
            break;
        }
        all += length(index) + 1;
    }
    Some((start.cast_mut().cast(), length(0), all))
}
