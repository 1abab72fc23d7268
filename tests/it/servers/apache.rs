//! Apache's httpd, whose graceful stop is SIGWINCH.

use super::Place;
use super::upstream::{Held, Upstream};
use crate::support::{needs, trials};

trials![
    needs("apache2") => winch_lets_httpd_finish,
    needs("apache2") => term_makes_httpd_drop_its_response,
];

fn apache(arguments: &[&str]) -> Held {
    let place = Place::new();
    let upstream = Upstream::new();
    let directory = place.directory.path().display();
    let modules = ["mpm_event", "authz_core", "proxy", "proxy_http"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let configuration = format!(
        "{modules}ServerRoot '{directory}'\nDefaultRuntimeDir '{directory}'\nPidFile '{directory}/pid'\n\
         ErrorLog /proc/self/fd/2\nUser nobody\nGroup nogroup\nServerName localhost\nStartServers 1\n\
         Listen 127.0.0.1:{}\nProxyPass / http://{}/ flushpackets=on\n",
        place.port.text(),
        upstream.address(),
    );
    let configuration = place.directory.write("apache.conf", &configuration);
    let program = needs::program("apache2").expect("apache2");
    let run = place
        .winddown()
        .args(arguments)
        .command([program])
        .more(["-D", "FOREGROUND", "-f", &configuration])
        .owns(&place.directory)
        .start();
    Held::begin(place, &upstream, run)
}

fn winch_lets_httpd_finish() {
    apache(&["-s", "WINCH"]).finish().expect_code(0).expect_asked(&["main WINCH"]);
}

fn term_makes_httpd_drop_its_response() {
    apache(&[]).cut().expect_code(0).expect_asked(&["main TERM"]);
}
