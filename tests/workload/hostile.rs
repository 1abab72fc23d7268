//! What a program can send or hold to keep its supervisor busy.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

use crate::{Process, Words, exit_now, life, notify, signals, usage};

/// The kernel's layout for a queued signal.
#[repr(C)]
struct Queued {
    signal: i32,
    error: i32,
    code: i32,
    padding: i32,
    pid: i32,
    uid: u32,
    rest: [u64; 13],
}

impl Process {
    /// The flags of the table of hostile deeds.
    pub(crate) fn hostile_action(&mut self, flag: &str, words: &mut Words) -> bool {
        match flag {
            "--forge" => {
                let target = self.target(words.word());
                let signal = signals::signal(words.word());
                self.is_ready();
                forge(target, signal);
            }
            "--locks" => {
                let path = words.word();
                hold(path, words.number());
            }
            "--lock" => {
                let path = words.word();
                self.is_ready();
                lock(&open(path), libc::F_SETLKW, 0);
            }
            "--threads" => {
                for _ in 0..words.number() {
                    let sleep = || life::sleep_until(life::now() + life::USUAL);
                    let thread = std::thread::Builder::new().stack_size(16 << 10).spawn(sleep);
                    if thread.is_err() {
                        usage("no thread");
                    }
                }
            }
            "--tell-lingering" => {
                let seconds = words.number();
                notify_lingering(seconds, &notify::text(words.word()));
            }
            _ => return false,
        }
        true
    }
}

/// Queues signals with made-up senders, as fast as it can. It may outlive the target, whose id others get then.
fn forge(target: libc::pid_t, signal: i32) {
    // SAFETY: takes numbers only.
    let target = unsafe { libc::syscall(libc::SYS_pidfd_open, target, 0) };
    let end = life::now() + life::STORM;
    let own = std::process::id().cast_signed();
    for number in 0.. {
        let pid = own + number % 1000;
        let queued =
            Queued { signal, error: 0, code: libc::SI_QUEUE, padding: 0, pid, uid: 0, rest: [0; 13] };
        // SAFETY: a live value, as large as the kernel's.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, target, signal, &raw const queued, 0) };
        if number % 1000 == 999 && life::now() > end {
            return;
        }
    }
}

fn open(path: &str) -> std::fs::File {
    let file = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.unwrap_or_else(|error| usage(&format!("{path}: {error}")))
}

/// Locks one byte.
fn lock(file: &std::fs::File, how: i32, at: i64) {
    let kind = i16::try_from(libc::F_WRLCK).unwrap_or_default();
    let mut lock = libc::flock { l_type: kind, l_whence: 0, l_start: at, l_len: 1, l_pid: 0 };
    // SAFETY: a live value.
    unsafe { libc::fcntl(file.as_raw_fd(), how, &raw mut lock) };
}

/// Locks this many bytes, one by one. In several files: the kernel compares each new lock with all others of the
/// same file.
fn hold(path: &str, count: i64) {
    const OF_ONE_FILE: i64 = 1000;
    for number in 0..count / OF_ONE_FILE {
        let file = if number == 0 { open(path) } else { open(&format!("{path}{number}")) };
        (0..OF_ONE_FILE).for_each(|place| lock(&file, libc::F_SETLK, 2 * place));
        std::mem::forget(file);
    }
}

/// Sends a connection that has more data to send than its other end takes: the last process to close it waits. The
/// sender ends at once, and so doesn't wait itself.
fn notify_lingering(seconds: i32, text: &[u8]) {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { usage("no port") };
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let connected = listener.local_addr().and_then(TcpStream::connect);
            let Ok(mut stream) = connected else { usage("no connection") };
            let how = libc::linger { l_onoff: 1, l_linger: seconds };
            let (place, size) =
                (std::ptr::from_ref(&how).cast(), libc::socklen_t::try_from(size_of_val(&how)));
            let descriptor = stream.as_raw_fd();
            // SAFETY: a live value of that size.
            unsafe {
                libc::setsockopt(descriptor, libc::SOL_SOCKET, libc::SO_LINGER, place, size.unwrap_or(0));
            }
            let _ = stream.set_nonblocking(true);
            while stream.write(&[0; 1 << 12]).is_ok() {}
            notify::send_with(text, descriptor);
            exit_now(0)
        }
        // SAFETY: the child of this process; its status is not needed.
        sender => unsafe { libc::waitpid(sender, std::ptr::null_mut(), 0) },
    };
    // The listener stays open, and never reads.
    std::mem::forget(listener);
}
