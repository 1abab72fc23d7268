//! memcached: a cache in a file survives only a stop by SIGUSR1.

use std::io::{BufRead as _, BufReader, Write as _};

use super::{Place, Stopped};
use crate::support::{eventually, trials};

trials![
    needs("memcached") => usr1_keeps_the_cache_of_memcached,
    needs("memcached") => term_gives_the_cache_of_memcached_up,
];

/// Stops memcached with an item in its cache; returns true if the files for a restart exist.
fn memcached(arguments: &[&str]) -> (Stopped, bool) {
    let place = Place::new();
    let (port, file) = (place.port.text(), place.directory.file("cache"));
    let run = place
        .winddown()
        .args(arguments)
        .command(["memcached", "-u", "root", "-l", "127.0.0.1", "-p", &port, "-m", "64", "-e", &file])
        .start();
    eventually("memcached answers", || place.port.is_served());
    let mut stream = BufReader::new(place.port.connect().expect("a server"));
    stream.get_mut().write_all(b"set item 0 0 5\r\nvalue\r\n").expect("memcached reads");
    let mut answer = String::new();
    stream.read_line(&mut answer).expect("an answer");
    assert_eq!(answer, "STORED\r\n");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(0).expect_nothing_left();
    let kept = std::fs::exists(format!("{file}.meta")).expect("a directory");
    (place.stopped(ended).expect_outcome("stopped"), kept)
}

fn usr1_keeps_the_cache_of_memcached() {
    let (stopped, kept) = memcached(&["-s", "USR1"]);
    stopped.expect_asked(&["main USR1"]);
    assert!(kept);
}

fn term_gives_the_cache_of_memcached_up() {
    let (stopped, kept) = memcached(&[]);
    stopped.expect_asked(&["main TERM"]);
    assert!(!kept);
}
