//! nginx, whose graceful stop is SIGQUIT; SIGTERM drops requests in progress.

use super::Place;
use super::upstream::{Held, Upstream};
use crate::support::{needs, trials};

trials![
    needs("nginx") => quit_as_the_stop_signal_lets_nginx_finish,
    needs("nginx") => term_mapped_to_quit_lets_nginx_finish,
    needs("nginx") => term_makes_nginx_drop_its_response,
];

fn nginx(arguments: &[&str]) -> Held {
    let place = Place::new();
    let upstream = Upstream::new();
    let directory = place.directory.path().display();
    let address = upstream.address();
    let port = place.port.text();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path '{directory}/{kind}';\n"))
        .concat();
    let configuration = format!(
        "daemon off;\nworker_processes 2;\npid '{directory}/pid';\nerror_log stderr notice;\n\
         events {{ }}\nhttp {{\naccess_log off;\n{temporary}server {{ listen 127.0.0.1:{port};\n\
         location / {{ proxy_pass http://{address}; proxy_buffering off; }} }} }}\n"
    );
    let configuration = place.directory.write("nginx.conf", &configuration);
    let program = needs::program("nginx").expect("nginx");
    let run = place
        .winddown()
        .args(arguments)
        .command([program])
        .more(["-e", "stderr", "-c", &configuration])
        .owns(&place.directory)
        .start();
    Held::begin(place, &upstream, run)
}

// Only the master is asked; it signals its workers.
fn quit_as_the_stop_signal_lets_nginx_finish() {
    nginx(&["-s", "QUIT"]).finish().expect_code(0).expect_asked(&["main QUIT"]);
}

fn term_mapped_to_quit_lets_nginx_finish() {
    nginx(&["--map", "TERM=QUIT"]).finish().expect_code(0).expect_asked(&["main QUIT"]);
}

// The case that the two tests above prevent; nginx counts it as a success.
fn term_makes_nginx_drop_its_response() {
    nginx(&[]).cut().expect_code(0).expect_asked(&["main TERM"]);
}
