//! php-fpm, whose graceful stop is SIGQUIT together with `process_control_timeout`.

use super::{Place, Response, Stopped, source};
use crate::support::running::Running;
use crate::support::{eventually, needs, trials};

trials![
    needs("php-fpm8.2") => quit_and_a_timeout_let_php_fpm_finish,
    needs("php-fpm8.2") => quit_alone_makes_php_fpm_drop_its_response,
    needs("php-fpm8.2") => term_makes_php_fpm_drop_its_response,
];

/// A record of the `FastCGI` protocol.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("a short content").to_be_bytes();
    [&[1, kind, 0, 1, high, low, 0, 0], content].concat()
}

/// A request for the page, as a web server sends it.
fn request(place: &Place) -> Vec<u8> {
    let variables =
        [("SCRIPT_FILENAME", source!("page.php")), ("REQUEST_METHOD", "GET"), ("RELEASE", &place.release())];
    let mut parameters = Vec::new();
    for (name, value) in variables {
        for text in [name, value] {
            let length = u32::try_from(text.len()).expect("a short text") | 1 << 31;
            parameters.extend(length.to_be_bytes());
        }
        parameters.extend([name, value].concat().bytes());
    }
    let begin = record(1, &[0, 1, 0, 0, 0, 0, 0, 0]);
    [begin, record(4, &parameters), record(4, &[]), record(5, &[])].concat()
}

fn php_fpm(place: &Place, arguments: &[&str], setting: &str) -> (Running, Response) {
    let directory = place.directory.path().display();
    let configuration = format!(
        "[global]\npid = {directory}/pid\nerror_log = /proc/self/fd/2\nlog_level = debug\n{setting}\n\
         [test]\nuser = root\nlisten = 127.0.0.1:{}\npm = static\npm.max_children = 1\n",
        place.port.text(),
    );
    let configuration = place.directory.write("php-fpm.conf", &configuration);
    let program = needs::program("php-fpm8.2").expect("php-fpm");
    let run = place
        .winddown()
        .args(arguments)
        .command([program])
        .more(["-n", "-F", "-R", "-y", &configuration])
        .owns(&place.directory)
        .start();
    eventually("php-fpm answers", || place.port.is_served());
    let response = Response::send(&place.port, &request(place)).begun();
    (run, response)
}

/// Stops php-fpm while the response is held.
fn cut(arguments: &[&str]) -> Stopped {
    let place = Place::new();
    let (run, response) = php_fpm(&place, arguments, "");
    run.signal(libc::SIGTERM);
    let rest = response.rest();
    let ended = run.wait().expect_nothing_left();
    assert!(!rest.contains("end\n"), "{rest:?}");
    place.stopped(ended).expect_outcome("stopped")
}

fn quit_and_a_timeout_let_php_fpm_finish() {
    let place = Place::new();
    let (run, response) = php_fpm(&place, &["-s", "QUIT"], "process_control_timeout = 20s");
    run.signal(libc::SIGTERM);
    run.wait_err("1 child(ren) still alive");
    std::fs::write(place.release(), "").expect("a file for the test");
    let rest = response.rest();
    let ended = run.wait().expect_code(0).expect_nothing_left();
    assert!(rest.contains("end\n"), "{rest:?} {}", ended.dump());
    place.stopped(ended).expect_outcome("stopped").expect_asked(&["main QUIT"]);
}

fn quit_alone_makes_php_fpm_drop_its_response() {
    cut(&["-s", "QUIT"]).expect_code(0).expect_asked(&["main QUIT"]);
}

fn term_makes_php_fpm_drop_its_response() {
    cut(&[]).expect_code(0).expect_asked(&["main TERM"]);
}
