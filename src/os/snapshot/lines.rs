//! Reads tables of the whole machine in /proc line by line: other processes decide how long they are.

use std::fs::File;
use std::io::Read;

/// At most this much of a table is read: a busy host may have a hundred thousand connections.
const TABLE_BYTES_MAX: usize = 4 << 20;
const CHUNK: usize = 64 << 10;

/// Visits the lines until time runs out or the visitor returns false. Returns true if the end was reached. A
/// missing file has no lines.
pub(in crate::os) fn visit(
    path: &str,
    has_time: &dyn Fn() -> bool,
    visit: &mut dyn FnMut(&str) -> bool,
) -> bool {
    let Ok(mut file) = File::open(path) else { return true };
    let mut text = Vec::new();
    let mut total = 0;
    while has_time() && total < TABLE_BYTES_MAX {
        let start = text.len();
        text.resize(start + CHUNK, 0);
        let length = file.read(&mut text[start..]).unwrap_or_default();
        text.truncate(start + length);
        total += length;
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let goes_on = String::from_utf8_lossy(&text[..end]).lines().all(&mut *visit);
        text.drain(..end);
        if length == 0 || !goes_on {
            return length == 0;
        }
    }
    false
}
