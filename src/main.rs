//! Blocks signals, and hands over. There is no `fn main` of Rust: its runtime would ignore SIGPIPE
//! and open closed standard streams, and the workload is to get what winddown was given.
#![no_main]

use std::ffi::{c_char, c_int};

use winddown::os::inbox;
use winddown::start;

/// What the C runtime calls.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    let mask = inbox::block_all();
    start::main(mask).into()
}
