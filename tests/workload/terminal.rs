//! The keyboard, the terminal's modes, and a lot of output.

use crate::{Process, Words, errno, write_all};

/// The flags of the table of the terminal.
pub(crate) fn action(process: &mut Process, flag: &str, words: &mut Words) -> bool {
    match flag {
        "--read-line" => {
            process.is_ready();
            let line = read_line();
            process.line(line.trim_end());
        }
        "--raw" => {
            make_raw();
            // A line of its own: in this mode a line feed doesn't return the carriage.
            write_all(1, b"\x1b[?1049h\r\n");
            process.line("raw");
        }
        "--foreground" => take_foreground(),
        "--flood" => flood(words.number(), words.number()),
        _ => return false,
    }
    true
}

/// Byte by byte, so as not to take anything from the next reader.
fn read_line() -> String {
    let mut line = Vec::new();
    loop {
        let mut byte = 0_u8;
        // SAFETY: reads one byte into a live byte.
        match unsafe { libc::read(0, (&raw mut byte).cast(), 1) } {
            0 if line.is_empty() => return "line-end".to_owned(),
            1 if byte != b'\n' => line.push(byte),
            count if count < 0 && errno() == libc::EINTR => {}
            count if count < 0 => return format!("line-error {}", errno()),
            _ => return format!("line {}", String::from_utf8_lossy(&line)),
        }
    }
}

fn make_raw() {
    // SAFETY: a termios of zeros is valid, and used only if it was filled in.
    unsafe {
        let mut modes: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(0, &raw mut modes) == 0 {
            libc::cfmakeraw(&raw mut modes);
            libc::tcsetattr(0, libc::TCSANOW, &raw const modes);
        }
    }
}

/// As a shell does for its job. TTOU is ignored: it would stop a process that is not yet in the foreground.
fn take_foreground() {
    // SAFETY: changes only this process and its terminal; the action runs no code of ours.
    unsafe {
        libc::setpgid(0, 0);
        let before = libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        libc::tcsetpgrp(0, libc::getpgrp());
        libc::signal(libc::SIGTTOU, before);
    }
}

fn flood(fd: i32, bytes: usize) {
    let line = [b'x'; 63].into_iter().chain([b'\n']).collect::<Vec<_>>();
    let block = line.repeat(64);
    let mut left = bytes;
    while left > 0 {
        let part = left.min(block.len());
        write_all(fd, &block[..part]);
        left -= part;
    }
}
