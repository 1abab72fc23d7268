//! redis-server: every acknowledged write is on disk.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Place;
use crate::support::{eventually, trials};

trials![needs("redis-server") => acknowledged_writes_are_in_the_append_only_file];

/// Writes keys until the server is gone; counts the acknowledged ones.
fn write_keys(place: &Place, acknowledged: &AtomicU32) {
    let mut stream = BufReader::new(place.port.connect().expect("a server"));
    let mut answer = String::new();
    loop {
        let number = acknowledged.load(Ordering::Relaxed);
        let sent = stream.get_mut().write_all(format!("SET key-{number} value\r\n").as_bytes());
        answer.clear();
        if sent.is_err() || stream.read_line(&mut answer).is_err() || answer != "+OK\r\n" {
            return;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

/// The text of all append-only files: redis 7 has a directory of them.
fn append_only(place: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(place).expect("redis's directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            text += &append_only(&path);
        } else if path.to_string_lossy().contains(".aof") {
            let bytes = std::fs::read(path).expect("an append-only file");
            write!(text, "{}", String::from_utf8_lossy(&bytes)).expect("a string grows");
        }
    }
    text
}

fn acknowledged_writes_are_in_the_append_only_file() {
    let place = Place::new();
    let directory = place.directory.path().to_str().unwrap().to_owned();
    let run = place
        .winddown()
        .command(["redis-server", "--bind", "127.0.0.1", "--port", &place.port.text()])
        .more(["--dir", &directory, "--appendonly", "yes", "--save", "3600 1", "--daemonize", "no"])
        .owns(&place.directory)
        .start();
    run.wait_out("Ready to accept connections");
    let acknowledged = AtomicU32::new(0);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| write_keys(&place, &acknowledged));
        eventually("redis writes", || acknowledged.load(Ordering::Relaxed) > 500);
        run.signal(libc::SIGTERM);
        run.wait().expect_code(0).expect_nothing_left()
    });
    let text = append_only(place.directory.path());
    for number in 0..acknowledged.into_inner() {
        assert!(text.contains(&format!("key-{number}\r\n")), "key-{number} is lost");
    }
    // redis writes this file only when it ends in good order.
    assert!(place.directory.path().join("dump.rdb").exists(), "{}", ended.dump());
    place.stopped(ended).expect_outcome("stopped").expect_asked(&["main TERM"]);
}
