//! Servers that run an application: gunicorn, uWSGI, uvicorn, puma and unicorn.

use super::{Place, Response, Stopped, source};
use crate::support::running::Running;
use crate::support::{eventually, trials};

trials![
    needs("gunicorn") => term_lets_gunicorn_finish,
    needs("gunicorn") => quit_makes_gunicorn_drop_its_response,
    needs("uwsgi_python3") => term_with_the_hook_lets_uwsgi_finish,
    needs("uwsgi_python3") => die_on_term_makes_uwsgi_drop_its_response,
    needs("uwsgi_python3") => term_alone_makes_uwsgi_start_again,
    needs("uvicorn") => term_lets_uvicorn_finish,
    needs("puma") => term_lets_puma_finish,
    needs("puma") => term_lets_the_workers_of_puma_finish,
    needs("unicorn") => quit_lets_unicorn_finish,
    needs("unicorn") => term_makes_unicorn_drop_its_response,
];

/// Starts a server at its port and begins a response.
fn begin(place: &Place, arguments: &[&str], command: &[&str]) -> (Running, Response) {
    let run = start(place, arguments, command);
    eventually("the server answers", || place.port.is_served());
    let response = Response::begin(&place.port);
    (run, response)
}

fn start(place: &Place, arguments: &[&str], command: &[&str]) -> Running {
    let run = place.winddown().args(arguments).command(command).env("RELEASE", place.release());
    run.env("PYTHONDONTWRITEBYTECODE", "1").owns(&place.directory).directory(place.directory.path()).start()
}

/// The workers keep the port open until they have finished, so the server's own log shows that it was asked.
fn finish((run, response): (Running, Response), place: Place, asked: &str) -> Stopped {
    run.signal(libc::SIGTERM);
    run.wait_err(asked);
    std::fs::write(place.release(), "").expect("a file for the test");
    let rest = response.rest();
    let ended = run.wait().expect_nothing_left();
    assert_eq!(rest, "end\n", "{}", ended.dump());
    place.stopped(ended).expect_outcome("stopped")
}

/// The response ends although it was not released.
fn cut((run, response): (Running, Response), place: Place) -> Stopped {
    run.signal(libc::SIGTERM);
    assert_eq!(response.rest(), "");
    let ended = run.wait().expect_nothing_left();
    place.stopped(ended).expect_outcome("stopped")
}

fn gunicorn(place: &Place, arguments: &[&str]) -> (Running, Response) {
    let (address, home) = (format!("127.0.0.1:{}", place.port.text()), place.directory.path());
    let pythonpath = source!("");
    let temporary = home.to_str().expect("a path of plain text");
    let command = ["gunicorn", "-b", &address, "--pythonpath", pythonpath, "--worker-tmp-dir", temporary];
    begin(place, arguments, &[&command[..], &["app:wsgi"]].concat())
}

fn term_lets_gunicorn_finish() {
    let place = Place::new();
    let begun = gunicorn(&place, &[]);
    finish(begun, place, "Handling signal: term").expect_code(0).expect_asked(&["main TERM"]);
}

fn quit_makes_gunicorn_drop_its_response() {
    let place = Place::new();
    let begun = gunicorn(&place, &["-s", "QUIT"]);
    cut(begun, place).expect_code(0).expect_asked(&["main QUIT"]);
}

fn uwsgi(place: &Place, more: &[&str]) -> (Running, Response) {
    let address = format!("127.0.0.1:{}", place.port.text());
    let command = ["uwsgi_python3", "--master", "--need-app", "--http-socket", &address];
    let application = ["--wsgi-file", source!("app.py"), "--callable", "wsgi"];
    begin(place, &[], &[&command[..], &application, more].concat())
}

fn term_with_the_hook_lets_uwsgi_finish() {
    let place = Place::new();
    let begun = uwsgi(&place, &["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]);
    finish(begun, place, "graceful shutdown triggered").expect_code(0).expect_asked(&["main TERM"]);
}

fn die_on_term_makes_uwsgi_drop_its_response() {
    let place = Place::new();
    let begun = uwsgi(&place, &["--die-on-term"]);
    cut(begun, place).expect_code(0).expect_asked(&["main TERM"]);
}

// It would live until the limit; a QUIT from outside ends it sooner.
fn term_alone_makes_uwsgi_start_again() {
    let place = Place::new();
    let (run, response) = uwsgi(&place, &[]);
    run.signal(libc::SIGTERM);
    assert_eq!(response.rest(), "");
    run.wait_err("gracefully (RE)spawned uWSGI master");
    std::fs::write(place.release(), "").expect("a file for the test");
    assert_eq!(Response::begin(&place.port).rest(), "end\n");
    run.signal(libc::SIGQUIT);
    let ended = run.wait().expect_nothing_left();
    place.stopped(ended).expect_code(0).expect_asked(&["main TERM", "main QUIT"]);
}

fn term_lets_uvicorn_finish() {
    let place = Place::new();
    let port = place.port.text();
    let run = start(&place, &[], &["uvicorn", "--port", &port, "--app-dir", source!(""), "app:asgi"]);
    run.wait_err("Uvicorn running");
    let stopped = place.stop_in_mid_response(run).expect_code(0);
    stopped.expect_outcome("stopped").expect_asked(&["main TERM"]);
}

/// puma dies of SIGTERM at the end, although it has finished its work.
fn puma(more: &[&str]) {
    let place = Place::new();
    let address = format!("tcp://127.0.0.1:{}", place.port.text());
    let command = ["puma", "-b", &address, source!("app.ru")];
    let run = start(&place, &["--remap-exit", "143=0"], &[&command[..], more].concat());
    run.wait_out("Use Ctrl-C to stop");
    eventually("puma answers", || place.port.is_served());
    let stopped = place.stop_in_mid_response(run).expect_code(0);
    stopped.expect_outcome("stopped").expect_asked(&["main TERM"]);
}

fn term_lets_puma_finish() {
    puma(&[]);
}

fn term_lets_the_workers_of_puma_finish() {
    puma(&["--workers", "1"]);
}

/// Without the middleware for developers, which buffers a whole page before it sends it.
fn unicorn(address: &str) -> [&str; 5] {
    ["unicorn", "--no-default-middleware", "--listen", address, source!("app.ru")]
}

// unicorn doesn't log that it was asked; winddown does.
fn quit_lets_unicorn_finish() {
    let place = Place::new();
    let begun = begin(&place, &["-s", "QUIT"], &unicorn(&format!("127.0.0.1:{}", place.port.text())));
    finish(begun, place, " with SIGQUIT, SIGKILL in").expect_code(0).expect_asked(&["main QUIT"]);
}

fn term_makes_unicorn_drop_its_response() {
    let place = Place::new();
    let begun = begin(&place, &[], &unicorn(&format!("127.0.0.1:{}", place.port.text())));
    cut(begun, place).expect_code(0).expect_asked(&["main TERM"]);
}
