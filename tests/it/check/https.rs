//! `winddown check` of servers that speak TLS: whose certificates count, and what it says about the others.

use std::process::{Command, Stdio};

use super::{check_in, expect};
use crate::support::TempDir;
use crate::support::builder::Winddown;
use crate::support::needs::program;
use crate::support::running::Ended;
use crate::support::trials;

trials![
    needs("python3", "openssl") => a_private_ca_that_the_system_trusts_counts,
    needs("python3", "openssl") => what_is_wrong_with_a_certificate_is_reported,
    needs("python3", "openssl") => with_insecure_any_certificate_counts,
    needs("nginx", "openssl") => nginx_with_a_self_signed_certificate,
    needs("python3") => a_server_without_tls_is_reported,
    insecure_without_https_is_refused,
];

/// Answers by TLS with `server.pem` and `server.key`.
const SERVER: &str = "import http.server, os, signal, ssl, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.path == '/slow': time.sleep(1)
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    def finish_request(self, request, address):
        request.settimeout(0.2)
        try: super().finish_request(context.wrap_socket(request, server_side=True), address)
        except OSError: pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('server.pem', 'server.key')
server = Server(('127.0.0.1', int(os.environ['PORT'])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.02)
server.server_close()
";

fn openssl(place: &TempDir, words: &str) {
    let mut command = Command::new("openssl");
    command.args(words.split_ascii_whitespace()).current_dir(place.path());
    let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("openssl");
    assert!(done.success(), "openssl {words}");
}

/// Makes `server.pem`, which is its own issuer.
fn self_signed(place: &TempDir, names: &str) {
    openssl(
        place,
        &format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout server.key -out server.pem -subj /CN=server \
             -addext subjectAltName={names}"
        ),
    );
}

/// Makes `ca.pem`, and `server.pem` that it has signed.
fn signed_by_a_ca(place: &TempDir, names: &str) {
    openssl(place, "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=ca");
    openssl(place, "req -new -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
    place.write("names", &format!("subjectAltName={names}\n"));
    let sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile names";
    openssl(place, sign);
}

/// Checks the server, with a system that trusts `ca.pem` alone, if it is there.
fn check_server(place: &TempDir, options: &str) -> Ended {
    let server = place.write("server.py", SERVER);
    let words = ["check", "--port", "auto"].into_iter().chain(options.split_ascii_whitespace());
    let run = Winddown::new().args(words).command(["python3", &server]).directory(place.path());
    let run = if place.path().join("ca.pem").exists() {
        run.env("SSL_CERT_FILE", place.file("ca.pem"))
    } else {
        run
    };
    run.run().expect_nothing_left()
}

const STOPS: &str = "--ready https://localhost:{port}/ --only ready,stops,refuse-new --ready-timeout 2s";

fn a_private_ca_that_the_system_trusts_counts() {
    let place = TempDir::new();
    signed_by_a_ca(&place, "DNS:localhost");
    let options =
        "--ready https://localhost:{port}/ --only stops,refuse-new,in-flight,idle-conn --slow /slow";
    let ended = check_server(&place, options).expect_code(0);
    for id in ["stops", "refuse-new", "in-flight", "idle-conn"] {
        expect(&ended, "ok", id);
    }
    assert_eq!(ended.count_out("HTTP 200 at /"), 1, "{}", ended.dump());
}

fn what_is_wrong_with_a_certificate_is_reported() {
    let place = TempDir::new();
    self_signed(&place, "DNS:localhost");
    let expect_reason = |ended: Ended, what: &str| {
        let text = ended.out().join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(what) && text.contains("or give --insecure"), "{what}: {}", ended.dump());
    };
    expect_reason(check_server(&place, STOPS).expect_code(3), "(self-signed)");
    signed_by_a_ca(&place, "DNS:other.example");
    expect_reason(check_server(&place, STOPS).expect_code(3), "is not for localhost, but for");
    // Of another CA than the one that the system trusts.
    openssl(&place, "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=else");
    expect_reason(check_server(&place, STOPS).expect_code(3), "no CA that this system trusts");
}

fn with_insecure_any_certificate_counts() {
    let place = TempDir::new();
    self_signed(&place, "DNS:other.example");
    let ended = check_server(&place, &format!("{STOPS} --insecure")).expect_code(0);
    expect(&ended, "ok", "refuse-new");
}

fn nginx_with_a_self_signed_certificate() {
    let place = TempDir::new();
    self_signed(&place, "IP:127.0.0.1");
    let directory = place.path().display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path '{directory}/{kind}'; "))
        .concat();
    let configuration = format!(
        "daemon off; pid '{directory}/nginx.pid'; error_log stderr notice; events {{ }}\n\
         http {{ access_log off; {temporary} server {{ listen 127.0.0.1:PORT ssl; ssl_certificate server.pem; \
         ssl_certificate_key server.key; return 200; }} }}\n"
    );
    let template = place.write("nginx.template", &configuration);
    let nginx = program("nginx").expect("nginx");
    let script = format!(
        "sed s/:PORT/:$PORT/ {template} > nginx.conf; exec {} -e stderr -c {directory}/nginx.conf",
        nginx.display()
    );
    let options =
        "-s QUIT --port auto --insecure --url https://127.0.0.1:{port}/ --only stops,refuse-new,idle-conn";
    let ended = check_in(&place, options, &["sh", "-c", &script].map(str::to_owned)).expect_code(0);
    expect(&ended, "ok", "refuse-new");
    expect(&ended, "ok", "idle-conn");
}

fn a_server_without_tls_is_reported() {
    let options = "--port auto --ready https://127.0.0.1:{port}/ --insecure --ready-timeout 1s --only ready";
    let ended = check_in(&TempDir::new(), options, &super::server("good")).expect_code(3);
    let text = ended.out().join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("no TLS is spoken there: use http://"), "{}", ended.dump());
}

fn insecure_without_https_is_refused() {
    let ended =
        Winddown::new().args(["check", "--insecure", "--url", "/"]).command(["true"]).run().expect_code(125);
    assert_eq!(
        ended.err(),
        ["winddown: check: --insecure is for https URLs, and none is given; leave it out"]
    );
}
