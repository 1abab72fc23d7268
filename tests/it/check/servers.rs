//! Known truths about real servers, which check must find.

use super::{check_in, expect};
use crate::servers::postgres;
use crate::support::needs::{from_pypi, program};
use crate::support::{TempDir, trials};

trials![
    long needs("node") => node_in_three_ways,
    long needs("gunicorn") => gunicorn_sync_is_kept_by_a_silent_connection,
    long needs("gunicorn") => gunicorn_gthread_answers_what_is_under_way,
    needs("uvicorn") => uvicorn_stops_well,
    long needs("hypercorn") => hypercorn_stops_well,
    needs("nginx") => nginx_by_term_and_by_quit,
    long needs("haproxy") => haproxy_waits_for_silent_connections_by_usr1,
    needs("redis-server") => redis_stops_well,
    long needs("postgres", "initdb", "setpriv") => postgres_waits_for_clients_by_term,
    long needs("java") => a_jvm_dies_by_143_and_stops_well,
    long needs("java") => a_jvm_answers_what_is_under_way,
    needs("node") => a_shell_entrypoint_leaves_its_server,
];

const HTTP: &str =
    "-t 4s --port auto --only stops,exit-status,survivors,in-flight,idle-conn,silent-conn --slow /slow";

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn node(place: &TempDir, on_term: &str) -> Vec<String> {
    let script = format!(
        "const s = require('http').createServer((q, r) => setTimeout(() => r.end(), q.url === '/slow' ? 1000 : 0));\n\
         s.listen(process.env.PORT, '127.0.0.1');\n{on_term}\n"
    );
    words(&format!("node {}", place.write("server.js", &script)))
}

fn node_in_three_ways() {
    let place = TempDir::new();
    let ended =
        check_in(&place, HTTP, &node(&place, "process.on('SIGTERM', () => s.close())")).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
    expect(&ended, "ok", "in-flight");
    for cuts in ["process.on('SIGTERM', () => process.exit(0))", ""] {
        let ended = check_in(&place, HTTP, &node(&place, cuts)).expect_code(1);
        expect(&ended, "FAIL", "in-flight");
        expect(&ended, "ok", "silent-conn");
    }
}

fn application(place: &TempDir) {
    let text = "import asyncio, time\n\
                def wsgi(env, start):\n    \
                    if env['PATH_INFO'] == '/slow': time.sleep(1)\n    \
                    start('200 OK', [('Content-Length', '0')])\n    \
                    return []\n\
                async def asgi(scope, receive, send):\n    \
                    if scope['type'] != 'http': return\n    \
                    if scope['path'] == '/slow': await asyncio.sleep(1)\n    \
                    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    \
                    await send({'type': 'http.response.body', 'body': b''})\n";
    place.write("app.py", text);
}

fn gunicorn_sync_is_kept_by_a_silent_connection() {
    let place = TempDir::new();
    application(&place);
    let ended = check_in(&place, HTTP, &words("gunicorn -b 127.0.0.1:{port} app:wsgi")).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
    expect(&ended, "ok", "in-flight");
}

fn gunicorn_gthread_answers_what_is_under_way() {
    let place = TempDir::new();
    application(&place);
    let command = words("gunicorn -k gthread --threads 4 -b 127.0.0.1:{port} app:wsgi");
    expect(&check_in(&place, HTTP, &command), "ok", "in-flight");
}

fn uvicorn_stops_well() {
    let place = TempDir::new();
    application(&place);
    check_in(&place, HTTP, &words("uvicorn --port {port} app:asgi")).expect_code(0);
}

fn hypercorn_stops_well() {
    let place = TempDir::new();
    application(&place);
    let packages = from_pypi("hypercorn").expect("hypercorn");
    let packages = packages.parent().expect("its directory").display();
    // A helper of multiprocessing may outlive the main process by a moment.
    let words =
        words(&format!("env PYTHONPATH={packages} python3 -m hypercorn -b 127.0.0.1:{{port}} app:asgi"));
    check_in(&place, &format!("{HTTP} --warn survivors"), &words).expect_code(0);
}

fn nginx_by_term_and_by_quit() {
    let place = TempDir::new();
    let directory = place.path().display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path '{directory}/{kind}'; "))
        .concat();
    let configuration = |port: &str| {
        format!(
            "daemon off; worker_processes 2; pid '{directory}/nginx.pid'; error_log stderr notice; events {{ }}\n\
             http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; return 200; }} }}\n"
        )
    };
    // nginx doesn't read variables: a shell writes its configuration, then executes nginx.
    let template = place.write("nginx.template", &configuration("PORT"));
    let nginx = program("nginx").expect("nginx");
    let script = format!(
        "sed s/:PORT/:$PORT/ {template} > nginx.conf; exec {} -e stderr -c {directory}/nginx.conf",
        nginx.display()
    );
    let command = ["sh", "-c", &script].map(str::to_owned);
    check_in(&place, "-t 4s --port auto --only stops,silent-conn,files", &command).expect_code(0);
    let ended =
        check_in(&place, "-t 4s -s QUIT --port auto --only stops,silent-conn", &command).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
}

fn haproxy_waits_for_silent_connections_by_usr1() {
    let place = TempDir::new();
    let text = "global\n  nbthread 1\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
                timeout server 60s\nlisten test\n  bind \"127.0.0.1:${PORT}\"\n  \
                http-request return status 200\n";
    let configuration = place.write("haproxy.cfg", text);
    let haproxy = program("haproxy").expect("haproxy");
    let command = words(&format!("{} -db -f {configuration}", haproxy.display()));
    let options = "-t 4s --port auto --only handler,stops,silent-conn";
    expect(&check_in(&place, options, &command).expect_code(0), "warn", "handler");
    let ended = check_in(&place, &format!("{options} -s USR1"), &command).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
}

fn redis_stops_well() {
    let place = TempDir::new();
    let options = "-t 5s --port auto --skip files";
    let command =
        ["redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", ""].map(str::to_owned);
    check_in(&place, options, &command).expect_code(0);
}

fn postgres_waits_for_clients_by_term() {
    let place = TempDir::new();
    let data = postgres::data_directory(&place);
    let more = ["-D", &data, "-p", "{port}", "-c", "listen_addresses=127.0.0.1"];
    let sparse = ["-c", "unix_socket_directories=", "-c", "shared_buffers=8MB"];
    let more = more.into_iter().chain(sparse).map(str::to_owned);
    let command: Vec<String> = postgres::words("postgres").into_iter().chain(more).collect();
    let options = "-t 4s --port auto --only ready,stops,exit-status,survivors,silent-conn";
    let ended = check_in(&place, options, &command).expect_code(1);
    expect(&ended, "FAIL", "silent-conn");
    expect(&ended, "ok", "stops");
    check_in(&place, &format!("{options} -s INT"), &command).expect_code(0);
}

/// The web server of the JDK; a shutdown hook has it stop within this many seconds.
fn jvm(place: &TempDir, seconds: u32) -> Vec<String> {
    let text = format!(
        "import com.sun.net.httpserver.*; import java.net.*; import java.util.concurrent.*;\n\
         class S {{ public static void main(String[] a) throws Exception {{\n\
         int port = Integer.parseInt(System.getenv(\"PORT\"));\n\
         HttpServer s = HttpServer.create(new InetSocketAddress(\"127.0.0.1\", port), 50);\n\
         s.setExecutor(Executors.newCachedThreadPool());\n\
         s.createContext(\"/\", x -> {{\n\
         try {{ if (x.getRequestURI().getPath().equals(\"/slow\")) Thread.sleep(1000); }} catch (InterruptedException e) {{}}\n\
         x.sendResponseHeaders(200, -1); x.close(); }});\n\
         Runtime.getRuntime().addShutdownHook(new Thread(() -> s.stop({seconds}))); s.start(); }} }}\n"
    );
    let file = place.write("S.java", &text);
    words(&format!("java -XX:TieredStopAtLevel=1 -Xmx64m -XX:-UsePerfData {file}"))
}

fn a_jvm_dies_by_143_and_stops_well() {
    let place = TempDir::new();
    let options = "-t 10s --port auto --only ready,handler,stops,exit-status,survivors";
    let ended = check_in(&place, options, &jvm(&place, 0)).expect_code(0);
    expect(&ended, "ok", "handler");
    expect(&ended, "ok", "exit-status");
}

/// With an open connection, even a probe's, its stop takes the whole time it is given.
fn a_jvm_answers_what_is_under_way() {
    let place = TempDir::new();
    let options = "-t 10s --port auto --only in-flight --slow /slow";
    check_in(&place, options, &jvm(&place, 3)).expect_code(0);
    let ended = check_in(&place, "-t 2s --port auto --only silent-conn,half-request", &jvm(&place, 60));
    assert_ne!(ended.status.code(), Some(0), "{}", ended.dump());
}

fn a_shell_entrypoint_leaves_its_server() {
    let place = TempDir::new();
    let server = node(&place, "process.on('SIGTERM', () => s.close())").join(" ");
    let script = format!("{server}; echo done");
    let options = "--port auto --only survivors,shell-wrap";
    let ended = check_in(&place, options, &["sh", "-c", &script].map(str::to_owned)).expect_code(1);
    expect(&ended, "FAIL", "survivors");
    expect(&ended, "warn", "shell-wrap");
    check_in(&place, options, &["sh", "-c", &format!("exec {server}")].map(str::to_owned)).expect_code(0);
}
