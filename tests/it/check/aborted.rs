//! Requests whose clients hang up: what check finds with servers made for it, and the known truths about real ones.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{check, check_in, expect, server};
use crate::support::needs::{from_pypi, program};
use crate::support::{TempDir, trials};

trials![
    needs("python3") => a_stop_that_waits_for_those_who_have_gone_is_reported,
    needs("python3") => clients_hang_up_in_both_ways,
    needs("python3") => an_idle_stop_as_long_as_the_request_shows_nothing,
    long needs("python3") => work_that_goes_on_is_reported,
    needs("python3") => a_short_request_is_measured_and_skipped,
    long needs("uvicorn") => uvicorn_waits,
    long needs("uvicorn") => an_application_that_listens_for_the_close_gives_up,
    long needs("hypercorn") => hypercorn_waits,
    long needs("gunicorn") => gunicorn_waits,
    long needs("node") => node_waits_unless_it_listens_for_the_close,
    long needs("python3") => server_close_waits,
    long needs("java") => the_jdk_waits_when_its_pool_is_awaited,
    long needs("nginx") => nginx_as_a_proxy_gives_up_unless_it_ignores_the_close,
    long needs("haproxy") => haproxy_gives_up_with_abortonclose_only,
    long needs("mcs", "dotnetcore2", "openssl-1.1") => dotnet_waits_for_running_requests,
];

fn a_stop_that_waits_for_those_who_have_gone_is_reported() {
    let options = "--only abandoned --slow /slow";
    expect(&check(options, &server("drains")).expect_code(0), "ok", "abandoned");
    let ended = check(options, &server("graceful")).expect_code(0);
    expect(&ended, "warn", "abandoned");
    assert!(ended.dump().contains("try: end the work when its connection is closed"), "{}", ended.dump());
    let ended = check(&format!("{options} --deny abandoned"), &server("graceful")).expect_code(1);
    expect(&ended, "FAIL", "abandoned");
}

fn clients_hang_up_in_both_ways() {
    let place = TempDir::new();
    check_in(&place, "--only abandoned --slow /slow --log server.log", &server("drains")).expect_code(0);
    let log = std::fs::read_to_string(place.file("server.log")).expect("the log");
    let count = |how: &str| log.matches(&format!("the client has hung up: {how}\n")).count();
    assert_eq!((count("FIN"), count("RST")), (2, 1), "{log}");
}

fn an_idle_stop_as_long_as_the_request_shows_nothing() {
    let mut slow = server("slow");
    slow.push("1.5".to_owned());
    let ended = check("--only abandoned --slow /slow", &slow).expect_code(3);
    expect(&ended, "???", "abandoned");
    assert!(ended.dump().contains("as long as a request"), "{}", ended.dump());
}

fn work_that_goes_on_is_reported() {
    let options = "--only abort --slow /work";
    expect(&check(options, &server("drains")).expect_code(0), "ok", "abort");
    expect(&check(options, &server("good")).expect_code(0), "warn", "abort");
    expect(&check(&format!("{options} --deny abort"), &server("good")).expect_code(1), "FAIL", "abort");
}

fn a_short_request_is_measured_and_skipped() {
    let ended = check("--only stops,abort --slow /slow", &server("good")).expect_code(0);
    expect(&ended, "skip", "abort");
    assert!(ended.dump().contains("a request takes 1s: give --slow one that takes 2s"), "{}", ended.dump());
}

/// The verdicts about a server that takes 3 s for `/slow`, and for `/work`, which uses the CPU.
#[track_caller]
fn expect_both(place: &TempDir, options: &str, command: &[String], abandoned: &str, abort: &str) {
    for (id, path, word) in [("abandoned", "/slow", abandoned), ("abort", "/work", abort)] {
        let options = format!("-t 8s --port auto --only {id} --slow {path} {options}");
        expect(&check_in(place, &options, command), word, id);
    }
}

/// Its verdicts where it works on, and its stop waits for that.
#[track_caller]
fn expect_waits(place: &TempDir, command: &str) {
    expect_both(place, "", &words(command), "warn", "warn");
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// A directory with this file, which stands beside this one.
fn with(files: &[&str]) -> TempDir {
    let place = TempDir::new();
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/check/aborted");
    for file in files {
        place.install(file, PathBuf::from(from).join(file));
    }
    place
}

fn uvicorn_waits() {
    expect_waits(&with(&["app.py"]), "uvicorn --port {port} app:asgi");
}

fn an_application_that_listens_for_the_close_gives_up() {
    let command = words("uvicorn --port {port} app:listening");
    expect_both(&with(&["app.py"]), "", &command, "ok", "ok");
}

fn hypercorn_waits() {
    let packages = from_pypi("hypercorn").expect("hypercorn");
    let packages = packages.parent().expect("its directory").display();
    let command = format!("env PYTHONPATH={packages} python3 -m hypercorn -b 127.0.0.1:{{port}} app:asgi");
    let options = "-t 8s --port auto --only abandoned --slow /slow";
    expect(&check_in(&with(&["app.py"]), options, &words(&command)), "warn", "abandoned");
}

fn gunicorn_waits() {
    let place = with(&["app.py"]);
    expect_waits(&place, "gunicorn -b 127.0.0.1:{port} app:wsgi");
    expect_waits(&place, "gunicorn -k gthread --threads 4 -b 127.0.0.1:{port} app:wsgi");
}

fn node_waits_unless_it_listens_for_the_close() {
    let place = with(&["server.js"]);
    expect_waits(&place, "node server.js");
    expect_both(&place, "", &words("node server.js listens"), "ok", "ok");
}

fn server_close_waits() {
    expect_waits(&with(&["app.py", "threads.py"]), "python3 threads.py");
}

fn the_jdk_waits_when_its_pool_is_awaited() {
    let java = "java -XX:TieredStopAtLevel=1 -Xmx64m -XX:-UsePerfData Server.java";
    expect_waits(&with(&["Server.java"]), java);
}

/// What a proxy passes requests on to: each request but `/` is answered after 3 s, whether anybody waits for it or not.
struct Backend {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Backend {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::spawn(move || answer(stream));
            }
        });
        Self { address, is_over, accepting: Some(accepting) }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: TcpStream) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
    if !request.starts_with("GET / ") {
        std::thread::sleep(Duration::from_secs(3));
    }
    let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
}

fn nginx_as_a_proxy_gives_up_unless_it_ignores_the_close() {
    let backend = Backend::new();
    let nginx = program("nginx").expect("nginx");
    for (ignores, abandoned, abort) in [("off", "ok", "ok"), ("on", "warn", "warn")] {
        let place = TempDir::new();
        let directory = place.path().display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path '{directory}/{kind}'; "))
            .concat();
        let text = format!(
            "daemon off; worker_processes 1; pid '{directory}/nginx.pid'; error_log stderr notice; events {{ }}\n\
             http {{ access_log off; {temporary} server {{ listen 127.0.0.1:PORT; location / {{\n\
             proxy_pass http://{}; proxy_ignore_client_abort {ignores}; }} }} }}\n",
            backend.address
        );
        // nginx doesn't read variables: a shell writes its configuration, then executes nginx.
        let template = place.write("nginx.template", &text);
        let script = format!(
            "sed s/:PORT/:$PORT/ {template} > nginx.conf; exec {} -e stderr -c {directory}/nginx.conf",
            nginx.display()
        );
        expect_both(&place, "-s QUIT", &["sh", "-c", &script].map(str::to_owned), abandoned, abort);
    }
}

fn haproxy_gives_up_with_abortonclose_only() {
    let backend = Backend::new();
    let haproxy = program("haproxy").expect("haproxy");
    for (option, abandoned, abort) in [("option", "ok", "ok"), ("no option", "warn", "warn")] {
        let place = TempDir::new();
        let text = format!(
            "global\n  nbthread 1\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
             timeout server 60s\nlisten test\n  bind \"127.0.0.1:${{PORT}}\"\n  {option} abortonclose\n  \
             server backend {}\n",
            backend.address
        );
        let configuration = place.write("haproxy.cfg", &text);
        let command = words(&format!("{} -db -f {configuration}", haproxy.display()));
        expect_both(&place, "-s USR1", &command, abandoned, abort);
    }
}

/// The runtime needs OpenSSL 1.1, which Debian 12 lacks and another package from `PyPI` brings.
fn dotnet_waits_for_running_requests() {
    let place = with(&["Server.cs"]);
    let framework = "{\"name\": \"Microsoft.NETCore.App\", \"version\": \"3.1.23\"}";
    let without_icu = "{\"System.Globalization.Invariant\": true}";
    let text = format!(
        "{{\"runtimeOptions\": {{\"framework\": {framework}, \"configProperties\": {without_icu}}}}}"
    );
    place.write("Server.runtimeconfig.json", &text);
    let compiler =
        Command::new("mcs").args(["-out:Server.dll", "Server.cs"]).current_dir(place.path()).status();
    assert!(compiler.is_ok_and(|status| status.success()), "mcs");
    let libraries = from_pypi("psycopg2_binary.libs").expect("OpenSSL 1.1");
    for entry in std::fs::read_dir(libraries).expect("its libraries").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        // libssl-3a880ada.so.1.1
        let plain = name.split_once('-').filter(|(kind, _)| matches!(*kind, "libssl" | "libcrypto"));
        let links = [Some(name.clone()), plain.map(|(kind, _)| format!("{kind}.so.1.1"))];
        for link in links.into_iter().flatten() {
            symlink(entry.path(), place.path().join(link)).expect("a link");
        }
    }
    let options = format!("--ready log:ready --env LD_LIBRARY_PATH={}", place.path().display());
    let runtime = from_pypi("dotnetcore2/bin/dotnet").expect("the runtime").display().to_string();
    expect_both(&place, &options, &[runtime, "Server.dll".to_owned()], "warn", "warn");
}
