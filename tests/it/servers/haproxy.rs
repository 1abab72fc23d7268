//! haproxy, whose graceful stop is SIGUSR1, with its master process and without.

use super::Place;
use super::upstream::{Held, Upstream};
use crate::support::{needs, trials};

trials![
    needs("haproxy") => usr1_lets_haproxy_finish,
    needs("haproxy") => usr1_lets_the_workers_of_haproxy_finish,
    needs("haproxy") => term_makes_haproxy_drop_its_response,
];

fn haproxy(arguments: &[&str], mode: &str) -> Held {
    let place = Place::new();
    let upstream = Upstream::new();
    let configuration = format!(
        "global\n  maxconn 100\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 20s\n  timeout client 60s\n\
         \x20 timeout server 60s\nlisten test\n  bind 127.0.0.1:{}\n  server upstream {}\n",
        place.port.text(),
        upstream.address(),
    );
    let configuration = place.directory.write("haproxy.cfg", &configuration);
    let program = needs::program("haproxy").expect("haproxy");
    let run = place.winddown().args(arguments).command([program]).more([mode, "-f", &configuration]).start();
    Held::begin(place, &upstream, run)
}

fn usr1_lets_haproxy_finish() {
    haproxy(&["-s", "USR1"], "-db").finish().expect_code(0).expect_asked(&["main USR1"]);
}

fn usr1_lets_the_workers_of_haproxy_finish() {
    haproxy(&["-s", "USR1"], "-W").finish().expect_code(0).expect_asked(&["main USR1"]);
}

fn term_makes_haproxy_drop_its_response() {
    let stopped = haproxy(&[], "-db").cut().expect_asked(&["main TERM"]);
    assert_eq!(stopped.ended.signal(), Some(libc::SIGTERM), "{}", stopped.ended.dump());
}
