//! What a process can say about itself.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::{Process, Words, life, usage};

/// One field of /proc/self/status.
pub(crate) fn status(field: &str) -> String {
    let all = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = all.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.map_or("unreadable".to_owned(), |value| value.trim().to_owned())
}

/// One field of /proc/self/stat, counted as in proc(5).
fn stat(number: usize) -> String {
    let all = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, field 2, may hold blanks: count from its closing bracket.
    let after = all.rsplit_once(") ").map_or("", |(_, after)| after);
    after.split(' ').nth(number - 3).unwrap_or("unreadable").to_owned()
}

/// Bytes in hex; `-` for none, so that the words can be counted.
fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Open descriptors, without the one that read the directory, which is closed by the time they are checked.
fn descriptors() -> Vec<i32> {
    let Ok(directory) = fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let mut all: Vec<i32> =
        directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // SAFETY: asks for the flags of a descriptor, open or not.
    all.retain(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0);
    all.sort_unstable();
    all
}

impl Process {
    /// The flags of the table of facts.
    pub(crate) fn fact_action(&mut self, flag: &str, words: &mut Words) -> bool {
        match flag {
            "--print" => self.line(words.word()),
            "--log" => self.open_log(words.word()),
            "--say" => {
                for what in words.word().split(',') {
                    let fact = self.fact(what);
                    self.line(format!("{what} {fact}").trim_end());
                }
            }
            _ => return false,
        }
        true
    }

    fn fact(&self, what: &str) -> String {
        // SAFETY: these calls only return numbers.
        let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
        match what.split_once(':') {
            Some(("env", name)) => std::env::var_os(name)
                .map_or(String::new(), |value| String::from_utf8_lossy(value.as_bytes()).into()),
            Some(("fd", number)) => fs::read_link(format!("/proc/self/fd/{number}"))
                .map_or("closed".to_owned(), |path| path.to_string_lossy().into()),
            Some(("status", field)) => status(field),
            _ => match what {
                "pid" => std::process::id().to_string(),
                "ppid" => std::os::unix::process::parent_id().to_string(),
                "pgid" => stat(5),
                "sid" => stat(6),
                "tpgid" => stat(8),
                "uid" => uid.to_string(),
                "gid" => gid.to_string(),
                "mask" => self.inherited.mask.clone(),
                "ignored" => self.inherited.ignored.clone(),
                "fds" => {
                    let mut all = descriptors();
                    all.retain(|&fd| !self.is_own_descriptor(fd));
                    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                }
                "cwd" => std::env::current_dir()
                    .map_or("unreadable".to_owned(), |path| path.to_string_lossy().into()),
                "args" => self.inherited.data.iter().map(|word| hex(word)).collect::<Vec<_>>().join(" "),
                "argv0" => self.inherited.argv0.clone(),
                "now" => life::now().as_millis().to_string(),
                _ => usage(&format!("no such fact: {what}")),
            },
        }
    }

    /// Opens the file at a high number: tests check the low ones.
    fn open_log(&mut self, path: &str) {
        let name = CString::new(path).unwrap_or_default();
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
        // SAFETY: the name ends with NUL; the first descriptor is ours to close.
        let log = unsafe {
            let first = libc::open(name.as_ptr(), flags, 0o666);
            let log = libc::fcntl(first, libc::F_DUPFD_CLOEXEC, 100);
            if first >= 0 {
                libc::close(first);
            }
            log
        };
        if log < 0 {
            usage(&format!("can't open {path}"));
        }
        self.log = Some(log);
    }
}
