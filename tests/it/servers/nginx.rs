//! nginx, whose graceful stop is SIGQUIT; SIGTERM drops what is under way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use super::{Place, Response, Stopped};
use crate::support::running::Running;
use crate::support::{eventually, needs, trials};

trials![
    needs("nginx") => quit_as_the_stop_signal_lets_nginx_finish,
    needs("nginx") => term_mapped_to_quit_lets_nginx_finish,
    needs("nginx") => term_makes_nginx_drop_its_response,
];

/// What nginx asks for the page: the test itself, so that the page comes as slowly as it likes.
struct Upstream(TcpListener);

impl Upstream {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    /// Takes a request and sends the beginning of the page.
    fn begin(&self) -> TcpStream {
        let (stream, _) = self.0.accept().expect("nginx asks");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a request");
        }
        let mut stream = reader.into_inner();
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nbegin\n").expect("nginx listens");
        stream
    }
}

/// A response that nginx is passing on, and the hand that holds it.
struct Held {
    place: Place,
    run: Running,
    response: Response,
    page: TcpStream,
}

fn nginx(arguments: &[&str]) -> Held {
    let place = Place::new();
    let upstream = Upstream::new();
    let directory = place.directory.path().display();
    let address = upstream.0.local_addr().expect("an address");
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
    eventually("nginx answers", || place.port.is_served());
    let (page, response) = std::thread::scope(|scope| {
        let page = scope.spawn(|| upstream.begin());
        let response = Response::begin(&place.port);
        (page.join().expect("a page"), response)
    });
    Held { place, run, response, page }
}

fn quit_as_the_stop_signal_lets_nginx_finish() {
    finish(nginx(&["-s", "QUIT"]));
}

fn term_mapped_to_quit_lets_nginx_finish() {
    finish(nginx(&["--map", "TERM=QUIT"]));
}

/// The master alone is asked; its workers close the port, and pass the rest on before they go.
fn finish(held: Held) -> Stopped {
    let Held { place, run, response, mut page } = held;
    run.signal(libc::SIGTERM);
    eventually("nginx takes no more connections", || !place.port.is_served());
    page.write_all(b"end\n").expect("nginx reads on");
    let rest = response.rest();
    let ended = run.wait().expect_code(0).expect_nothing_left();
    assert_eq!(rest, "end\n", "{}", ended.told());
    place.stopped(ended).expect_outcome("stopped").expect_asked(&["main QUIT"])
}

// What the two above guard against; nginx thinks it a success.
fn term_makes_nginx_drop_its_response() {
    let Held { place, run, response, page } = nginx(&[]);
    run.signal(libc::SIGTERM);
    assert_eq!(response.rest(), "");
    drop(page);
    let ended = run.wait().expect_code(0).expect_nothing_left();
    place.stopped(ended).expect_outcome("stopped").expect_asked(&["main TERM"]);
}
