//! Blocks signals, and hands over. There is no Rust `fn main`: its runtime would ignore SIGPIPE and
//! open closed standard streams, but the workload must get what winddown was given.
#![no_main]

use std::ffi::{c_char, c_int};

use winddown::commands;
use winddown::os::one_thread::OneThread;
use winddown::os::process::title;
use winddown::os::signal::receive;

/// The C runtime calls this.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let mask = receive::block_all();
    title::note(count, arguments);
    commands::main(mask, OneThread::at_start()).into()
}
