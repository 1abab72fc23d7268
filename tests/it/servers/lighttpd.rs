//! lighttpd, whose graceful stop is SIGINT.

use super::Place;
use super::upstream::{Held, Upstream};
use crate::support::{needs, trials};

trials![
    needs("lighttpd") => int_lets_lighttpd_finish,
    needs("lighttpd") => term_makes_lighttpd_drop_its_response,
];

fn lighttpd(arguments: &[&str]) -> Held {
    let place = Place::new();
    let upstream = Upstream::new();
    let configuration = format!(
        "server.modules = ( \"mod_proxy\" )\nserver.document-root = \"{}\"\nserver.bind = \"127.0.0.1\"\n\
         server.port = {}\nserver.stream-response-body = 1\n\
         proxy.server = ( \"\" => (( \"host\" => \"127.0.0.1\", \"port\" => {} )) )\n",
        place.directory.path().display(),
        place.port.text(),
        upstream.address().port(),
    );
    let configuration = place.directory.write("lighttpd.conf", &configuration);
    let program = needs::program("lighttpd").expect("lighttpd");
    let run = place.winddown().args(arguments).command([program]).more(["-D", "-f", &configuration]).start();
    Held::begin(place, &upstream, run)
}

fn int_lets_lighttpd_finish() {
    lighttpd(&["-s", "INT"]).finish().expect_code(0).expect_asked(&["main INT"]);
}

fn term_makes_lighttpd_drop_its_response() {
    lighttpd(&[]).cut().expect_code(1).expect_asked(&["main TERM"]);
}
