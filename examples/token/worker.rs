//! Works in one thread until another one has seen the stop:
//! `winddown --token /tmp/stop -- target/debug/examples/token-worker`

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let number = std::env::var("SHUTDOWN_FD").map_err(std::io::Error::other)?;
    // Opened again: then it can be read without `unsafe`.
    let mut stop = File::open(format!("/proc/self/fd/{number}"))?;
    let is_asked = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&is_asked);
    thread::spawn(move || {
        // Its end comes with the stop, after the text of the file.
        let mut text = String::new();
        let read = stop.read_to_string(&mut text);
        tell.store(true, Ordering::Release);
        read.map(|_| print!("{text}"))
    });
    println!("ready");
    let mut pieces = 0;
    while !is_asked.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(20));
        pieces += 1;
    }
    println!("done {pieces} pieces");
    Ok(())
}
