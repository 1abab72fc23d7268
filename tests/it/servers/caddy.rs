//! caddy, whose graceful stop is SIGTERM; it has no limit of its own unless `grace_period` is set.

use super::Place;
use super::upstream::{Held, Upstream};
use crate::support::{needs, trials};

trials![
    needs("caddy") => term_lets_caddy_finish,
    needs("caddy") => quit_makes_caddy_drop_its_response,
];

fn caddy(arguments: &[&str]) -> Held {
    let place = Place::new();
    let upstream = Upstream::new();
    let configuration = format!(
        "{{\nadmin off\n}}\n:{} {{\nbind 127.0.0.1\n\
         reverse_proxy {} {{\nflush_interval -1\n}}\n}}\n",
        place.port.text(),
        upstream.address(),
    );
    let configuration = place.directory.write("Caddyfile", &configuration);
    let program = needs::program("caddy").expect("caddy");
    let run = place
        .winddown()
        .args(arguments)
        .command([program])
        .more(["run", "--adapter", "caddyfile", "--config", &configuration])
        .env("HOME", place.directory.path())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .start();
    Held::begin(place, &upstream, run)
}

fn term_lets_caddy_finish() {
    caddy(&[]).finish().expect_code(0).expect_asked(&["main TERM"]);
}

fn quit_makes_caddy_drop_its_response() {
    caddy(&["-s", "QUIT"]).cut().expect_code(2).expect_asked(&["main QUIT"]);
}
