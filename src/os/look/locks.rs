//! Who holds the file lock that a process waits for, from /proc/locks.

use crate::postmortem::look::Holder;

/// The holder of the lock that this process waits for.
pub(super) fn holder(pid: i32) -> Option<Holder> {
    let text = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = find(&text, pid)?;
    Some(Holder { pid, name: crate::os::procfs::name(pid) })
}

/// Waiters follow the lock that they wait for, each with an arrow:
///
/// ```text
/// 3: FLOCK  ADVISORY  WRITE 4711 fe:00:753923 0 EOF
/// 3: -> FLOCK  ADVISORY  WRITE 4720 fe:00:753923 0 EOF
/// ```
fn find(text: &str, waiter: i32) -> Option<i32> {
    let mut holder = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let waits = words.get(1) == Some(&"->");
        let owner = words.get(if waits { 5 } else { 4 }).and_then(|word| word.parse::<i32>().ok());
        if !waits {
            holder = owner;
        } else if owner == Some(waiter) {
            // Of a lock of an open file, or one held from another PID namespace, there is no process to name.
            return holder.filter(|pid| *pid > 0);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_the_one_above() {
        let text = "1: POSIX  ADVISORY  WRITE 1425 fe:00:753923 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 4711 fe:00:753938 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 4720 fe:00:753938 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 4721 fe:00:753938 0 EOF\n\
                    3: OFDLCK ADVISORY  WRITE -1 fe:00:753939 0 EOF\n\
                    3: -> POSIX  ADVISORY  WRITE 4722 fe:00:753939 0 EOF\n";
        assert_eq!([4720, 4721, 4722, 1425].map(|pid| find(text, pid)), [Some(4711), Some(4711), None, None]);
    }
}
