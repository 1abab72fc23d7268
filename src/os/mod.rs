//! The kernel's side: the only home of process ids, descriptors and `unsafe`.

pub(crate) mod clock;
pub(crate) mod environment;
pub(crate) mod guard;
#[cfg(feature = "check")]
pub(crate) mod inspect;
pub(crate) mod io;
pub(crate) mod listening;
#[cfg(feature = "check")]
pub(crate) mod machine;
#[cfg(feature = "check")]
pub(crate) mod network;
pub mod one_thread;
pub mod process;
pub(crate) mod random;
pub mod signal;
pub(crate) mod snapshot;

/// The reason in the C library's words, which users know, without the number that Rust adds.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}
